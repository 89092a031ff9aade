//! A limit of requests under way, each until its response has been read. Tower's `ConcurrencyLimit` counts a request until the
//! head of its response is there, so that there may be several times as many connections.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Service, ServiceExt, service_fn};

pub fn limited<S, R, B>(
    service: S,
    limit: usize,
) -> impl Service<Request<R>, Response = Response<Permitted<B>>, Error = S::Error, Future: Send> + Clone + Send
where
    S: Service<Request<R>, Response = Response<B>, Future: Send> + Clone + Send,
    R: Send,
{
    let semaphore = Arc::new(Semaphore::new(limit));
    service_fn(move |request| {
        let (service, semaphore) = (service.clone(), semaphore.clone());
        async move {
            let permit = semaphore.acquire_owned().await.ok();
            let response = service.oneshot(request).await?;
            Ok(response.map(|body| Permitted { body, _permit: permit }))
        }
    })
}

/// A body, and the permit to have it under way.
pub struct Permitted<B> {
    body: B,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<B: Body + Unpin> Body for Permitted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
