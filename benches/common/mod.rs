//! What the benches share. Each of them uses a part of it.

#![allow(dead_code, unused_macros)]

/// Runs a future that never waits. A macro, so that the future is made where it is polled, as in an `async fn`.
macro_rules! now {
    ($future:expr) => {{
        let future = std::pin::pin!($future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::future::Future::poll(future, &mut context) {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("it waits"),
        }
    }};
}

pub mod cases;
