//! `Operation`, `OperationState` and `Resume`: what callers see of an operation.

pub(crate) mod details;
pub(crate) mod error_object;
#[cfg(feature = "serde")]
mod stored;

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, Uri};

use crate::{
    operation::{
        details::{Details, Unread},
        error_object::ErrorObject,
    },
    protocol::Protocol,
    redact::Redacted,
};

/// What is known of one long-running operation.
///
/// It is in every [`Event`](crate::Event), in every [`OperationError`](crate::OperationError), and in the extensions of
/// the final response, where [`ResponseExt::operation`] finds it. It never holds a credential of the start request: query
/// parameters that the layer carried over (`subscription-key`) are not part of its addresses. Addresses that the service
/// itself has signed, so that they work for whoever has them, are whole: there is no other way to the operation.
///
/// What the final response's body says of it ([`id`](Self::id), [`created`](Self::created), [`failure`](Self::error)) is
/// read when it is first asked for: until then a copy of the body is kept, of up to 64 KiB, which clones share.
///
/// With feature `serde` it is `Serialize` and `Deserialize`, in a format that has a version: stored by a first process,
/// it is [resumed](Self::resume) by another.
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
///
/// assert_eq!(operation.polls(), 3);
/// assert!(operation.elapsed() > Duration::from_secs(60));
/// assert_eq!(operation.protocol().name(), "operation-location");
/// assert!(!operation.is_anonymous());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Operation {
    pub(crate) monitor: Uri,
    pub(crate) protocol: Protocol,
    /// The place in the protocol of the announcement that it was announced by.
    pub(crate) announcement: u8,
    /// Whether its monitor is of an origin that must not see credentials.
    pub(crate) is_anonymous: bool,
    pub(crate) state: OperationState,
    pub(crate) polls: u32,
    /// In nanoseconds.
    pub(crate) elapsed: u64,
    pub(crate) status: Option<Box<str>>,
    pub(crate) id: Option<Box<str>>,
    /// NaN where it is not known.
    pub(crate) percent: f64,
    /// That of the final status response, if there may be something in it for us.
    pub(crate) final_body: Option<Arc<Unread>>,
    /// What few operations have, and most only at their end.
    pub(crate) more: Option<Box<More>>,
}

#[derive(Clone, Default)]
pub(crate) struct More {
    pub(crate) created: Option<String>,
    pub(crate) resource: Option<Uri>,
    /// A `Location` that is not the monitor's.
    pub(crate) location: Option<Uri>,
    /// The start request's method and address, without any other parameter than `api-version`, for those who resume.
    pub(crate) start: Option<(Method, Uri)>,
    pub(crate) failure: Option<ErrorObject>,
}

#[cfg(feature = "serde")]
impl More {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { created, resource, location, start, failure } = self;
        created.is_none() && resource.is_none() && location.is_none() && start.is_none() && failure.is_none()
    }
}

impl Operation {
    pub(crate) fn new(monitor: Uri, protocol: Protocol) -> Self {
        Self {
            monitor,
            protocol,
            announcement: 0,
            is_anonymous: false,
            state: OperationState::NotStarted,
            polls: 0,
            elapsed: 0,
            status: None,
            id: None,
            percent: f64::NAN,
            final_body: None,
            more: None,
        }
    }

    /// What is remembered of the start request, for those who resume.
    pub(crate) fn start(&self) -> Option<&(Method, Uri)> {
        self.more.as_ref()?.start.as_ref()
    }

    fn details(&self) -> Option<&Details> {
        self.final_body.as_deref().map(Unread::details)
    }

