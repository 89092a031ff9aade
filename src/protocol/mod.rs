//! `Protocol`: how a family of services announces, reports and concludes operations, as data.

pub(crate) mod builder;
mod known;
pub(crate) mod start_rule;
pub(crate) mod state;
pub(crate) mod status_rule;

use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use self::{builder::ProtocolBuilder, start_rule::StartRule, state::Words};
use crate::address::origin::Origin;

/// How a family of services announces, reports and concludes long-running operations.
///
/// Data, not code: what makes a start response one and names the monitor, where a status response has its status word, which
/// words are terminal, what the final response is, and which other origins the family answers from. What differs between
/// services is in these values alone; [`Protocol::builder`] makes further ones.
///
/// [`LroLayer::new`](crate::LroLayer::new) speaks [`Protocol::operation_location`]. A layer can speak several; the first
/// that recognises a response wins.
///
/// # Example
///
/// ```
/// use tower_lro::{LroLayer, Protocol};
///
/// // `Operation-Location` where there is one, `Location` where there is not.
/// let layer = LroLayer::new().protocol(Protocol::location());
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Protocol(Arc<Spec>);

#[cfg(feature = "__internals")]
pub(crate) const OPERATION_LOCATION: HeaderName = HeaderName::from_static("operation-location");

#[derive(Clone)]
pub(crate) struct Spec {
    name: Cow<'static, str>,
    is_unknown: bool,
    announcements: Vec<StartRule>,
    pub(crate) words: Words,
    pub(crate) trust: Vec<TrustRule>,
    pub(crate) allowed: Vec<Origin>,
    pub(crate) final_response: FinalResponse,
    /// The members of a final status body that name the resource.
    pub(crate) resource: Vec<Vec<String>>,
}

/// Start requests to an origin in `from` may be polled with their credentials at an origin in `to`.
#[derive(Clone)]
pub(crate) struct TrustRule {
    pub(crate) from: Vec<Origin>,
    pub(crate) to: Vec<Origin>,
}

/// What is handed over when an operation has succeeded.
///
/// A result that stands elsewhere is fetched by the rules for polls: origin, headers, retries and deadline. An operation that
/// did not succeed has no result; its final status response is handed over.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{FinalResponse, LroLayer, ResponseExt, simulator::{Simulator, SimulatorBody}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Azure Maps names what it has made in `Resource-Location`. This fetches it.
/// let client = LroLayer::new().final_response(FinalResponse::Resource).layer(Simulator::new());
/// let request = Request::post("https://atlas.microsoft.com/mapData").body(SimulatorBody::default())?;
/// let response = client.oneshot(request).await?;
/// assert!(response.operation().and_then(|operation| operation.resource()).is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinalResponse {
    /// What the protocol says, if it says where the result is. Else as the Azure SDKs conclude operations: what is at the resource that the final status response names; else after a
    /// `PUT` or `PATCH` what is at the address of the start request, unless `Location` names the monitor and its last answer
    /// is no document with a `status`, but the result itself; else after a `POST` what is at the `Location` that was given
    /// beside the monitor's address; else the final status response.
    Auto,
    /// The final status response.
    #[default]
    Status,
    /// What is at the resource that the final status response names: by its `Resource-Location` header, or by the member of
    /// its body that the protocol says (`resourceLocation`). The final status response where it names none.
    Resource,
    /// What is at the `Location` of the final status response, or else of the start response if that does not name the
    /// monitor by it. The final status response where there is none.
    Location,
    /// What is at the address of the start request. The final status response of an operation that is resumed where that
    /// address is not known.
    OriginalUri,
}

/// How a response may announce an operation.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) protocol: Protocol,
    pub(crate) announcement: u8,
}

impl Candidate {
    pub(crate) fn announcement(&self) -> &StartRule {
        self.protocol.announcement(self.announcement)
    }
}

impl Protocol {
    /// The name that this protocol goes by in `Debug` output and in stored operations.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::Protocol;
    /// assert_eq!(Protocol::key_vault().name(), "key-vault");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Builds a protocol of your own, which goes by `name`.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{StartRule, FinalResponse, LroLayer, StatusRule, Protocol};
    ///
    /// // 201 with `X-Job`, whose JSON has `{"job": {"phase": "…"}}` and, when done, `{"job": {"href": "…"}}`.
    /// let jobs = Protocol::builder("jobs")
    ///     .announced(StartRule::by_header("x-job").statuses([201]).monitor(StatusRule::new().status_at("/job/phase")))
    ///     .succeeded(["Shipped"])
    ///     .failed(["Lost"])
    ///     .resource_at("/job/href")
    ///     .final_response(FinalResponse::Resource)
    ///     .build()?;
    /// let layer = LroLayer::new().protocol(jobs);
    /// # let _ = layer;
    /// # Ok::<_, tower_lro::ProtocolError>(())
    /// ```
    pub fn builder(name: impl Into<Cow<'static, str>>) -> ProtocolBuilder {
        ProtocolBuilder::new(name.into())
    }

    /// Stands for one of which only the name is known, as of a stored operation, until a layer is asked for it.
    #[cfg(feature = "serde")]
    pub(crate) fn unknown(name: String) -> Self {
        let stand_in = Self::builder(name).announced(StartRule::at_request_uri()).finish();
        let mut spec = Arc::unwrap_or_clone(stand_in.0);
        spec.is_unknown = true;
        Self(Arc::new(spec))
    }

    /// Whether it [stands for](Self::unknown) one that has not been found.
    pub(crate) fn is_unknown(&self) -> bool {
        self.0.is_unknown
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.0
    }

    /// The announcement of this place; the first, if there is none, as of an operation that another version has stored.
    pub(crate) fn announcement(&self, place: u8) -> &StartRule {
        let announcements = &self.0.announcements;
        announcements.get(usize::from(place)).unwrap_or(&announcements[0])
    }

    /// The place of the announcement that is assumed where none is known.
    pub(crate) fn default_for_resume(&self) -> u8 {
        (0..).zip(&self.0.announcements).find(|(_, announcement)| announcement.is_assumed).map_or(0, |(place, _)| place)
    }

    pub(crate) fn announcements(&self) -> &[StartRule] {
        &self.0.announcements
    }

    /// The places of the announcements that the head of a response matches.
    pub(crate) fn matches<'a>(
        &'a self,
        method: &'a Method,
        status: StatusCode,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = u8> + 'a {
        (0..)
            .zip(self.announcements())
            .filter(move |(_, it)| it.matches(method, status, headers))
            .map(|(place, _)| place)
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Protocol").field(&self.0.name).finish()
    }
}

impl StartRule {
    fn matches(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
        self.statuses.contains(&status)
            && self.by.header().is_none_or(|header| headers.contains_key(header))
            && self.also.as_ref().is_none_or(|header| headers.contains_key(header))
            && (self.methods.is_empty() || self.methods.contains(method))
    }

    /// The header that has the monitor's address, and its value.
    pub(crate) fn address<'a>(&'a self, headers: &'a HeaderMap) -> Option<(&'a HeaderName, &'a HeaderValue)> {
        let header = self.by.header()?;
        Some((header, headers.get(header)?))
    }
}
