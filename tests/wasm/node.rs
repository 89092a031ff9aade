//! The layer under Node.js, with a timer and without one.

#![cfg(target_family = "wasm")]

use std::{cell::Cell, convert::Infallible, future::pending, rc::Rc, time::Duration};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::{Backoff, Cause, Error, LroLayer, OperationState, ResponseExt};
use wasm::WebTimer;
use wasm_bindgen_test::wasm_bindgen_test;

const SOON: Duration = Duration::from_millis(20);

fn layer() -> LroLayer {
    LroLayer::new().backoff(Backoff::constant(SOON)).jitter(0.0)
}

fn accepted() -> Response<String> {
    Response::builder().status(202).header("operation-location", "/operations/1").body(String::new()).unwrap()
}

fn start() -> Request<String> {
    Request::post("https://example.com/start").body(String::new()).unwrap()
}

#[wasm_bindgen_test]
async fn an_operation_is_polled_to_completion() {
    let asked = Rc::new(Cell::new(0));
    let service = service_fn({
        let asked = asked.clone();
        move |_: Request<String>| {
            let body = match asked.replace(asked.get() + 1) {
                0 => return std::future::ready(Ok::<_, Infallible>(accepted())),
                1 => r#"{"status": "Running"}"#,
                _ => r#"{"status": "Succeeded"}"#,
            };
            std::future::ready(Ok(Response::new(body.to_owned())))
        }
    });
    let response = layer().timer(WebTimer::start()).layer(service).oneshot(start()).await.unwrap();
    let operation = response.operation().unwrap();
    assert_eq!((operation.state(), operation.polls(), asked.get()), (OperationState::Succeeded, 2, 3));
    assert!(operation.elapsed() >= 2 * SOON, "{:?}", operation.elapsed());
}

#[wasm_bindgen_test]
async fn the_deadline_holds_while_a_poll_is_in_flight() {
    let service = service_fn(|request: Request<String>| async move {
        if request.method() == "GET" {
            pending::<()>().await;
        }
        Ok::<_, Infallible>(accepted())
    });
    let layer = layer().timer(WebTimer::start()).timeout(3 * SOON);
    let Err(Error::Operation(error)) = layer.layer(service).oneshot(start()).await else { panic!("it has ended") };
    assert!(matches!(error.cause(), Cause::Timeout), "{error}");
}

#[wasm_bindgen_test]
async fn without_a_timer_nothing_is_sent() {
    let service = service_fn(|_: Request<String>| async {
        panic!("it was sent");
        #[allow(unreachable_code, reason = "for its type")]
        Ok::<Response<String>, Infallible>(accepted())
    });
    let outcome = layer().layer(service).oneshot(start()).await;
    assert!(matches!(outcome, Err(Error::NoTimer)));
}

#[wasm_bindgen_test]
async fn a_response_that_is_followed_without_a_timer_is_refused() {
    let service = service_fn(|_: Request<String>| std::future::ready(Ok::<_, Infallible>(accepted())));
    let (head, _) = start().into_parts();
    let outcome = layer().follow(head, accepted(), service).await;
    assert!(matches!(outcome, Err(Error::NoTimer)));
}
