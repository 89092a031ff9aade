//! The clients: each polls operations to completion, over the network, in a process of its own.

mod azure;
mod documented;
mod google;

use std::{
    cell::Cell,
    fs,
    hint::black_box,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tower::{Layer, Service};
use tower_lro::{Backoff, LroLayer};

use crate::{
    BoxError,
    by_hand::{self, IsFinal},
    server::SMALL,
};

use self::documented::{Documented, DocumentedHttp};
pub use self::{
    azure::AzureCore,
    google::{GoogleCloudLro, waiting as waiting_google},
};

pub const HYPER: &str = "Lro, hyper-util";
pub const HYPER_BY_HAND: &str = "by hand, hyper-util";
pub const HYPER_BY_HAND_VALUE: &str = "by hand with a Value, hyper-util";
pub const REQWEST: &str = "Lro, reqwest-middleware";
pub const REQWEST_BY_HAND: &str = "by hand, reqwest";
pub const REQWEST_BY_HAND_VALUE: &str = "by hand with a Value, reqwest";
pub const HYPER_DOCUMENTED: &str = "by hand as documented, hyper-util";
pub const REQWEST_DOCUMENTED: &str = "by hand as documented, reqwest";
pub const AZURE_CORE: &str = "azure_core";
pub const GOOGLE_CLOUD_LRO: &str = "google-cloud-lro";

/// Where to, and how.
#[derive(Clone)]
pub struct Target {
    pub url: String,
    pub is_http2: bool,
    /// The one certificate that is trusted.
    pub certificate: Option<Vec<u8>>,
}

/// How the client uses the result.
#[derive(Clone, Copy, PartialEq)]
pub enum Use {
    /// Each piece is dropped when it has come.
    Streamed,
    Collected,
}

type Outcome = Result<Received, BoxError>;

/// A result that came.
pub struct Received {
    pub bytes: usize,
    /// When the caller had its first byte.
    pub first_byte: Instant,
}

pub trait SeesThrough {
    /// Starts an operation with a result of so many bytes, and receives it.
    fn see_through(&self, bytes: usize, how: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>>;
}

/// `CLIENT URL http1|http2 CERTIFICATE|- BYTES TIMES streamed|collected WHAT`; see [`numbers`].
pub fn main(arguments: &[&str]) -> Result<(), BoxError> {
    let &[name, url, protocol, certificate, bytes, times, how, what] = arguments else {
        return Err(format!("not understood: {arguments:?}").into());
    };
    let certificate = if certificate == "-" { None } else { Some(fs::read(certificate)?) };
    let target = Target { url: url.to_owned(), is_http2: protocol == "http2", certificate };
    let how = if how == "streamed" { Use::Streamed } else { Use::Collected };
    let (bytes, times) = (bytes.parse()?, times.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let client = client(name, &target, what == "first-byte")?;
    let see_through = |bytes| {
        let received = runtime.block_on(client.see_through(bytes, how))?;
        if received.bytes < bytes {
            return Err(format!("{} bytes instead of {bytes}", received.bytes).into());
        }
        Ok::<_, BoxError>(received)
    };
    match what {
        // The connection's set-up is in every count, and goes out of their difference.
        "run" => {
            for _ in 0..times {
                see_through(bytes)?;
            }
        }
        // The most that is allocated at once by one operation.
        "heap" => {
            see_through(SMALL)?;
            let mut outcome = None;
            let counted = allocation_counter::measure(|| outcome = Some(see_through(bytes)));
            outcome.ok_or("not run")??;
            println!("{}", counted.bytes_max);
        }
        // The nanoseconds from the last poll's sending to the first byte of the result in the caller's hands.
        "first-byte" => {
            see_through(SMALL)?;
            for _ in 0..times {
                let received = see_through(bytes)?;
                println!("{}", (received.first_byte - last_sent()).as_nanos());
            }
        }
        _ => return Err(format!("not understood: {what}").into()),
    }
    Ok(())
}

pub fn client(name: &str, target: &Target, is_timed: bool) -> Result<Box<dyn SeesThrough>, BoxError> {
    let layer = LroLayer::new().backoff(Backoff::constant(Duration::ZERO)).jitter(0.0);
    let is_final = match name {
        HYPER_BY_HAND_VALUE | REQWEST_BY_HAND_VALUE => by_hand::by_value,
        _ => by_hand::by_struct,
    };
    Ok(match name {
        HYPER => match &target.certificate {
            None => Box::new(Http { client: layer.layer(Stamping(plain(target))), url: target.url.clone() }),
            Some(certificate) => {
                Box::new(Http { client: layer.layer(Stamping(tls(certificate)?)), url: target.url.clone() })
            }
        },
        HYPER_BY_HAND | HYPER_BY_HAND_VALUE => match &target.certificate {
            None => Box::new(HttpByHand { client: Stamping(plain(target)), url: target.url.clone(), is_final }),
            Some(certificate) => {
                Box::new(HttpByHand { client: Stamping(tls(certificate)?), url: target.url.clone(), is_final })
            }
        },
        REQWEST => {
            let mut chain = ClientBuilder::new(reqwest_client(target)?).with(layer);
            if is_timed {
                chain = chain.with(Stamp);
            }
            Box::new(Chain { client: chain.build(), url: target.url.clone() })
        }
        REQWEST_BY_HAND | REQWEST_BY_HAND_VALUE => {
            Box::new(ReqwestByHand { client: reqwest_client(target)?, url: target.url.clone(), is_final })
        }
        HYPER_DOCUMENTED => Box::new(DocumentedHttp { client: plain(target), url: target.url.clone() }),
        REQWEST_DOCUMENTED => Box::new(Documented { client: reqwest_client(target)?, url: target.url.clone() }),
        AZURE_CORE => Box::new(AzureCore::new(reqwest_client(target)?, &target.url)),
        GOOGLE_CLOUD_LRO => Box::new(GoogleCloudLro::new(reqwest_client(target)?, &target.url)),
        _ => return Err(format!("there is no client {name}").into()),
    })
}

fn plain(target: &Target) -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(target.is_http2).build(connector)
}

fn tls(certificate: &[u8]) -> Result<Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>, BoxError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.to_vec()))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn reqwest_client(target: &Target) -> Result<reqwest::Client, BoxError> {
    let certificates = target.certificate.as_deref().map(reqwest::Certificate::from_der).transpose()?;
    // No others: reading those of the system takes longer than what is measured.
    let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only(certificates);
    if target.is_http2 {
        builder = builder.http2_prior_knowledge();
    } else {
        builder = builder.http1_only();
    }
    Ok(builder.build()?)
}

