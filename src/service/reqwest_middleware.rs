//! The integration for reqwest-middleware.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use http::{Extensions, HeaderMap};
use tower_service::Service;

use super::{
    errors::{MiddlewareError, redact_middleware},
    integration::{head_of, redact_url},
    reqwest::{Request, Response, Url},
    reqwest_middleware::{self, Middleware, Next},
};
use crate::{
    address::policy::{Address, Credentials},
    config::Config,
    error::{DidNotComplete, Error, find::ErrorChain, operation::OperationError},
    layer::{LroLayer, overrides::LroOverrides},
    operation::{Resume, cancel::Cancel},
    poller::canceling::inexpressible,
    request::{
        captured::{CapturedRequest, Intent, RequestHead},
        template::PollRequest,
    },
    service::{
        canceling::redirect_to_cancel,
        clock::Clock,
        future::ResponseFuture,
        start::{Start, may_start_operation},
        transport::{AsRequest, prefer_respond_async},
    },
};

type BoxFuture<'a> = Pin<Box<dyn Future<Output = reqwest_middleware::Result<Response>> + Send + 'a>>;

/// Polls long-running operations to completion. Put it before any middleware that adds credentials or retries single requests, and
/// after none that sends a request again.
///
/// Settings for one request go into its extensions, by `RequestBuilder::with_extension(LroOverrides::new(…))`; so does a
/// [`Resume`].
#[async_trait]
impl Middleware for LroLayer {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let Some(mut head) = head_of(&mut request) else {
            return match extensions.get::<Cancel>() {
                Some(cancel) => Err(into_middleware_error(Error::Operation(inexpressible(cancel)))),
                None => next.run(request, extensions).await,
            };
        };
        let config = LroOverrides::config_for(with_settings(extensions, &head), self);
        note_intent(&mut head, extensions);
        if config.passes_through(head.intent) {
            return next.run(request, extensions).await;
        }
        if Clock::check(config.timer.as_ref()).is_err() {
            return Err(MiddlewareError::middleware(Error::<MiddlewareError>::NoTimer));
        }
        if let Some(cancel) = head.extensions.remove::<Cancel>() {
            return send_cancel(&config, &head, cancel, request, extensions, next).await;
        }
        let shared;
        let outcome = if head.intent == Intent::Resume {
            shared = SharedExtensions::of(extensions, &config);
            let resume = head.extensions.remove::<Resume>().unwrap_or_default();
            let service = ChainService { next, extensions: shared.clone() };
            let followed = config.resuming(head, request.headers());
            ResponseFuture::<_, ChainRequest>::resume(service, config, followed, resume).await
        } else {
            if config.asks_for_async() {
                prefer_respond_async(request.headers_mut());
            }
            let captured = CapturedRequest::new(head, request.headers());
            let response = next.clone().run(request, extensions).await?;
            if !may_start_operation(&config, &captured.head, &response) {
                return Ok(response);
            }
            shared = SharedExtensions::of(extensions, &config);
            let service = ChainService { next, extensions: shared.clone() };
            ResponseFuture::<_, ChainRequest>::follow(Start { service, config, captured }, response).await
        };
        shared.give_back(extensions);
        outcome.map_err(into_middleware_error)
    }
}

/// The extensions that have settings: those of the middleware, or else those of the request itself.
fn with_settings<'a>(extensions: &'a Extensions, head: &'a RequestHead) -> &'a Extensions {
    let has_some = extensions.get::<LroLayer>().is_some() || extensions.get::<LroOverrides>().is_some();
    if has_some { extensions } else { &head.extensions }
}

/// Notes what the caller wants, if the extensions of the middleware say it: they take precedence.
fn note_intent(head: &mut RequestHead, extensions: &Extensions) {
    if let Some(cancel) = extensions.get::<Cancel>() {
        head.extensions.insert(cancel.clone());
    }
    if let Some(resume) = extensions.get::<Resume>() {
        head.extensions.insert(resume.clone());
    }
    head.intent = Intent::of(&head.method, &head.extensions);
}

