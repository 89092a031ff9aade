//! Requests that cancel operations when no caller waits any more, each in a task of its own.

use std::sync::Arc;

use http::{Request, StatusCode};
use tokio::runtime::Handle;

use crate::{
    config::Config,
    event::{Event, tracing},
    layer::overrides::LroOverrides,
    operation::{Operation, cancel::Canceller},
};

/// Sends the request, if there is one and a runtime to send it from, and reports the answer.
#[cold]
pub(crate) fn spawn_cancel(
    canceller: &Canceller,
    request: Option<Request<String>>,
    config: &Arc<Config>,
    operation: &Operation,
) {
    let Some(mut request) = request else { return };
    // A layer in the canceller would take a 202 for an operation of its own, and report nothing until that ends.
    request.extensions_mut().insert(LroOverrides::disabled());
    let (config, operation) = (config.clone(), operation.clone());
    match Handle::try_current() {
        Ok(runtime) => {
            let canceller = canceller.clone();
            runtime.spawn(async move {
                // Called here, because this may come from a drop, where a panic of the caller's code would be the second.
                let status = canceller.send(request).await;
                report(&config, &operation, status);
            });
        }
        Err(_) => report(&config, &operation, None),
    }
}

fn report(config: &Config, operation: &Operation, status: Option<StatusCode>) {
    tracing::cancel_sent(operation, status);
    config.emit(&Event::CancelSent { operation, status });
}