/// As many headers as such a request has.
const HEADERS: [(&str, &str); 7] = [
    ("authorization", "Bearer 0123456789012345678901234567890123456789"),
    ("accept", "application/json"),
    ("user-agent", "bench/1.0"),
    ("content-type", "application/json"),
    ("accept-language", "sv"),
    ("x-ms-client-request-id", "c587574e-add9-4ef7-9788-1635bed9a87e"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
];

/// Owned, as credentials and identifiers are.
pub fn start_headers() -> HeaderMap {
    let value = |value: &str| HeaderValue::try_from(value.to_owned()).expect("a value");
    HEADERS.into_iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

pub fn http_start(url: &str) -> Result<Request<Full<Bytes>>, BoxError> {
    let mut request = Request::post(url).body(Full::from("{}"))?;
    *request.headers_mut() = start_headers();
    Ok(request)
}

fn reqwest_start(url: &str) -> Result<reqwest::Request, BoxError> {
    let mut request = reqwest::Request::new(Method::POST, url.parse()?);
    *request.headers_mut() = start_headers();
    *request.body_mut() = Some("{}".into());
    Ok(request)
}

thread_local! {
    static LAST_SENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Remembers that a request was sent now.
fn stamp() {
    LAST_SENT.set(Some(Instant::now()));
}

fn last_sent() -> Instant {
    LAST_SENT.get().unwrap_or_else(Instant::now)
}

/// A client that remembers when it sent its last request.
#[derive(Clone)]
struct Stamping<S>(S);

impl<R, S: Service<R>> Service<R> for Stamping<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        stamp();
        self.0.call(request)
    }
}

/// The error in a chain of sources.
struct Stamp;

#[async_trait::async_trait]
impl Middleware for Stamp {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        stamp();
        next.run(request, extensions).await
    }
}

/// Receives a body piece by piece, and keeps none.
async fn stream(body: impl Body<Data = Bytes, Error: Into<BoxError>>) -> Outcome {
    let mut body = pin!(body);
    let (mut bytes, mut first_byte) = (0, None);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        first_byte.get_or_insert_with(Instant::now);
        bytes += frame.map_err(Into::into)?.data_ref().map_or(0, Bytes::len);
    }
    Ok(Received { bytes, first_byte: first_byte.ok_or("an empty result")? })
}

/// A result that has been collected.
fn collected(bytes: usize) -> Outcome {
    Ok(Received { bytes, first_byte: Instant::now() })
}

/// The layer over a client of `http` types.
struct Http<S> {
    client: S,
    url: String,
}

impl<S, B> SeesThrough for Http<S>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>, Error: Into<BoxError>> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    fn see_through(&self, bytes: usize, how: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let request = http_start(&format!("{}/azure/{bytes}", self.url))?;
            let response = self.client.clone().call(request).await.map_err(Into::into)?;
            if how == Use::Collected {
                let body = response.into_body().collect().await.map_err(Into::into)?.to_bytes();
                return collected(black_box(body).len());
            }
            stream(response.into_body()).await
        })
    }
}

struct HttpByHand<S> {
    client: S,
    url: String,
    is_final: IsFinal,
}

impl<S, B> SeesThrough for HttpByHand<S>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>, Error: Into<BoxError>> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    fn see_through(&self, bytes: usize, _: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let request = http_start(&format!("{}/azure/{bytes}", self.url))?;
            let response = by_hand::over_http(self.client.clone(), request, Duration::ZERO, self.is_final).await?;
            collected(black_box(response).body().len())
        })
    }
}

/// The layer in a chain of reqwest-middleware.
struct Chain {
    client: ClientWithMiddleware,
    url: String,
}

impl SeesThrough for Chain {
    fn see_through(&self, bytes: usize, how: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let request = reqwest_start(&format!("{}/azure/{bytes}", self.url))?;
            let response = self.client.execute(request).await?;
            if how == Use::Collected {
                return collected(black_box(response.bytes().await?).len());
            }
            stream(reqwest::Body::from(response)).await
        })
    }
}

struct ReqwestByHand {
    client: reqwest::Client,
    url: String,
    is_final: IsFinal,
}

impl SeesThrough for ReqwestByHand {
    fn see_through(&self, bytes: usize, _: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let request = reqwest_start(&format!("{}/azure/{bytes}", self.url))?;
            let send = |request| async {
                stamp();
                Ok(self.client.execute(request).await?)
            };
            let (_, _, body) = by_hand::over_reqwest(send, request, Duration::ZERO, self.is_final).await?;
            collected(black_box(body).len())
        })
    }
}
