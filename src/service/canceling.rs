//! Requests that cancel operations: the caller's, and those that are sent when no caller waits any more.

use std::sync::Arc;

use http::{StatusCode, Uri, header::HOST};
use tokio::runtime::Handle;

use crate::{
    address::policy::Credentials,
    config::Config,
    error::operation::OperationError,
    event::{Event, tracing},
    layer::overrides::LroOverrides,
    operation::{
        Operation,
        cancel::{Cancel, Canceller},
    },
    poller::{
        canceling::{cancel_address, inexpressible},
        phases::Poller,
    },
    service::transport::{AsRequest, AsResponse},
};

/// Makes the caller's request, which names an operation, the one that cancels it.
pub(crate) fn redirect_to_cancel<T: AsResponse, E>(
    request: &mut impl AsRequest<T, E>,
    config: &Config,
    uri: &Uri,
    cancel: &Cancel,
) -> Result<Credentials, OperationError<E>> {
    let address = cancel_address(config, uri, request.headers_mut().get(HOST), cancel)?;
    let credentials = address.credentials;
    cancel.describe_body(request.headers_mut());
    if request.redirect_to(address) { Ok(credentials) } else { Err(inexpressible(cancel)) }
}

/// Sends the request that cancels the operation, if there is one, in a task of its own, and reports what came of it.
#[cold]
pub(crate) fn spawn_cancel(canceller: &Canceller, poller: &Poller) {
    let Some(mut request) = poller.cancel_request() else { return };
    // A layer in the canceller would take a 202 for an operation of its own, and report nothing until that ends.
    request.extensions_mut().insert(LroOverrides::disabled());
    let report = Report { config: poller.context.config.clone(), operation: poller.operation.clone(), status: None };
    if let Ok(runtime) = Handle::try_current() {
        let canceller = canceller.clone();
        runtime.spawn(async move {
            let mut report = report;
            // Called here, because this may come from a drop, where a panic of the caller's code would be the second.
            report.status = canceller.send(request).await;
        });
    }
}

/// Reports the answer when it is dropped, so that there is a report also without an answer: if the canceller panics, if the runtime
/// ends before, and if there is no runtime.
struct Report {
    config: Arc<Config>,
    operation: Operation,
    status: Option<StatusCode>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let Self { config, operation, status } = self;
        tracing::cancel_sent(operation, *status);
        config.emit(&Event::CancelSent { operation, status: *status });
    }
}
