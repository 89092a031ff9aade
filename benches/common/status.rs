//! One poll: looking for the status, and all that is made of its answer.

use std::{
    convert::Infallible,
    future::{Ready, poll_fn, ready},
    hint::black_box,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use serde::Deserialize;
use tower::{Layer, Service};
use tower_lro::{LroLayer, Resume, internals::Scanner};

use super::{
    Case, Group,
    bodies::{SIZES, STATUSES, Status, body},
    case,
};

pub fn groups() -> Vec<Group> {
    let mut groups = Vec::new();
    for (name, size) in SIZES {
        for status in STATUSES {
            let place = match status {
                Status::First => "first",
                Status::Middle => "middle",
                Status::Last => "last",
            };
            let group = |what: &str, cases| {
                let name = format!("{what} in {name}, status {place}");
                Group { name, is_heavy: size >= 1_000_000, bare: None, cases }
            };
            groups.push(group("scanning", scanning(size, status)));
            groups.push(group("a poll", polling(size, status)));
        }
    }
    groups
}

fn scanning(size: usize, status: Status) -> Vec<Case> {
    let case = |name, run: fn(&[u8])| {
        case(name, move |iterations| {
            let body = body(size, status);
            (0..iterations).for_each(|_| run(black_box(body)));
        })
    };
    vec![
        case("Lro's scanner", |body| {
            let mut scanner = Scanner::new();
            assert!(black_box(scanner.scan(body)).is_some());
        }),
        case("serde_json, a struct", deserialize),
        case("serde_json, a Value", |body| {
            let value: serde_json::Value = serde_json::from_slice(body).expect("JSON");
            assert!(black_box(&value)["status"].is_string());
        }),
        case("memcpy", |body| {
            black_box(body.to_vec());
        }),
    ]
}

#[derive(Deserialize)]
struct StatusOf<'a> {
    status: &'a str,
}

fn deserialize(body: &[u8]) {
    let StatusOf { status } = serde_json::from_slice(body).expect("JSON");
    assert_eq!(black_box(status), "Succeeded");
}

/// A poll that is answered in pieces, as they come from a socket, and the answer read to its end.
fn polling(size: usize, status: Status) -> Vec<Case> {
    let layer = LroLayer::new();
    let by_hand = |name, run: fn(Pieces)| {
        case(name, move |iterations| {
            let body = body(size, status);
            (0..iterations).for_each(|_| run(Pieces(body.clone())));
        })
    };
    vec![
        case("Lro", move |iterations| {
            let mut service = layer.layer(Answering(Pieces(body(size, status).clone())));
            for _ in 0..iterations {
                let mut request = Request::new(());
                *request.uri_mut() = http::Uri::from_static("https://atlas.microsoft.com/operations/1?api-version=2.0");
                request.extensions_mut().insert(Resume::new());
                let response = now!(service.call(request)).expect("a final response");
                read(response.into_body());
            }
        }),
        by_hand("collecting it, and a struct", |pieces| deserialize(&collect(pieces))),
        by_hand("collecting it, and a Value", |pieces| {
            let value: serde_json::Value = serde_json::from_slice(&collect(pieces)).expect("JSON");
            assert!(black_box(&value)["status"].is_string());
        }),
        by_hand("collecting it", |pieces| {
            black_box(collect(pieces));
        }),
    ]
}

fn read(body: impl Body<Data = Bytes>) {
    let mut body = std::pin::pin!(body);
    while let Some(Ok(frame)) = now!(poll_fn(|cx| body.as_mut().poll_frame(cx))) {
        black_box(frame);
    }
}

fn collect(body: Pieces) -> Bytes {
    let collected = now!(body.collect());
    collected.map(|body| body.to_bytes()).unwrap_or_default()
}

/// A body that comes in pieces.
#[derive(Clone)]
struct Pieces(Bytes);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.0.len().min(16 << 10);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.0.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

#[derive(Clone)]
struct Answering(Pieces);

impl Service<Request<()>> for Answering {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Pieces>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(request);
        ready(Ok(Response::new(self.0.clone())))
    }
}
