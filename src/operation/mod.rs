//! `Operation` and `Resume`: everything known about an operation, and the extension that resumes it.

pub(crate) mod cancel;
pub(crate) mod details;
pub(crate) mod error_object;
#[cfg(feature = "serde")]
mod stored;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, Uri};

use crate::{
    address::policy::{Address, Credentials},
    operation::{details::Details, error_object::ErrorObject},
    protocol::{Protocol, start_rule::StartRule, state::OperationState},
    redact::{Name, Redacted},
};

/// One long-running operation: its monitor, its state, and everything else known about it.
///
/// It is in every [`Event`](crate::Event) but `Unmatched`, in every [`OperationError`](crate::OperationError), and in the extensions
/// of the final response, where [`ResponseExt::operation`](crate::ResponseExt::operation) finds it. It never holds a credential of
/// the start request: query parameters that are propagated (`subscription-key`) are not part of its addresses. Addresses that the
/// service itself has signed are kept whole, although they work for everybody who has them: there is no other way to the operation.
///
/// With feature `serde` it is `Serialize` and `Deserialize`, in a versioned format: one process can store it, and another can
/// [resume](Self::resume) it.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, ResponseExt, OperationState, simulator::Simulator};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
/// let response = LroLayer::new().layer(Simulator::new()).oneshot(request).await?;
/// let operation = response.operation().expect("a 202 came first");
///
/// assert_eq!(operation.id(), Some("00000001-add9-4ef7-9788-1635bed9a87e"));
/// assert_eq!(operation.monitor().path(), "/operations/00000001-add9-4ef7-9788-1635bed9a87e");
/// assert_eq!(operation.state(), OperationState::Succeeded);
/// assert_eq!(operation.status(), Some("Succeeded")); // the service's own word for it
/// assert_eq!(operation.created(), Some("2021-05-06T07:55:19.5256829+00:00"));
/// assert!(operation.resource().is_some_and(|resource| resource.path().starts_with("/resources/")));
/// assert!(operation.percent_complete().is_none() && operation.error().is_none());
/// assert!(!operation.is_success_assumed());
///
/// assert_eq!(operation.polls(), 3);
/// assert!(operation.elapsed() > Duration::from_secs(60));
/// assert!(operation.accepted_at().is_some() && operation.deadline().is_none());
/// assert_eq!(operation.protocol().name(), "operation-location");
/// assert!(!operation.is_anonymous());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Operation {
    pub(crate) monitor: Uri,
    /// Whether polls of the monitor carry credentials.
    pub(crate) credentials: Credentials,
    pub(crate) protocol: Protocol,
    /// The index of the protocol's rule by which it was announced.
    pub(crate) start_rule: u8,
    pub(crate) state: OperationState,
    pub(crate) is_success_assumed: bool,
    pub(crate) polls: u32,
    pub(crate) elapsed: Duration,
    pub(crate) accepted_at: Option<SystemTime>,
    pub(crate) progress: Progress,
    pub(crate) status: Option<Box<str>>,
    pub(crate) id: Option<Box<str>>,
    pub(crate) percent: Option<f64>,
    /// Members that few operations have, and most of those only at their end.
    pub(crate) more: Option<Box<More>>,
}

/// The layer's progress with an operation: another process needs it in order to go on as this one would have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// The last delay of the backoff.
    pub(crate) backoff: Option<Duration>,
    /// Failed polls since the last status. Zero after a call that ended in an error: a later call counts anew.
    pub(crate) consecutive_failures: u32,
    /// How often the monitor has moved, or the result was redirected, since the last status. Reset in the same way.
    pub(crate) moves: u8,
    /// Whether the monitor has ever shown that it is one: by a status, by 202, or by none where that means running.
    pub(crate) has_status: bool,
    /// Cleared once it has passed: a later call has another one.
    pub(crate) deadline: Option<SystemTime>,
}

#[derive(Clone, Default)]
pub(crate) struct More {
    pub(crate) created: Option<String>,
    pub(crate) resource: Option<Uri>,
    /// A `Location` that does not name the monitor.
    pub(crate) location: Option<Uri>,
    /// The address of the monitor before redirects that have led to no status yet. Boxed, because few have any.
    pub(crate) redirected_from: Option<Box<Uri>>,
    /// The start request's method and address, without any query parameter but `api-version`.
    pub(crate) start: Option<(Method, Uri)>,
    pub(crate) error: Option<ErrorObject>,
    /// The address of the result while it is being fetched.
    pub(crate) result: Option<Address>,
    /// The service's address of the monitor could not be resolved: that of the start request stands in its place, for the reader.
    pub(crate) has_no_monitor: bool,
    /// Stored members of another version of this crate that this version does not know.
    #[cfg(feature = "serde")]
    pub(crate) unknown: std::collections::BTreeMap<String, serde_json::Value>,
}

