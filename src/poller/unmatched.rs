//! Reports 202 responses that no protocol matches: the most common first question is why they pass through.

use http::{HeaderMap, HeaderName, StatusCode, header::LOCATION};

use crate::{
    config::Config,
    event::{Event, tracing},
    request::captured::RequestHead,
};

/// The headers that announce operations in known protocols.
const ANNOUNCING: [HeaderName; 4] = [
    HeaderName::from_static("operation-location"),
    HeaderName::from_static("azure-asyncoperation"),
    LOCATION,
    HeaderName::from_static("content-location"),
];

#[cold]
pub(crate) fn report(config: &Config, request: &RequestHead, status: StatusCode, headers: &HeaderMap) {
    let is_listened_to = config.has_observers() || tracing::is_unmatched_enabled();
    if status != StatusCode::ACCEPTED || config.is_disabled() || !is_listened_to {
        return;
    }
    let mut present: Vec<_> = ANNOUNCING.into_iter().filter(|name| headers.contains_key(name)).collect();
    if present.is_empty() {
        // The service's own may be among them.
        present.extend(headers.keys().cloned());
    }
    let (method, uri) = (&request.method, &request.uri);
    tracing::unmatched(method, uri, &present);
    if config.has_observers() {
        config.emit(&Event::Unmatched { method, uri, headers: &present });
    }
}
