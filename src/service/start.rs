//! `Start`: everything that is kept beside the caller's request in order to poll.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use crate::{
    config::Config,
    operation::Operation,
    poller::unmatched,
    request::captured::{CapturedRequest, RequestHead},
    service::transport::AsResponse,
};

/// The service, the settings and the request, whose response may start an operation.
pub(crate) struct Start<S> {
    pub(crate) service: S,
    pub(crate) config: Arc<Config>,
    pub(crate) captured: CapturedRequest,
}

impl<S> Start<S> {
    /// All of it in one allocation.
    #[inline]
    pub(crate) fn new(service: S, config: Arc<Config>, head: RequestHead, headers: &HeaderMap) -> Box<Self> {
        let mut start = Box::new(Self { service, config, captured: CapturedRequest::without_headers(head) });
        start.captured.capture(headers);
        start
    }
}

/// Whether the response may start an operation. Reports a 202 that does not.
#[inline]
pub(crate) fn may_start_operation<T: AsResponse>(config: &Config, request: &RequestHead, response: &T) -> bool {
    let may_start = config.may_start_operation(&request.method, response.status(), response.headers());
    if !may_start && response.status() != StatusCode::ACCEPTED {
        return false;
    }
    // Another layer below may have polled it to completion already.
    let is_final = response.extensions().get::<Operation>().is_some();
    if !may_start && !is_final {
        unmatched::report(config, request, response.status(), response.headers());
    }
    may_start && !is_final
}
