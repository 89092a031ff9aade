//! `LroLayer::follow`: from a start response that the caller already has, to completion.

use http::request::Parts;
use tower_service::Service;

use crate::{
    error::Error,
    layer::{LroLayer, overrides::LroOverrides},
    request::captured::{CapturedRequest, Intent, RequestHead},
    service::{
        future::ResponseFuture,
        start::{Start, may_start_operation},
        transport::{AsRequest, AsResponse},
    },
};

impl LroLayer {
    /// Polls the operation that `response` starts to completion, with `service`. `start` is the head of the request that it
    /// answers; polls repeat its headers and extensions. For callers that already have a 202, and cannot put a layer into the stack
    /// that it came through: hooks of generated clients, and clients that are not asynchronous, such as ureq.
    ///
    /// The result is the same as through [`Lro`](crate::Lro). A response that starts no operation passes through. Nothing is sent
    /// until the future is awaited. Without a timer the error has the operation, as [`Cause::NoTimer`]; on WebAssembly, where there is
    /// no clock either, the response would be lost: set [`timer`](Self::timer). [`ask_for_async`](Self::ask_for_async) and a
    /// [`Resume`](crate::Resume) among the extensions do nothing here.
    ///
    /// [`Cause::NoTimer`]: crate::Cause::NoTimer
    ///
    /// The head of a `reqwest::Request` is that of the `http::Request` into which it converts; see
    /// [`LroOverrides`](crate::LroOverrides). It has to be taken before the request is sent.
    ///
    /// # Example
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower::service_fn;
    /// use tower_lro::{LroLayer, ResponseExt};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Sent by whatever client there is.
    /// let (start, _body) = Request::post("https://example.com/conversions").body("a drawing")?.into_parts();
    /// let accepted = Response::builder().status(202).header("operation-location", "/operations/1").body(String::new())?;
    ///
    /// // What sends the polls.
    /// let polls = service_fn(|poll: Request<String>| async move {
    ///     assert_eq!(poll.uri(), "https://example.com/operations/1");
    ///     Ok::<_, std::io::Error>(Response::new(r#"{"status": "Succeeded"}"#.to_owned()))
    /// });
    /// let finished = LroLayer::new().follow(start, accepted, polls).await?;
    /// assert_eq!(finished.operation().and_then(|operation| operation.status()), Some("Succeeded"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow<S, R>(&self, start: Parts, response: S::Response, service: S) -> ResponseFuture<S, R>
    where
        S: Service<R, Response: AsResponse>,
        R: AsRequest<S::Response, S::Error>,
    {
        let config = LroOverrides::config_for(&start.extensions, self);
        // Other targets have a clock at least, and the error of the operation says that there is no timer.
        if cfg!(target_family = "wasm") && config.timer.is_none() {
            return ResponseFuture::refused(Error::NoTimer);
        }
        let Parts { method, uri, version, headers, extensions, .. } = start;
        let head = RequestHead { method, uri, version, extensions, timeout: None, intent: Intent::Send };
        let start = Start { service, config, captured: CapturedRequest::new(head, &headers) };
        if may_start_operation(&start.config, &start.captured.head, &response) {
            ResponseFuture::follow(start, response)
        } else {
            ResponseFuture::answered(response)
        }
    }
}
