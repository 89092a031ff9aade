//! `ResponseExt`: the operation that a response belongs to.

use http::StatusCode;

use crate::{error::failed::OperationFailed, operation::Operation, protocol::state::OperationState};

/// Methods that [`LroLayer`](crate::LroLayer) adds to responses.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, ResponseExt, OperationState, simulator::{Script, Simulator, SimulatorBody}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = LroLayer::new().layer(Simulator::new().script(Script::azure_maps_failed()));
/// let request = Request::post("https://atlas.microsoft.com/mapData").body(SimulatorBody::default())?;
/// let response = client.oneshot(request).await?;
/// assert_eq!(response.status(), 200); // as the service has it
/// assert!(response.operation().is_some_and(|operation| operation.state() == OperationState::Failed));
/// let failed = response.error_for_operation().unwrap_err();
/// assert!(failed.to_string().starts_with("the operation failed: [InvalidFeature] The provided feature is invalid."));
/// # Ok(())
/// # }
/// ```
pub trait ResponseExt: Sealed + Sized {
    /// Returns the operation whose final response this is; `None` for a response that passed through.
    fn operation(&self) -> Option<&Operation>;

    /// Turns the final response of an operation that failed or was canceled into an error, as `error_for_status` of reqwest
    /// does with the HTTP status.
    ///
    /// # Errors
    ///
    /// If the operation ended in [`OperationState::Failed`] or [`OperationState::Canceled`].
    fn error_for_operation(self) -> Result<Self, OperationFailed>;
}

/// No other crate can name it, so none can implement [`ResponseExt`].
pub trait Sealed {}

impl<B> Sealed for http::Response<B> {}

/// The error, if this is the final response of an operation that has not succeeded.
pub(super) fn failed(operation: Option<&Operation>, http: StatusCode) -> Option<OperationFailed> {
    let operation = operation?;
    let is_failure = matches!(operation.state(), OperationState::Failed | OperationState::Canceled);
    is_failure.then(|| OperationFailed::new(operation.clone(), http, None))
}

impl<B> ResponseExt for http::Response<B> {
    fn operation(&self) -> Option<&Operation> {
        self.extensions().get()
    }

    fn error_for_operation(self) -> Result<Self, OperationFailed> {
        failed(self.operation(), self.status()).map_or(Ok(self), Err)
    }
}
