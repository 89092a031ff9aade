//! What a request that passes through costs: allocations, and the size of its future.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service};
use tower_lro::{Lro, LroLayer, ResponseFuture};

/// Answers with what it was made with, and allocates nothing itself.
#[derive(Clone)]
struct Answering(u16);

type Body = Full<Bytes>;

impl Service<Request<Body>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::default());
        *response.status_mut() = self.0.try_into().unwrap();
        ready(Ok(response))
    }
}

fn request(value: fn(&'static str) -> HeaderValue) -> Request<Body> {
    let mut request =
        Request::post("https://atlas.microsoft.com/mapData?api-version=2.0").body(Body::default()).unwrap();
    for name in ["authorization", "accept", "user-agent", "content-type", "x-a", "x-b", "x-c", "traceparent"] {
        request.headers_mut().insert(HeaderName::from_static(name), value("a value of some length"));
    }
    request
}

/// The allocations of a call, and those after its response is there.
fn allocations<S>(mut service: S, value: fn(&'static str) -> HeaderValue) -> (u64, u64)
where
    S: Service<Request<Body>>,
{
    let request = request(value);
    let mut future = None;
    let calling = allocation_counter::measure(|| future = Some(service.call(request)));
    let mut future = pin!(future.unwrap());
    let mut context = Context::from_waker(Waker::noop());
    let answered = allocation_counter::measure(|| {
        assert!(future.as_mut().poll(&mut context).is_ready());
    });
    (calling.count_total, answered.count_total)
}

#[test]
fn a_pass_through_costs_two_allocations_at_most_and_none_once_the_response_is_there() {
    let owned = |text| HeaderValue::from_str(text).unwrap();
    for status in [200, 202, 400, 500] {
        for value in [HeaderValue::from_static, owned] {
            assert_eq!(allocations(Answering(status), value), (0, 0));
            let (calling, answered) = allocations(LroLayer::new().layer(Answering(status)), value);
            assert!(calling <= 2, "{calling} allocations");
            assert_eq!(answered, 0);
            assert_eq!(allocations(LroLayer::off().layer(Answering(status)), value), (0, 0));
        }
    }
}

#[test]
fn long_headers_cost_one_allocation_more() {
    let long = |_| HeaderValue::try_from("t".repeat(2000)).unwrap();
    assert_eq!(allocations(LroLayer::new().layer(Answering(200)), long), (2, 0));
}

#[test]
fn the_future_of_a_pass_through_is_the_inner_one_and_little_more() {
    fn sizes<S: Service<Request<Body>, Response = Response<Body>> + Clone>(_: &S) -> (usize, usize) {
        (size_of::<S::Future>(), size_of::<<Lro<S> as Service<Request<Body>>>::Future>())
    }
    let (inner, outer) = sizes(&Answering(200));
    assert!(outer <= inner + 64, "{inner} and {outer} bytes");
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http::<Body>();
    fn size_over_hyper<C>(_: &C) -> (usize, usize)
    where
        C: Service<Request<Body>, Response = Response<hyper::body::Incoming>>,
    {
        (size_of::<C::Future>(), size_of::<ResponseFuture<C, Request<Body>>>())
    }
    let (inner, outer) = size_over_hyper(&client);
    assert!(outer <= inner + 64, "{inner} and {outer} bytes");
}
