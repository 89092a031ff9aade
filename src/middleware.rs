//! The door for reqwest-middleware.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error as MiddlewareError, Middleware, Next};
use tower_service::Service;

use crate::{
    Error, LroLayer, OperationError, Resume,
    future::{Start, follow},
    reqwest::{draft, redact_url},
};

/// The context that an [`OperationError`] is wrapped in, so that it is found whatever wraps it again: a wrapper that is
/// `transparent` shows the sources of what it wraps, but not the thing itself.
const CONTEXT: &str = "a long-running operation was accepted, but not seen through to its end";

type BoxFuture<'a> = Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'a>>;

/// Sees long-running operations through. Put it before what adds credentials or retries single requests, and behind
/// nothing that sends a request again.
///
/// Settings for one request are given by `RequestBuilder::with_extension(LroLayer::new()…)`, as is a
/// [`Resume`].
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest-middleware")))]
#[async_trait]
impl Middleware for LroLayer {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let layer = extensions.get().unwrap_or(self).clone();
        let draft = if layer.is_off() { None } else { draft(&mut request) };
        let Some(mut draft) = draft else { return next.run(request, extensions).await };
        if let Some(resume) = extensions.remove::<Resume>() {
            draft.extensions.insert(resume);
        }
        draft.pack(request.headers());

        let first = next.clone().run(request, extensions).await;
        let start = Start { service: (), layer, draft };
        if !start.concerns(&first) {
            return first;
        }
        // Shared by the polls one after the other, as with any other middleware that sends more than one request.
        let shared = Arc::new(Mutex::new(std::mem::take(extensions)));
        let start = start.with_service(Rest { next, extensions: Arc::clone(&shared) });
        let outcome = follow::<_, Request>(start, first).await;
        *extensions = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
        outcome.map_err(|error| match error {
            Error::Service(error) => error,
            Error::Operation(error) => MiddlewareError::Middleware(anyhow::Error::new(error).context(CONTEXT)),
        })
    }
}

/// The rest of the chain, as a service.
#[derive(Clone)]
struct Rest<'a> {
    next: Next<'a>,
    extensions: Arc<Mutex<Extensions>>,
}

impl<'a> Service<Request> for Rest<'a> {
    type Response = Response;
    type Error = MiddlewareError;
    type Future = BoxFuture<'a>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), MiddlewareError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> BoxFuture<'a> {
        let Self { next, extensions: shared } = self.clone();
        Box::pin(async move {
            let mut extensions = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
            let result = next.run(request, &mut extensions).await;
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = extensions;
            result
        })
    }
}

pub(crate) fn redact(error: &mut MiddlewareError) {
    match error {
        MiddlewareError::Reqwest(error) => redact_url(error),
        MiddlewareError::Middleware(error) => {
            if let Some(error) = error.downcast_mut::<reqwest::Error>() {
                redact_url(error);
            }
        }
    }
}

impl OperationError<MiddlewareError> {
    /// Finds the error of an operation in what a `reqwest_middleware` client gives, whatever retry or other middleware
    /// wrapped it again.
    ///
    /// This is the check for everything that would send the request again: if there is one, the request **has happened**.
    ///
    /// # Example
    ///
    /// ```
    /// use reqwest_middleware::{ClientWithMiddleware, Error, Result};
    /// use tower_lro::OperationError;
    ///
    /// async fn send(client: &ClientWithMiddleware) -> Result<()> {
    ///     match client.post("https://atlas.microsoft.com/mapData").send().await {
    ///         Ok(response) => println!("{}", response.status()),
    ///         Err(error) => match OperationError::find(&error) {
    ///             Some(error) => println!("it has happened, and goes on at {:?}", error.operation()),
    ///             None => println!("nothing was accepted: {error}"),
    ///         },
    ///     }
    ///     Ok(())
    /// }
    /// # let _ = send;
    /// ```
    #[must_use]
    pub fn find(error: &MiddlewareError) -> Option<&Self> {
        let MiddlewareError::Middleware(error) = error else { return None };
        error.downcast_ref().or_else(|| {
            error.chain().find_map(|error| {
                error.downcast_ref::<Self>().or_else(|| Self::find(error.downcast_ref::<MiddlewareError>()?))
            })
        })
    }
}