impl Operation {
    pub(crate) fn new(address: Address, protocol: Protocol, start_rule: u8) -> Self {
        Self {
            monitor: address.uri,
            credentials: address.credentials,
            protocol,
            start_rule,
            state: OperationState::NotStarted,
            is_success_assumed: false,
            polls: 0,
            elapsed: Duration::ZERO,
            accepted_at: None,
            progress: Progress::default(),
            status: None,
            id: None,
            percent: None,
            more: None,
        }
    }

    /// The rule by which it was announced.
    pub(crate) fn start_rule(&self) -> &StartRule {
        self.protocol.start_rule(self.start_rule)
    }

    /// The address of the result while it is being fetched.
    pub(crate) fn result(&self) -> Option<&Address> {
        self.more.as_ref()?.result.as_ref()
    }

    /// Whether the address of the monitor is known, and may be asked once it has been judged.
    pub(crate) fn has_monitor(&self) -> bool {
        self.more.as_ref().is_none_or(|more| !more.has_no_monitor)
    }

    /// The start request's method and address.
    pub(crate) fn start(&self) -> Option<&(Method, Uri)> {
        self.more.as_ref()?.start.as_ref()
    }

    /// Forgets the error of an earlier failure.
    pub(crate) fn forget_error(&mut self) {
        if let Some(more) = &mut self.more {
            more.error = None;
        }
    }

    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The address of the monitor before redirects that have led to no status yet.
    pub(crate) fn redirected_from(&self) -> Option<&Uri> {
        self.more.as_ref()?.redirected_from.as_deref()
    }

    /// A `Location` that does not name the monitor is where the result may be.
    pub(crate) fn note_location(&mut self, location: Uri) {
        let more = self.more_mut();
        more.resource = Some(location.clone());
        more.location = Some(location);
    }

    /// Takes over the details of a final response. Those of an earlier end are dropped.
    pub(crate) fn note_details(&mut self, details: Details) {
        let Details { id, created, error } = details;
        let error = error.filter(|_| self.state != OperationState::Succeeded);
        // The caller may have stored it under the first.
        self.id = self.id.take().or(id.map(Box::from));
        if self.more.is_some() || created.is_some() || error.is_some() {
            let more = self.more_mut();
            more.created = created.or(more.created.take());
            more.error = error;
        }
    }

    /// Returns the protocol by which it was announced.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Returns whether its polls carry no credentials, because the origin of its monitor is
    /// [allowed](crate::LroLayer::allow_anonymous_origin), but not trusted.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.credentials == Credentials::Withhold
    }

    /// Returns the service's name for the operation: from the header `Operation-Id` or `x-ms-operation-id` of the start response, from
    /// the place in the body that the protocol names, or else from a final response's `operationId`, `id` or `jobId`. Up to 1 KiB.
    ///
    /// Some services name operations by their addresses, and may have signed them: `Debug`, spans and events show such names with
    /// their query values replaced.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the address of the monitor, where a `GET` gives a status response: as the service named it, resolved, and without
    /// any credential of the start request.
    ///
    /// Do not send requests there yourself, because the service chose the address. To go on with the operation, see [`resume`](Self::resume).
    ///
    /// If the service's address could not be resolved ([`AddressError`](crate::AddressError)), it is the address of the start request,
    /// and the operation can be neither resumed nor canceled there.
    #[must_use]
    pub fn monitor(&self) -> &Uri {
        &self.monitor
    }

    /// Returns the meaning of the [`status`](Self::status).
    #[must_use]
    pub fn state(&self) -> OperationState {
        self.state
    }

    /// Returns the status of the last status response, in the service's own spelling, up to 64 bytes. `None` if that response
    /// had none, and the HTTP status decided.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Returns whether success is an assumption: the final response had no status, and the monitor never answered 202 or gave a
    /// status before; it was taken for the result because it is a good response other than 202. The success of a final response of
    /// `application/http` whose message [could not be read](crate::StatusRule::unwrap_application_http) is an assumption, too.
    ///
    /// Only protocols by HTTP status make the first assumption ([`MissingStatus::Succeeded`](crate::MissingStatus::Succeeded)). It is
    /// wrong for a service whose status has another name, such as `{"state": "running"}`: [`Protocol::strict`] turns it into an error,
    /// and [`Protocol::builder`] can say where the status is.
    #[must_use]
    pub fn is_success_assumed(&self) -> bool {
        self.is_success_assumed
    }

    /// Returns when the operation was created, in the service's own spelling: the final response's `created`, `createdDateTime`
    /// or the like. Services do not agree on a format.
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        self.more.as_ref()?.created.as_deref()
    }

    /// Returns the resource that the operation made or changed: the `Resource-Location` of the final response's head, or what the protocol
    /// finds in its body (`resourceLocation`); otherwise the `Location` beside the monitor's address, or that of a `201`.
    #[must_use]
    pub fn resource(&self) -> Option<&Uri> {
        self.more.as_ref()?.resource.as_ref()
    }

    /// Returns the progress in percent, usually 0 to 100 but not clamped, as far as the service says: `percentComplete`, `percentCompleted`,
    /// `percentageComplete`, the header `X-Progress`, or where the protocol finds it. `None` after success, unless the final
    /// response itself has a percentage; after a failure the last one.
    #[must_use]
    pub fn percent_complete(&self) -> Option<f64> {
        self.percent
    }

    /// Returns the service's error object, if the operation failed and its final response has one within its first 64 KiB.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorObject> {
        self.more.as_ref()?.error.as_ref()
    }

    /// Returns how many requests were sent to the monitor, failed ones included.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.polls
    }

    /// Returns the time from acceptance to the last thing that happened to the operation. For a resumed operation, it is the larger of
    /// the counted time and the time by the wall clock.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns when the service accepted the operation, by this machine's wall clock. `None` if only the monitor's address was
    /// known ([`Resume::new`]).
    #[must_use]
    pub fn accepted_at(&self) -> Option<SystemTime> {
        self.accepted_at
    }

    /// Returns the time until which the layer polls it, by the wall clock of the machine on which it was accepted:
    /// [`LroLayer::timeout`](crate::LroLayer::timeout) after its acceptance. `None` without a timeout, and in a
    /// [`Cause::Timeout`](crate::Cause::Timeout): the next request then has the timeout of its layer. An operation that was stored
    /// earlier keeps its deadline, and ends at once if it is resumed later than that: set a new one by [`Resume::timeout`].
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.progress.deadline
    }

    /// Returns the extension that resumes this operation, for a `GET` to the service; see [`Resume`].
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::Request;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let simulator = Simulator::new();
    /// let hasty = LroLayer::new().timeout(Duration::from_secs(20)).layer(simulator.clone());
    /// let error = hasty.oneshot(request).await.unwrap_err();
    /// let operation = error.operation().expect("it was accepted");
    ///
    /// // Later, to the service, with the credentials that the first request had:
    /// let client = LroLayer::new().layer(simulator.clone());
    /// let request = Request::get("https://atlas.microsoft.com/").extension(operation.resume()).body(String::new())?;
    /// assert_eq!(client.oneshot(request).await?.status(), 200);
    /// assert_eq!(simulator.started(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resume(&self) -> Resume {
        Resume { operation: Some(Arc::new(self.clone())), timeout: None }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id().map(Name))
            .field("monitor", &Redacted(&self.monitor))
            .field("protocol", &self.protocol.name())
            .field("state", &self.state)
            .field("status", &self.status())
            .field("created", &self.created())
            .field("resource", &self.resource().map(Redacted))
            .field("percent_complete", &self.percent_complete())
            .field("error", &self.error())
            .field("polls", &self.polls)
            .field("elapsed", &self.elapsed())
            .finish()
    }
}