    /// Keeps what a final body had to say, for another may come.
    pub(crate) fn settle(&mut self) {
        let Some(body) = self.final_body.take() else { return };
        let Details { id, created, failure } = body.details().clone();
        self.id = id.map(Box::from).or(self.id.take());
        if created.is_some() || failure.is_some() {
            let more = self.more_mut();
            more.created = created.or(more.created.take());
            more.failure = failure;
        }
    }

    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The protocol that it was announced by.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Whether its monitor is of an origin that is [allowed](crate::LroLayer::allow_anonymous_origin), but not trusted: its polls carry
    /// no credentials, and neither does the request that [resumes](Self::resume) it, whatever the caller gives it.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    /// The service's name for the operation: from the header `Operation-Id` of the start response, or from a status
    /// response's `operationId`, `id` or `jobId`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.details().and_then(|details| details.id.as_deref()).or(self.id.as_deref())
    }

    /// The address of the monitor, where a `GET` gives a status response: as the service named it, resolved, and without
    /// any credential of the start request.
    ///
    /// In an [`AddressError`](crate::AddressError) that could not be resolved, the address of the start request.
    #[must_use]
    pub fn monitor(&self) -> &Uri {
        &self.monitor
    }

    /// What [`status`](Self::status) means.
    #[must_use]
    pub fn state(&self) -> OperationState {
        self.state
    }

    /// The status word of the last status response that had one, in the service's own spelling, up to 64 bytes of it.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// The status word, if it is that of the state.
    pub(crate) fn final_status(&self) -> Option<&str> {
        self.status().filter(|status| self.protocol.spec().words.state(status) == self.state)
    }

    /// When the operation was created, in the service's own spelling: from the final status response's `created`,
    /// `createdDateTime` or the like. Services do not agree on a format for it.
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        let of_body = self.details().and_then(|details| details.created.as_deref());
        of_body.or_else(|| self.more.as_ref()?.created.as_deref())
    }

    /// The resource that the operation made or changed: the `Resource-Location` of the final response's head, or the
    /// `resourceLocation` of its body; else the `Location` that came beside the monitor's address, or with a `201`.
    #[must_use]
    pub fn resource(&self) -> Option<&Uri> {
        self.more.as_ref()?.resource.as_ref()
    }

    /// How much of the work is done, in percent, if the service says: `percentComplete`, `percentCompleted`,
    /// `percentageComplete`, or the header `X-Progress`.
    #[must_use]
    pub fn percent_complete(&self) -> Option<f64> {
        Some(self.percent).filter(|percent| !percent.is_nan())
    }

    /// The error object of an operation that failed, if the final response had one, within its first 64 KiB.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorObject> {
        match self.details() {
            Some(details) => details.failure.as_ref(),
            None => self.more.as_ref()?.failure.as_ref(),
        }
    }

    /// How many requests were sent to the monitor, failed ones included.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.polls
    }

    /// The time since the operation was accepted, as of the last thing that happened to it. Of a resumed operation, the
    /// time until it was given up and the time since it was resumed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed)
    }

    /// What carries on with this operation, in the extensions of a `GET` on its [`monitor`](Self::monitor).
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
    /// // Later, with the credentials that the first request had:
    /// let client = LroLayer::new().layer(simulator.clone());
    /// let request = Request::get(operation.monitor()).extension(operation.resume()).body(String::new())?;
    /// assert_eq!(client.oneshot(request).await?.status(), 200);
    /// assert_eq!(simulator.started(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn resume(&self) -> Resume {
        Resume { operation: Some(self.clone()) }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id())
            .field("monitor", &Redacted(&self.monitor))
            .field("protocol", &self.protocol.name())
            .field("state", &self.state)
            .field("status", &self.status())
            .field("created", &self.created())
            .field("resource", &self.resource().map(Redacted))
            .field("percent_complete", &self.percent_complete())
            .field("failure", &self.error())
            .field("polls", &self.polls)
            .field("elapsed", &self.elapsed())
            .finish()
    }
}

/// What a status word means.
///
/// # Example
///
/// ```
/// use tower_lro::OperationState;
///
/// assert!(OperationState::Canceled.is_terminal());
/// assert!(!OperationState::Running.is_terminal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub enum OperationState {
    /// Accepted, but no work is done yet.
    NotStarted,
    /// Under way. Every word that is not known to be terminal means this.
    Running,
    /// Ended well, or well in part.
    Succeeded,
    /// Ended in failure.
    Failed,
    /// Ended because somebody asked for it.
    Canceled,
}

impl OperationState {
    /// Whether the operation has come to its end.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

/// In the extensions of a `GET` on an operation's monitor: treat its answer as a status response, and carry on from there.
///
/// Get one from [`Operation::resume`], in this process or another. [`Resume::new`] will do where nothing but the address of
/// the monitor is known: the first protocol of the layer is assumed then.
///
/// The request needs the credentials that the start request had. Where the monitor must not see them
/// ([`Operation::is_anonymous`]) they are left out; an `api-version` that polls had carried over is added. The settings of the layer apply, its `timeout` counted
/// from the `GET`. An error is always an [`Error::Operation`](crate::Error::Operation).
///
/// # Example
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
    pub(crate) operation: Option<Operation>,
}

impl Resume {
    /// Carries on with an operation of which only the monitor's address is known.
    #[must_use]
    pub const fn new() -> Self {
        Self { operation: None }
    }
}
