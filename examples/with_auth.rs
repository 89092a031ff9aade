//! A bearer token that expires in the middle of an operation: what authorises requests goes below the layer, where it adds a
//! fresh token for every poll; where the service answers 401 nevertheless, it fetches a new one and repeats that request once.
//! As a tower layer, and as reqwest middleware. (It authorises whatever passes: where `LroLayer::allow_anonymous_origin` lets polls go
//! to another origin, it ought to look at theirs first.)
//!
//! `cargo run --example with_auth`

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract};
use bytes::Bytes;
use http::{Extensions, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tokio::{net::TcpListener, sync::Mutex};
use tower::{Service, ServiceBuilder, ServiceExt, layer::layer_fn, service_fn};
use tower_lro::{
    LroLayer, Operation, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// The client's tokens: the one that it got last, and where it gets another.
#[derive(Clone)]
struct Tokens {
    last: Arc<Mutex<HeaderValue>>,
    issuer: Issuer,
}

impl Tokens {
    fn of(issuer: &Issuer) -> Self {
        Self { last: Arc::new(Mutex::new(issuer.issue())), issuer: issuer.clone() }
    }

    async fn last(&self) -> HeaderValue {
        self.last.lock().await.clone()
    }

    /// A token in place of one that was refused. Of many requests that were refused together, one fetches it.
    async fn instead_of(&self, refused: &HeaderValue) -> HeaderValue {
        let mut last = self.last.lock().await;
        if *last == *refused {
            *last = self.issuer.issue();
        }
        last.clone()
    }
}

/// The tower layer is this function. A request needs a body that can be cloned: start requests that stream theirs are better
/// sent with a token that is known to be good.
fn authorised<S, B>(
    service: S,
    tokens: Tokens,
) -> impl Service<Request<Full<Bytes>>, Response = Response<B>, Error = S::Error, Future: Send> + Clone
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Send, Future: Send> + Clone + Send,
    B: Send,
{
    service_fn(move |mut request: Request<Full<Bytes>>| {
        let (service, tokens) = (service.clone(), tokens.clone());
        async move {
            let mut again = request.clone();
            let token = tokens.last().await;
            request.headers_mut().insert(AUTHORIZATION, token.clone());
            let response = service.clone().oneshot(request).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            again.headers_mut().insert(AUTHORIZATION, tokens.instead_of(&token).await);
            service.oneshot(again).await
        }
    })
}

/// The same credentials as reqwest middleware.
struct Authorised(Tokens);

#[async_trait::async_trait]
impl Middleware for Authorised {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        // None of a body that streams. Polls have no body.
        let again = request.try_clone();
        let token = self.0.last().await;
        request.headers_mut().insert(AUTHORIZATION, token.clone());
        let response = next.clone().run(request, extensions).await?;
        match again {
            Some(mut again) if response.status() == StatusCode::UNAUTHORIZED => {
                again.headers_mut().insert(AUTHORIZATION, self.0.instead_of(&token).await);
                next.run(again, extensions).await
            }
            _ => Ok(response),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let moment = Duration::from_millis(100);
    let running = Reply::status("Running").retry_after(moment);
    let polls = [vec![running; 6], vec![Reply::status("Succeeded")]].concat();
    let simulator = Simulator::new().script(Script::new(Reply::accepted().retry_after(moment)).polls(polls));

    let issuer = Issuer::default();
    let tokens = Tokens::of(&issuer);
    let url = serve(issuer.clone(), simulator.clone()).await?;
    let client = ServiceBuilder::new()
        .layer(LroLayer::new())
        .layer(layer_fn(move |service| authorised(service, tokens.clone())))
        .service(Client::builder(TokioExecutor::new()).build_http());
    let response = client.oneshot(Request::post(&url).body(Full::from("a drawing package"))?).await?;
    tell("tower", response.operation(), &issuer);

    let issuer = Issuer::default();
    let tokens = Tokens::of(&issuer);
    let url = serve(issuer.clone(), simulator.clone()).await?;
    // Redirects of polls are the layer's to follow, within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let client = ClientBuilder::new(http).with(LroLayer::new()).with(Authorised(tokens)).build();
    let response = client.post(url).body("a drawing package").send().await?;
    tell("reqwest-middleware", response.operation(), &issuer);

    println!("start requests that the service saw: {}", simulator.started());
    Ok(())
}

fn tell(integration: &str, operation: Option<&Operation>, issuer: &Issuer) {
    let Some(operation) = operation else { return println!("{integration}: no operation") };
    let (polls, tokens) = (operation.polls(), issuer.issued.load(Ordering::Relaxed));
    let refused = issuer.refused.load(Ordering::Relaxed);
    println!(
        "{integration}: {:?}; {polls} polls used {tokens} tokens, {refused} requests were refused",
        operation.state()
    );
}

/// Issues and checks tokens. Each is good for three requests, and the next one makes it void.
#[derive(Clone, Default)]
struct Issuer {
    issued: Arc<AtomicU32>,
    used: Arc<AtomicU32>,
    refused: Arc<AtomicU32>,
}

impl Issuer {
    fn issue(&self) -> HeaderValue {
        self.used.store(0, Ordering::Relaxed);
        let number = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        let mut token = HeaderValue::try_from(format!("Bearer {number}")).expect("digits are good in a header");
        token.set_sensitive(true);
        token
    }

    fn accepts(&self, token: Option<&HeaderValue>) -> bool {
        let good = format!("Bearer {}", self.issued.load(Ordering::Relaxed));
        let is_good = token.is_some_and(|token| *token == good) && self.used.fetch_add(1, Ordering::Relaxed) < 3;
        self.refused.fetch_add(u32::from(!is_good), Ordering::Relaxed);
        is_good
    }
}

/// The service, behind a check of tokens.
async fn serve(issuer: Issuer, simulator: Simulator) -> std::io::Result<String> {
    let guarded = async move |request: extract::Request| {
        if !issuer.accepts(request.headers().get(AUTHORIZATION)) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        simulator.clone().oneshot(request).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(guarded)).await });
    Ok(format!("http://{address}/conversions"))
}
