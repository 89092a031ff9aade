//! The door for reqwest-middleware.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as TaskContext, Poll},
};

use async_trait::async_trait;
use http::{Extensions, Uri};
use reqwest::{Request, Response, Url};
use reqwest_middleware::{Error as MiddlewareError, Middleware, Next};
use tower_service::Service;

use crate::{
    address::resolver::Trust,
    error::find::ErrorChain,
    error::{Error, OperationError},
    layer::LroLayer,
    operation::Resume,
    request::template::Outgoing,
    service::{
        future::{ResponseFuture, Start, follow},
        reqwest::{draft, redact_url},
        transport::AsRequest,
    },
};

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
        draft.pack(request.headers());
        let resume = extensions.get::<Resume>().cloned();
        draft.extensions.extend(resume.clone().map(extension).unwrap_or_default());

        let start = Start { service: (), layer, draft };
        let (shared, outcome) = if start.resumes() {
            let shared = Shared::of(extensions);
            let start = start.with_service(Rest { next, extensions: shared.clone() });
            let outcome = ResponseFuture::resumed(start, Sent { request, is_anonymous: false }).await;
            (shared, outcome)
        } else {
            let response = next.clone().run(request, extensions).await.map_err(|mut error| {
                redact(&mut error, start.draft.uri());
                error
            })?;
            if !start.concerns(&response) {
                return Ok(response);
            }
            let shared = Shared::of(extensions);
            let start = start.with_service(Rest { next, extensions: shared.clone() });
            (shared, follow(start, response).await)
        };
        *extensions = shared.get();
        extensions.extend(resume.map(extension).unwrap_or_default());
        outcome.map_err(|error| match error {
            Error::Service(error) => error,
            Error::Operation(error) => {
                let context = Context(error.cause_text());
                MiddlewareError::Middleware(anyhow::Error::new(error).context(context))
            }
        })
    }
}

fn extension<T: Clone + Send + Sync + 'static>(value: T) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(value);
    extensions
}

/// What an [`OperationError`] is wrapped in, so that it is found whatever wraps it again: a wrapper that is `transparent`
/// shows the sources of what it wraps, but not the thing itself.
struct Context(String);

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was accepted, but {}", self.0)
    }
}

/// The caller's extensions. The polls get them one after the other, and may change them for the next, as with any other
/// middleware that sends more than one request.
#[derive(Clone)]
struct Shared(Arc<Mutex<Extensions>>);

impl Shared {
    fn of(extensions: &Extensions) -> Self {
        let mut extensions = extensions.clone();
        // A layer below would take it for its own.
        extensions.remove::<Resume>();
        Self(Arc::new(Mutex::new(extensions)))
    }

    /// A copy, so that a poll that is dropped takes nothing with it.
    fn get(&self) -> Extensions {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, extensions: Extensions) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = extensions;
    }
}

/// A request for the rest of the chain.
struct Sent {
    request: Request,
    is_anonymous: bool,
}

impl AsRequest<Response, MiddlewareError> for Sent {
    fn from_outgoing(outgoing: Outgoing, last: &Option<Url>) -> Option<Self> {
        let is_anonymous = outgoing.trust == Trust::Anonymous;
        let request = <Request as AsRequest<Response, MiddlewareError>>::from_outgoing(outgoing, last)?;
        Some(Self { request, is_anonymous })
    }

    fn take_up(&mut self, uri: Uri, trust: Trust) {
        self.is_anonymous = trust == Trust::Anonymous;
        <Request as AsRequest<Response, MiddlewareError>>::take_up(&mut self.request, uri, trust);
    }

    fn redact(error: &mut MiddlewareError, uri: &Uri) {
        redact(error, uri);
    }
}

/// The rest of the chain, as a service.
#[derive(Clone)]
struct Rest<'a> {
    next: Next<'a>,
    extensions: Shared,
}

impl<'a> Service<Sent> for Rest<'a> {
    type Response = Response;
    type Error = MiddlewareError;
    type Future = BoxFuture<'a>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), MiddlewareError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Sent { request, is_anonymous }: Sent) -> BoxFuture<'a> {
        let Self { next, extensions: shared } = self.clone();
        Box::pin(async move {
            if is_anonymous {
                return next.run(request, &mut Extensions::new()).await;
            }
            let mut extensions = shared.get();
            let result = next.run(request, &mut extensions).await;
            shared.set(extensions);
            result
        })
    }
}

/// Errors of reqwest print the address that they are about, with its query. Those that other middleware wrapped cannot be
/// reached, and are replaced by their text if that has a value of the query in it.
fn redact(error: &mut MiddlewareError, uri: &Uri) {
    let wrapped = match error {
        MiddlewareError::Reqwest(error) => return redact_url(error),
        MiddlewareError::Middleware(error) => error,
    };
    if let Some(error) = wrapped.downcast_mut() {
        return redact_url(error);
    }
    let text = format!("{wrapped:#}");
    let values = uri.query().unwrap_or_default().split('&').filter_map(|parameter| parameter.split_once('='));
    let secrets: Vec<&str> = values
        .filter(|(name, value)| !name.eq_ignore_ascii_case("api-version") && !value.is_empty())
        .map(|(_, value)| value)
        .collect();
    let shows_any = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    if shows_any(&text) || shows_any(&format!("{wrapped:?}")) {
        let redacted = secrets.iter().fold(text, |text, secret| text.replace(secret, "***"));
        *error = MiddlewareError::Middleware(anyhow::Error::msg(redacted));
    }
}

impl ErrorChain<MiddlewareError> for MiddlewareError {
    fn operation_error(&self) -> Option<&OperationError<MiddlewareError>> {
        let Self::Middleware(error) = self else { return None };
        error.downcast_ref().or_else(|| {
            error
                .chain()
                .find_map(|error| error.downcast_ref().or_else(|| error.downcast_ref::<Self>()?.operation_error()))
        })
    }
}
