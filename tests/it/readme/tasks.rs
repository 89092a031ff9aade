//! The README's common tasks.

use reqwest_middleware::ClientWithMiddleware;
use tower_lro::{Cause, Event, FinalResponse, LroLayer, LroOverrides, OperationError, ResponseExt};

pub async fn tasks(client: &ClientWithMiddleware, url: &str) -> Result<(), Box<dyn std::error::Error>> {
    // For one request, change settings of the client's layer: here, fetch the result from the URL in the final status response.
    let resource = LroOverrides::new(|layer| layer.final_response(FinalResponse::Resource));
    let result = client.post(url).with_extension(resource).send().await?;
    // Progress (`LroLayer::events` has the same as a stream):
    let show = |event: &Event<'_>| println!("{:?}", event.operation().map(|it| (it.polls(), it.percent_complete())));
    let progress = LroOverrides::new(move |layer| layer.on_event(show));
    let response = client.post(url).with_extension(progress).send().await?;
    // Did it fail, and why? (A failed operation is still `Ok`; `error_for_operation` turns it into an error.)
    println!("{:?}", response.operation().map(|operation| (operation.state(), operation.error())));
    let hasty = LroOverrides::new(|layer| layer.timeout(std::time::Duration::from_millis(1))); // A deadline.
    let error = client.post(url).with_extension(hasty).send().await.expect_err("1 ms is too short");
    let error = OperationError::find(&error).ok_or("it is not known to have been accepted")?;
    assert!(matches!(error.cause(), Cause::Timeout)); // The operation goes on at the service.
    // Resume it, by a GET to any path of the service; feature `serde` makes it storable:
    let resumed = client.get(url).with_extension(error.operation().resume()).send().await?;
    // Cancel it, where the protocol says how (for a stored one of your own protocol: `LroLayer::cancel_for`):
    if let Some(cancel) = error.operation().cancel() {
        let request = client.request(cancel.method().clone(), url).body(cancel.body().to_owned());
        request.with_extension(cancel).send().await?;
    }
    let accepted = client.post(url).with_extension(LroLayer::disabled()).send().await?; // Skips the layer.
    println!("{} {} {}", result.status(), resumed.status(), accepted.status());
    Ok(())
}
