//! `Integration`: the integrations over a real client, with both results in the same form.

use std::{error::Error as StdError, fmt, iter, time::Duration};

use bytes::{BufMut, Bytes};
use http::{HeaderMap, Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower::{Layer, Service, ServiceExt};
use tower_lro::{
    AddressErrorKind, Backoff, Cause, Error, LroLayer, Operation, OperationError, OperationState, ResponseExt,
    StatusErrorKind,
};

#[derive(Clone, Copy, Debug)]
pub enum Integration {
    /// Over hyper-util's client.
    Tower,
    /// In a chain of reqwest-middleware.
    Middleware,
}

pub const INTEGRATIONS: [Integration; 2] = [Integration::Tower, Integration::Middleware];

pub type Package = Full<Bytes>;

/// The result.
#[derive(Debug)]
pub struct Report {
    pub ended: Ended,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
    pub operation: Option<Operation>,
    /// The error and its sources.
    #[allow(dead_code, reason = "printed where a test fails")]
    pub error: Option<String>,
}

#[derive(Debug, PartialEq)]
pub enum Ended {
    Response {
        status: u16,
        state: Option<OperationState>,
        body: Body,
    },
    /// Nothing was accepted.
    Service,
    /// It was accepted, and did not complete.
    Operation(Why),
}

/// With the body, unless it is long.
#[derive(Debug, PartialEq)]
pub enum Why {
    Timeout,
    Service,
    Body,
    Monitor(u16, Option<String>),
    Address(AddressErrorKind),
    Status(StatusErrorKind, Option<String>),
    Other,
}

#[derive(Debug, PartialEq)]
pub enum Body {
    Whole(String),
    /// An error came behind this.
    Broken(String),
    /// More came than the test reads.
    Endless,
}

impl Ended {
    pub fn succeeded(body: &str) -> Self {
        Self::Response { status: 200, state: Some(OperationState::Succeeded), body: Body::Whole(body.to_owned()) }
    }

    pub fn monitor(status: u16, body: &str) -> Self {
        Self::Operation(Why::Monitor(status, Some(body.to_owned())))
    }

    pub fn no_status(body: &str) -> Self {
        Self::Operation(Why::Status(StatusErrorKind::Missing, Some(body.to_owned())))
    }
}

/// As quick as the clock allows, and without chance.
pub fn quick() -> LroLayer {
    const SOON: Duration = Duration::from_millis(1);
    LroLayer::new().jitter(0.0).backoff(Backoff::constant(SOON)).max_delay(SOON)
}

pub fn hyper() -> Client<HttpConnector, Package> {
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http()
}

/// Leaves redirects to the layer, and repeats nothing by itself.
pub fn reqwest() -> reqwest::Client {
    reqwest_client_builder().build().unwrap()
}
pub fn reqwest_client_builder() -> reqwest::ClientBuilder {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    // To load the system's certificates takes longer than all else here.
    client.retry(reqwest::retry::never()).tls_certs_only([])
}

/// Where reqwest has no TLS, or is an earlier version, there are no certificates to be loaded.
trait NoCertificates {
    #[allow(dead_code, reason = "reqwest's own method comes first, if it has one")]
    fn tls_certs_only(self, none: [(); 0]) -> Self;
}

impl NoCertificates for reqwest::ClientBuilder {
    fn tls_certs_only(self, _: [(); 0]) -> Self {
        self
    }
}

impl Integration {
    /// Sends a start request through `layer`, over a client of its own: the connection is a new one.
    pub async fn send(self, layer: LroLayer, url: &str) -> Report {
        match self {
            Self::Tower => through_tower(layer.layer(hyper()), url).await,
            Self::Middleware => through_middleware(&ClientBuilder::new(reqwest()).with(layer).build(), url).await,
        }
    }
}

/// A case that hangs fails under its name, instead of hanging the tests.
async fn watched(report: impl Future<Output = Report>) -> Report {
    tokio::time::timeout(Duration::from_secs(20), report).await.expect("nothing comes out")
}

pub async fn through_tower<S, B, E>(service: S, url: &str) -> Report
where
    S: Service<Request<Package>, Response = Response<B>, Error = Error<E>>,
    B: HttpBody<Error: fmt::Debug>,
    E: StdError + 'static,
{
    let request = Request::post(url).body("a drawing package".into()).unwrap();
    let report = async {
        match service.oneshot(request).await {
            Ok(response) => of_response(response).await,
            Err(Error::Operation(error)) => of_error(&error, Some(&error)),
            Err(error) => of_error::<E>(&error, None),
        }
    };
    watched(report).await
}

pub async fn through_middleware(client: &ClientWithMiddleware, url: &str) -> Report {
    let report = async {
        match client.post(url).body("a drawing package").send().await {
            Ok(response) => of_response(Response::<reqwest::Body>::from(response)).await,
            Err(error) => of_error(&error, OperationError::find(&error)),
        }
    };
    watched(report).await
}

async fn of_response<B: HttpBody<Error: fmt::Debug>>(response: Response<B>) -> Report {
    let operation = response.operation().cloned();
    let (head, body) = response.into_parts();
    let (body, trailers) = read(body).await;
    let state = operation.as_ref().map(Operation::state);
    let ended = Ended::Response { status: head.status.as_u16(), state, body };
    Report { ended, headers: head.headers, trailers, operation, error: None }
}

async fn read<B: HttpBody>(body: B) -> (Body, HeaderMap) {
    const PATIENCE: usize = 3_000_000;
    let mut body = std::pin::pin!(body);
    let (mut read, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.into_data().map_err(|frame| frame.into_trailers().ok())) {
            Ok(Ok(data)) => read.put(data),
            Ok(Err(last)) => trailers = last.unwrap_or_default(),
            Err(_) => return (Body::Broken(text(&read)), trailers),
        }
        if read.len() > PATIENCE {
            return (Body::Endless, trailers);
        }
    }
    (Body::Whole(text(&read)), trailers)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn of_error<E: StdError + 'static>(error: &(dyn StdError + 'static), accepted: Option<&OperationError<E>>) -> Report {
    let (ended, headers) = match accepted.map(OperationError::cause) {
        None => (Ended::Service, HeaderMap::new()),
        Some(cause) => (Ended::Operation(why(cause)), headers(cause)),
    };
    let chain = iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    Report {
        ended,
        headers,
        trailers: HeaderMap::new(),
        operation: accepted.map(|error| error.operation().clone()),
        error: Some(chain.collect::<Vec<_>>().join(": ")),
    }
}

fn headers<E>(cause: &Cause<E>) -> HeaderMap {
    match cause {
        Cause::Monitor(response) => response.headers().clone(),
        Cause::Status(error) => error.response().headers().clone(),
        _ => HeaderMap::new(),
    }
}

fn why<E>(cause: &Cause<E>) -> Why {
    const LONG: usize = 1000;
    let short = |body: &Bytes| (body.len() < LONG).then(|| text(body));
    match cause {
        Cause::Timeout => Why::Timeout,
        Cause::Service(_) => Why::Service,
        Cause::Body(_) => Why::Body,
        Cause::Monitor(response) => Why::Monitor(response.status().as_u16(), short(response.body())),
        Cause::Address(error) => Why::Address(error.kind()),
        Cause::Status(error) => Why::Status(error.kind(), short(error.response().body())),
        _ => Why::Other,
    }
}