fn into_middleware_error(error: Error<MiddlewareError>) -> MiddlewareError {
    match error {
        Error::Service(error) => error,
        Error::Operation(error) => {
            // With a context, so that it is found whatever wraps it again: a `transparent` wrapper shows the sources of its
            // content, but not the content itself.
            let context = DidNotComplete(error.operation().monitor()).to_string();
            MiddlewareError::Middleware(anyhow::Error::new(error).context(context))
        }
        Error::NoTimer => MiddlewareError::middleware(Error::<MiddlewareError>::NoTimer),
    }
}

/// Sends a request that cancels an operation to the address for that.
async fn send_cancel(
    config: &Config,
    head: &RequestHead,
    cancel: Cancel,
    mut request: Request,
    extensions: &mut Extensions,
    next: Next<'_>,
) -> reqwest_middleware::Result<Response> {
    let redirected = redirect_to_cancel::<Response, _>(&mut request, config, &head.uri, &cancel);
    let credentials = redirected.map_err(|error| into_middleware_error(Error::Operation(error)))?;
    let is_trusted = credentials == Credentials::Send;
    // A copy: what sends the request again, be it for an error or because this one was dropped, cancels again.
    let mut below = if is_trusted { extensions.clone() } else { Extensions::new() };
    // A layer below would take it for its own.
    below.remove::<Cancel>();
    // The answer is the caller's, whatever a layer below would take it for.
    below.insert(LroOverrides::disabled());
    let result = next.run(request, &mut below).await;
    if is_trusted {
        below.remove::<LroOverrides>();
        extensions.extend(below);
    }
    result
}

/// The caller's extensions. Each poll gets them in turn, and may change them for the next, as with any other middleware that sends
/// more than one request.
#[derive(Clone)]
struct SharedExtensions(Arc<Mutex<Extensions>>);

impl SharedExtensions {
    fn of(extensions: &Extensions, config: &Config) -> Self {
        let mut extensions = extensions.clone();
        // A layer below would take it for its own.
        extensions.remove::<Resume>();
        config.omitted_extensions.iter().for_each(|omitted| (omitted.remove)(&mut extensions));
        Self(Arc::new(Mutex::new(extensions)))
    }

    /// A copy, so that a poll that is dropped takes nothing with it.
    fn get(&self) -> Extensions {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, extensions: Extensions) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = extensions;
    }

    /// Gives the caller the extensions that the polls have added.
    fn give_back(&self, extensions: &mut Extensions) {
        extensions.extend(self.get());
    }
}

/// A request for the rest of the chain.
struct ChainRequest {
    request: Request,
    credentials: Credentials,
}

impl AsRequest<Response, MiddlewareError> for ChainRequest {
    fn from_poll(poll: PollRequest, last: &Option<Url>) -> Option<Self> {
        let credentials = poll.credentials;
        let request = <Request as AsRequest<Response, MiddlewareError>>::from_poll(poll, last)?;
        Some(Self { request, credentials })
    }

    fn redirect_to(&mut self, address: Address) -> bool {
        <Request as AsRequest<Response, MiddlewareError>>::redirect_to(&mut self.request, address)
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    fn redact(error: &mut MiddlewareError) {
        redact_middleware(error, redact_url);
    }
}

/// The rest of the chain, as a service.
#[derive(Clone)]
struct ChainService<'a> {
    next: Next<'a>,
    extensions: SharedExtensions,
}

impl<'a> Service<ChainRequest> for ChainService<'a> {
    type Response = Response;
    type Error = MiddlewareError;
    type Future = BoxFuture<'a>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), MiddlewareError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ChainRequest { request, credentials }: ChainRequest) -> BoxFuture<'a> {
        let Self { next, extensions: shared } = self.clone();
        Box::pin(async move {
            if credentials == Credentials::Withhold {
                return next.run(request, &mut Extensions::new()).await;
            }
            let mut extensions = shared.get();
            let result = next.run(request, &mut extensions).await;
            shared.set(extensions);
            result
        })
    }
}

impl ErrorChain<MiddlewareError> for MiddlewareError {
    fn operation_error(&self) -> Option<&OperationError<MiddlewareError>> {
        let Self::Middleware(error) = self else { return None };
        error.downcast_ref().or_else(|| {
            error
                .chain()
                .find_map(|error| error.operation_error().or_else(|| error.downcast_ref::<Self>()?.operation_error()))
        })
    }
}