/// Resumes a stored operation: in the extensions of a `GET` to the service, it makes the layer poll the operation instead. It does
/// nothing in those of any other request, which is sent as it is.
///
/// Get one from [`Operation::resume`], in this process or another. Address the request to the service, like the start request
/// (any path will do: `GET https://us.atlas.microsoft.com/`), with the service's credentials and query key. The layer sends
/// nothing to that address. It polls the operation's monitor, after judging its address from the origin of the request and the
/// layer's current settings, as it judges the header of a start response: the same origin or a trusted one gets the request's
/// credentials, an allowed one gets none, and any other is [`Cause::Address`](crate::Cause::Address) before anything is sent.
/// Every stored address is judged so: an attacker who can write to the store can make work fail, or have it taken for done, but
/// gets no credential.
///
/// An operation that remembers where it was started must be resumed by a request to that origin, or to one that is trusted from there.
///
/// The settings of the layer apply; the [deadline](Operation::deadline) is the operation's own, if it still has one, else the
/// layer's. An error of the call is an [`Error::Operation`](crate::Error::Operation), or [`Error::NoTimer`](crate::Error::NoTimer).
///
/// # If only the monitor's address is known
///
/// [`Resume::new`] makes a `GET` on a monitor whose address you wrote yourself the first poll of an operation, which counts as
/// announced by the first protocol of the layer. The query of that address belongs to the monitor and is kept with the operation,
/// except for the [propagated](crate::LroLayer::propagate_query) parameters:
///
/// ```
/// use http::Request;
/// use tower_lro::Resume;
///
/// let request = Request::get("https://us.atlas.microsoft.com/mapData/operations/1?api-version=2.0")
///     .header("subscription-key", "…")
///     .extension(Resume::new())
///     .body(String::new())?;
/// # let _ = request;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Resume {
    pub(crate) operation: Option<Arc<Operation>>,
    pub(crate) timeout: Option<Duration>,
}

impl Resume {
    /// Makes the request itself the first poll of an operation, if only the monitor's address is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { operation: None, timeout: None }
    }

    /// Sets a new deadline, this long after the request, instead of the operation's own.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::Duration;
    /// # fn resume(operation: &tower_lro::Operation) -> tower_lro::Resume {
    /// // The process was down for longer than the operation was allowed to take.
    /// operation.resume().timeout(Duration::from_secs(600))
    /// # }
    /// ```
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }
}
