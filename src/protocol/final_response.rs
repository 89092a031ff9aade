//! `FinalResponse`: the response that the caller gets for an operation that has succeeded.

use crate::{json::selector::Pointer, protocol::template::Template};

/// The response that the caller gets when an operation has succeeded.
///
/// A result that is elsewhere is fetched by the rules for polls: origin, headers, retries and deadline. Where the body of the final
/// status response may name it, that is waited for: if it breaks off before, the poll has failed. An operation that did not succeed
/// has no result; the caller gets its final status response.
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
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum FinalResponse {
    /// The response that the Azure SDKs return. The first of these that applies:
    ///
    /// 1. The protocol's own choice, if that is not [`Status`](Self::Status).
    /// 2. The response at the resource that the final status response names.
    /// 3. After a `PUT` or `PATCH` whose monitor was announced by `Location`: the final status response, if it is no document
    ///    with a `status`, but the resource itself.
    /// 4. After a `PUT` or `PATCH`: the response at the address of the start request.
    /// 5. After a `POST`: the response at the `Location` that was given beside the monitor's address.
    /// 6. The final status response.
    Auto,
    /// The final status response.
    #[default]
    Status,
    /// The response at the resource that the final status response names: in its `Resource-Location` header, or in the place that
    /// the protocol defines (`resourceLocation`). The final status response if it names none.
    Resource,
    /// The response at the `Location` of the final status response, or else at that of the start response, unless that one
    /// names the monitor. The final status response if there is no `Location`.
    Location,
    /// The response at the address of the start request. The final status response if the operation was resumed and that address
    /// is not known.
    OriginalUri,
}

/// A place where a final status response names the resource. Its `Resource-Location` header comes first, then these in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ResourceRule {
    /// A member of the body.
    Member(Pointer),
    /// A link with this relation: in the `Link` header, or in the body's `links` or `_links`.
    Link(String),
    /// An address made from a template.
    Template(Template),
}

impl ResourceRule {
    /// Whether it may look into the body of the final status response.
    pub(crate) fn reads_body(&self) -> bool {
        match self {
            Self::Member(_) | Self::Link(_) => true,
            Self::Template(_) => false,
        }
    }

    /// Whether it may need the start request.
    pub(crate) fn needs_start(&self) -> bool {
        match self {
            Self::Template(_) => true,
            Self::Member(_) | Self::Link(_) => false,
        }
    }
}
