//! Allocations: by a request that passes through, by an operation that waits, and for a large result.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_lro::{Lro, LroLayer, ResponseFuture, Resume, internals::Scanner};

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
    // Without a timer nothing is called before the future is polled.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _within = runtime.enter();
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
            assert_eq!(allocations(LroLayer::disabled().layer(Answering(status)), value), (0, 0));
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

#[tokio::test(start_paused = true)]
async fn an_operation_that_waits_holds_900_bytes_and_the_values_of_its_requests_headers() {
    let service = service_fn(|_: Request<Body>| {
        let accepted = Response::builder().status(202).header("operation-location", "/operations/1");
        // In a box, as the futures of real clients are.
        let answer: Pin<Box<dyn Future<Output = _>>> = Box::pin(ready(accepted.body(Body::default())));
        answer
    });
    let mut client = LroLayer::new().layer(service);
    let values = 165;
    for (headers, most) in [(&[][..], 900), (&HEADERS, 900 + values + 4 * HEADERS.len() as u64)] {
        let mut start = || {
            let request = Request::post("https://atlas.microsoft.com/mapData");
            let request = headers.iter().fold(request, |request, &(name, value)| request.header(name, value));
            let mut waiting = Box::pin(client.call(request.body(Body::default()).unwrap()));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            waiting
        };
        // The names of the headers are the layer's, from the second operation on as those of others.
        drop((start(), start()));
        let mut future = None;
        let held = allocation_counter::measure(|| future = Some(start()));
        assert!(held.bytes_current <= most as i64, "{} bytes", held.bytes_current);
    }
}

const HEADERS: [(&str, &str); 6] = [
    ("authorization", "Bearer 0123456789012345678901234567890123456789"),
    ("accept", "application/json"),
    ("user-agent", "bench/1.0"),
    ("accept-language", "sv"),
    ("x-ms-client-request-id", "c587574e-add9-4ef7-9788-1635bed9a87e"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
];

#[test]
fn looking_for_a_status_allocates_nothing() {
    let found = |body: &str| Scanner::new().scan(body.as_bytes()).is_some();
    assert!(found(r#"{"status": "what is made once has been made then"}"#));
    for (body, has_status) in [
        (r#"{"a": {"b": ["\\\"", 1]}, "status": "Running"}"#, true),
        (r#"{"status": "Succ\u0065eded", "result": 1}"#, true),
        (r#"{"result": "status"}"#, false),
        ("[", false),
        ("", false),
    ] {
        let counted = allocation_counter::measure(|| assert_eq!(found(body), has_status, "{body}"));
        assert_eq!(counted.count_total, 0, "{body}");
    }
}

/// A body of 10 MB in pieces, all of them the same, behind one that has the status.
struct Large(usize);

impl http_body::Body for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const FIRST: &[u8] = br#"{"status": "Succeeded", "result": ""#;
        const PIECE: &[u8] = &[b'x'; 16 << 10];
        let piece = match self.0 {
            0 => Some(FIRST),
            1..=640 => Some(PIECE),
            641 => Some(&b"\"}"[..]),
            _ => None,
        };
        self.0 += 1;
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }
}

#[tokio::test]
async fn a_large_result_is_not_held() {
    let service = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Large(0)))));
    let client = LroLayer::new().layer(service);
    let request = Request::get("https://atlas.microsoft.com/operations/1").extension(Resume::new()).body(()).unwrap();
    let mut reading = pin!(async {
        let mut body = client.oneshot(request).await.unwrap().into_body();
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.into_data().unwrap().len();
        }
        bytes
    });
    let mut read = None;
    let counted = allocation_counter::measure(|| {
        let mut context = Context::from_waker(Waker::noop());
        while read.is_none() {
            if let Poll::Ready(bytes) = reading.as_mut().poll(&mut context) {
                read = Some(bytes);
            }
        }
    });
    assert!(read > Some(10_000_000), "{read:?}");
    assert!(counted.bytes_max < 128 << 10, "{} bytes", counted.bytes_max);
}
