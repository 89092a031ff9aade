//! Requests whose destination is unknown: a monitor with an absolute address could not be polled for them.

use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderValue, header::HOST};

use crate::{address::policy::CallerAddress, config::Config, event::tracing, request::captured::RequestHead};

/// Warns before the first such request is sent, not only when an operation is lost. Relative monitors are polled all the same.
#[cold]
pub(crate) fn warn_once(config: &Config, head: &RequestHead, headers: &HeaderMap) {
    if config.has_warned_of_no_host.load(Ordering::Relaxed) || config.base_uri.is_some() || config.names_origins() {
        return;
    }
    let caller = CallerAddress::new(&head.uri, headers.get(HOST).map(HeaderValue::as_bytes), None);
    if caller.url().is_none() && !config.has_warned_of_no_host.swap(true, Ordering::Relaxed) {
        tracing::no_host(&head.method, &head.uri);
    }
}
