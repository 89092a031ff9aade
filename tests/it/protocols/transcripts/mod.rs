//! Descriptions of services against their own documents: known protocols, and those of the cookbook's pages.

mod cookbook;
mod known;

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::service_fn;

use super::*;

/// A request that must be sent, and its answer.
struct Exchange(&'static str, u16, &'static [(&'static str, &'static str)], &'static str);

/// The outcome: the state, the HTTP status and the body; the reason for a failure; the request that would cancel the operation.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: Option<OperationState>,
    status: u16,
    body: String,
    failure: Option<String>,
    cancel: Option<String>,
}

/// Answers what is asked, in this order and nothing else.
async fn play(protocol: &Protocol, exchanges: Vec<Exchange>) -> Outcome {
    let (method, uri) = exchanges[0].0.split_once(' ').unwrap();
    let start = Request::builder().method(method).uri(uri).body(String::new()).unwrap();
    let left: Arc<Mutex<VecDeque<Exchange>>> = Arc::new(Mutex::new(exchanges.into()));
    let played = left.clone();
    let service = service_fn(move |request: Request<String>| {
        let Exchange(asked, status, headers, body) =
            played.lock().unwrap().pop_front().expect("the transcript is at its end");
        assert_eq!(format!("{} {}", request.method(), request.uri()), asked);
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status.try_into().unwrap();
        if body.starts_with('{') {
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let response = exact().protocols([protocol.clone()]).layer(service).oneshot(start).await.unwrap();
    assert!(left.lock().unwrap().is_empty(), "{}: more was recorded than asked", protocol.name());
    let operation = response.operation().cloned();
    let status = response.status().as_u16();
    let cancel = operation.as_ref().and_then(Operation::cancel).map(|cancel| {
        let method = cancel.method().clone();
        format!("{method} {}", cancel.body())
    });
    Outcome {
        state: operation.as_ref().map(Operation::state),
        status,
        body: text(response).await,
        failure: operation.as_ref().and_then(Operation::error).map(ToString::to_string),
        cancel,
    }
}

impl Outcome {
    #[track_caller]
    fn is(&self, state: OperationState, status: u16, body: &str) -> &Self {
        assert_eq!((self.state, self.status), (Some(state), status), "{self:?}");
        assert!(self.body.contains(body), "{self:?}");
        self
    }

    #[track_caller]
    fn fails_for(&self, reason: &str) {
        assert_eq!(self.failure.as_deref(), Some(reason));
    }
}

use OperationState::{Canceled, Failed, Succeeded};
