//! The beginning of a request: it is sent, resumes an operation, or cancels one.

use std::{mem, sync::Arc};

use tower_service::Service;

use crate::{
    address::uri::has_authority,
    config::Config,
    error::Error,
    operation::{Resume, cancel::Cancel},
    request::captured::{Intent, RequestHead},
    service::{
        canceling::redirect_to_cancel,
        clock::Clock,
        future::{Deferred, ResponseFuture},
        hostless,
        start::Start,
        transport::{AsRequest, AsResponse, prefer_respond_async},
    },
};

/// A request that is not simply sent.
pub(crate) enum Uncommon {
    NoTimer(Arc<Config>, RequestHead),
    /// It resumes or cancels an operation.
    AboutOperation(Arc<Config>, RequestHead),
}

/// Begins with a request that the layer does not leave alone.
#[inline]
pub(crate) fn begin<S, R>(inner: &mut S, config: Arc<Config>, head: RequestHead, mut request: R) -> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse> + Clone,
    R: AsRequest<S::Response, S::Error>,
{
    match keep(inner, config, head, &mut request) {
        Ok(mut start) => ResponseFuture::new(start.service.call(request), start),
        Err(uncommon) => begin_uncommon(inner, uncommon, request),
    }
}

/// Keeps the parts that polls need of a request that is to be sent now; hands any other request back.
// Borrow: moving the request is expensive.
#[inline(always)]
#[allow(clippy::result_large_err, reason = "inlined, it is not moved")]
pub(crate) fn keep<S, R>(
    inner: &mut S,
    config: Arc<Config>,
    head: RequestHead,
    request: &mut R,
) -> Result<Box<Start<S>>, Uncommon>
where
    S: Service<R, Response: AsResponse> + Clone,
    R: AsRequest<S::Response, S::Error>,
{
    if Clock::check(config.timer.as_ref()).is_err() {
        return Err(Uncommon::NoTimer(config, head));
    }
    if !has_authority(&head.uri) {
        hostless::warn_once(&config, &head, request.headers_mut());
    }
    if head.intent != Intent::Send {
        return Err(Uncommon::AboutOperation(config, head));
    }
    if config.asks_for_async() {
        prefer_respond_async(request.headers_mut());
    }
    Ok(Start::new(take(inner), config, head, request.headers_mut()))
}

#[cold]
pub(crate) fn begin_uncommon<S, R>(inner: &mut S, uncommon: Uncommon, mut request: R) -> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse> + Clone,
    R: AsRequest<S::Response, S::Error>,
{
    let (config, mut head) = match uncommon {
        Uncommon::NoTimer(config, head) => return begin_later(inner, config, head, request),
        Uncommon::AboutOperation(config, head) => (config, head),
    };
    let cancel = if head.intent == Intent::Cancel { head.extensions.get::<Cancel>() } else { None };
    if let Some(cancel) = cancel {
        return match redirect_to_cancel(&mut request, &config, &head.uri, cancel) {
            Ok(_) => ResponseFuture::pass_through(inner.call(request)),
            Err(error) => refuse(inner, Error::Operation(error)),
        };
    }
    let resume = head.extensions.remove::<Resume>().unwrap_or_default();
    let followed = config.resuming(head, request.headers_mut());
    // This drops the other reference to the operation.
    drop(request);
    ResponseFuture::resume(take(inner), config, followed, resume)
}

/// For a request without a timer, which may be there when the future is polled. Until then the service is not even called: some
/// services begin their work in `call`.
#[cold]
fn begin_later<S, R>(inner: &mut S, config: Arc<Config>, head: RequestHead, request: R) -> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse> + Clone,
    R: AsRequest<S::Response, S::Error>,
{
    if !Clock::may_come() {
        return refuse(inner, Error::NoTimer);
    }
    let begin = |mut service, config, head, request| begin(&mut service, config, head, request);
    ResponseFuture::deferred(Deferred { service: take(inner), config, head, request, begin })
}

/// Sends nothing. The service was made ready for nothing, and goes with all that it holds for that, such as the permit of a
/// concurrency limit: there may never be another request to take it.
fn refuse<S, R>(inner: &mut S, error: Error<S::Error>) -> ResponseFuture<S, R>
where
    S: Service<R, Response: AsResponse> + Clone,
{
    drop(take(inner));
    ResponseFuture::refused(error)
}

/// Takes the service, which is ready, and leaves a clone behind, which need not be.
fn take<S: Clone>(inner: &mut S) -> S {
    let clone = inner.clone();
    mem::replace(inner, clone)
}
