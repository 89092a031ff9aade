//! `FinalResponse`: what the caller gets of an operation that has succeeded, and where that is.

use crate::{json::selector::Pointer, protocol::template::Template};

/// What the caller gets when an operation has succeeded.
///
/// A result that is elsewhere is fetched by the rules for polls: origin, headers, retries and deadline. An operation that did
/// not succeed has no result; the caller gets its final status response.
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
    /// As the Azure SDKs conclude operations. The first of these that applies:
    ///
    /// 1. What the protocol says, if that is not [`Status`](Self::Status).
    /// 2. What is at the resource that the final status response names.
    /// 3. After a `PUT` or `PATCH` whose monitor was announced by `Location`: the final status response, if it is no document
    ///    with a `status`, but the resource itself.
    /// 4. After a `PUT` or `PATCH`: what is at the address of the start request.
    /// 5. After a `POST`: what is at the `Location` that was given beside the monitor's address.
    /// 6. The final status response.
    Auto,
    /// The final status response.
    #[default]
    Status,
    /// What is at the resource that the final status response names: by its `Resource-Location` header, or by what the
    /// protocol says (`resourceLocation`). The final status response where it names none.
    Resource,
    /// What is at the `Location` of the final status response, or else of the start response if that does not name the
    /// monitor by it. The final status response where there is no `Location`.
    Location,
    /// What is at the address of the start request. For an operation that was resumed, and of which that address is not known,
    /// the final status response.
    OriginalUri,
}

/// Where a final status response names the resource. Its `Resource-Location` header is asked first, then these in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ResourceRule {
    /// A member of the body.
    Member(Pointer),
    /// A link with this relation: in the `Link` header, or in the body's `links` or `_links`.
    Link(String),
    /// An address that follows from what is known.
    Template(Template),
}
