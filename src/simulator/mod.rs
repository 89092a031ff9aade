//! A service of long-running operations, for tests, examples and benches (feature `simulator`).
//!
//! [`Simulator`] is a tower `Service` over `http` types. Every request starts an operation, except a `GET`, and a request to an
//! operation's own address, such as one that cancels it. A [`Script`] plays the operation: the answer to the start request, the
//! answers to the polls, and the result. By default it plays Azure Maps ([`Script::azure_maps`]): 202, `NotStarted`, `Running`,
//! `Succeeded`. There is a script for each [`Protocol`](crate::Protocol) that has a constructor.
//!
//! It runs in memory, under tokio's paused time too, and behind any server that takes tower services. With feature
//! `reqwest-middleware` it is a `reqwest_middleware::Middleware` as well, which answers in place of the network.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use http::Request;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_lro::{LroLayer, ResponseExt, simulator::{Reply, Script, Simulator, SimulatorBody}};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let script = Script::azure_maps().polls([
//!     Reply::status("Running").retry_after(Duration::from_secs(30)),
//!     Reply::http(503),
//!     Reply::status("Succeeded"),
//! ]);
//! let simulator = Simulator::new().script(script);
//! let client = ServiceBuilder::new().layer(LroLayer::new()).service(simulator.clone());
//!
//! let request = Request::post("https://atlas.microsoft.com/mapData?api-version=2.0").body(SimulatorBody::default())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.operation().map(|operation| operation.polls()), Some(3));
//! assert_eq!(simulator.started(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # In a client with middleware
//!
//! ```
//! use reqwest_middleware::ClientBuilder;
//! use tower_lro::{LroLayer, simulator::Simulator};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let simulator = Simulator::new();
//! let client = ClientBuilder::new(reqwest::Client::new()).with(LroLayer::new()).with(simulator.clone()).build();
//! let response = client.post("https://atlas.microsoft.com/mapData").body("a drawing package").send().await?;
//! assert_eq!((response.status().as_u16(), simulator.started()), (200, 1));
//! # Ok(())
//! # }
//! ```
//!
//! # On a port
//!
//! ```
//! use std::time::Duration;
//! use hyper_util::{rt::{TokioExecutor, TokioIo}, server::conn::auto::Builder, service::TowerToHyperService};
//! use reqwest_middleware::ClientBuilder;
//! use tokio::net::TcpListener;
//! use tower_lro::{LroLayer, simulator::Simulator};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! tokio::spawn(async move {
//!     let simulator = Simulator::new();
//!     while let Ok((stream, _)) = listener.accept().await {
//!         let service = TowerToHyperService::new(simulator.clone());
//!         tokio::spawn(async move {
//!             let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
//!         });
//!     }
//! });
//!
//! let quick = LroLayer::new().max_delay(Duration::from_millis(1));
//! let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
//! let client = ClientBuilder::new(http).with(quick).build();
//! let finished = client.post(format!("http://{address}/mapData")).body("a drawing package").send().await?;
//! assert!(finished.text().await?.contains("Succeeded"));
//! # Ok(())
//! # }
//! ```

mod body;
mod known;
mod script;

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header::HOST};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

pub use self::{
    body::SimulatorBody,
    script::{Fault, Reply, Script},
};

/// A service of long-running operations; see the [module](self).
///
/// Clones are handles to the same service.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, simulator::{Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let simulator = Simulator::new().script(Script::azure_maps()).subscription_key("key").recording();
/// simulator.queue(Script::azure_maps_failed()); // the first operation only
/// let client = LroLayer::new().layer(simulator.clone());
///
/// for _ in 0..2 {
///     let start = Request::post("https://atlas.microsoft.com/mapData").header("subscription-key", "key");
///     client.clone().oneshot(start.body("a drawing package".to_owned())?).await?;
/// }
/// assert_eq!(simulator.started(), 2);
///
/// let recorded = simulator.recorded();
/// assert_eq!(recorded.iter().filter(|request| request.method == "POST").count(), 2);
/// assert!(recorded.iter().all(|request| request.headers["subscription-key"] == "key"));
///
/// simulator.forget_ended();
/// let monitor = Request::get(&recorded[1].uri).header("subscription-key", "key").body(String::new())?;
/// assert_eq!(simulator.oneshot(monitor).await?.status(), 404);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Simulator {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct Settings {
    script: Script,
    key: Option<String>,
    is_recording: bool,
}

#[derive(Debug, Default)]
struct State {
    started: u64,
    queued: VecDeque<Script>,
    operations: HashMap<u64, Played>,
    recorded: Vec<Recorded>,
}

/// An operation, and how far its script has been played.
#[derive(Debug)]
struct Played {
    script: Script,
    polls: usize,
    start: Uri,
}

/// A request that came in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// Its method.
    pub method: Method,
    /// Its address, as it stands in the request.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// The length of its body, in bytes.
    pub body_bytes: usize,
    /// The time since the first recorded request.
    pub at: Duration,
    arrived: Instant,
}

/// The error of a [`Fault`]: the connection is refused, or breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLost;

impl fmt::Display for ConnectionLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated connection was lost")
    }
}

impl std::error::Error for ConnectionLost {}

impl From<Infallible> for ConnectionLost {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Simulator {
    /// Simulates Azure Maps, version 2 of its long-running operation API. Its polls ask for a delay of 30 seconds, twice:
    /// [`LroLayer::max_delay`](crate::LroLayer::max_delay) or a [`script`](Self::script) of your own makes it quick in real time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays `script` for every operation.
    pub fn script(self, script: Script) -> Self {
        lock(&self.shared.settings).script = script;
        self
    }

    /// Answers 401 to requests without a `subscription-key` of this value, in a header or in the query.
    pub fn subscription_key(self, key: impl Into<String>) -> Self {
        lock(&self.shared.settings).key = Some(key.into());
        self
    }

    /// Keeps a record of all requests.
    pub fn recording(self) -> Self {
        lock(&self.shared.settings).is_recording = true;
        self
    }

    /// Plays `script` for the next operation that has none queued before it.
    pub fn queue(&self, script: Script) {
        lock(&self.shared.state).queued.push_back(script);
    }

    /// Returns how many requests to start an operation came, whatever the script answered.
    #[must_use]
    pub fn started(&self) -> u64 {
        lock(&self.shared.state).started
    }

    /// Returns the requests so far; none without [`recording`](Self::recording).
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        lock(&self.shared.state).recorded.clone()
    }

    /// Forgets the operations that have ended, for the memory of long runs; their monitors answer 404 from then on.
    pub fn forget_ended(&self) {
        lock(&self.shared.state).operations.retain(|_, played| !played.has_ended());
    }

    fn record(&self, request: &http::request::Parts, body_bytes: usize) {
        if !lock(&self.shared.settings).is_recording {
            return;
        }
        let mut state = lock(&self.shared.state);
        let arrived = Instant::now();
        let first = state.recorded.first().map_or(arrived, |first| first.arrived);
        state.recorded.push(Recorded {
            method: request.method.clone(),
            uri: request.uri.clone(),
            headers: request.headers.clone(),
            body_bytes,
            at: arrived - first,
            arrived,
        });
    }

    /// The reply to a request, with its placeholders filled in.
    fn reply(&self, request: &http::request::Parts) -> Reply {
        let settings = lock(&self.shared.settings);
        let is_authorised = settings.key.as_ref().is_none_or(|key| presents_key(request, key));
        if !is_authorised {
            return script::unauthorised();
        }
        let mut state = lock(&self.shared.state);
        let origin = origin(request);
        let path = request.uri.path();
        let is_get = request.method == Method::GET;
        let id_in = |place| path.split_once(place).and_then(|(_, rest)| script::operation_number(rest));
        let at_start = |played: &Played| played.start.path() == path;
        // Operations of Meilisearch are tasks, and its clients know their address.
        if let Some((id, what)) = id_in("/operations/").or_else(|| id_in("/tasks/")) {
            return match state.operations.get_mut(&id) {
                Some(played) if matches!(what, "/result" | "/results") => {
                    played.script.resource.clone().filled(id, &origin, &played.start)
                }
                Some(_) if !is_get => Reply::http(204),
                Some(played) => played.poll(id, &origin),
                None => Reply::http(404),
            };
        }
        if let Some((id, _)) = id_in("/resources/") {
            return match state.operations.get(&id) {
                Some(played) => played.script.resource.clone().filled(id, &origin, &played.start),
                None => Reply::http(404),
            };
        }
        // Only a `GET` has to search all of them. Of several that were started there, it is about the last.
        let asked = is_get.then_some(&mut state.operations).into_iter().flatten();
        if let Some((&id, played)) = asked.filter(|(_, played)| at_start(played)).max_by_key(|(id, _)| **id) {
            return if played.script.is_own_monitor && !played.has_ended() {
                played.poll(id, &origin)
            } else {
                played.script.original.clone().filled(id, &origin, &played.start)
            };
        }
        let starts_on_get = state.queued.front().unwrap_or(&settings.script).starts_on_get;
        if is_get && !starts_on_get {
            return Reply::http(404);
        }
        state.started += 1;
        let id = state.started;
        let script = state.queued.pop_front().unwrap_or_else(|| settings.script.clone());
        let reply = script.start.clone().filled(id, &origin, &request.uri);
        state.operations.insert(id, Played { script, polls: 0, start: request.uri.clone() });
        reply
    }
}

impl Played {
    fn poll(&mut self, id: u64, origin: &str) -> Reply {
        let reply = self.script.poll_reply(self.polls);
        self.polls += 1;
        reply.filled(id, origin, &self.start)
    }

    fn has_ended(&self) -> bool {
        self.polls >= self.script.polls.len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn presents_key(request: &http::request::Parts, key: &str) -> bool {
    let in_query = request.uri.query().into_iter().flat_map(|query| query.split('&'));
    request.headers.get("subscription-key").is_some_and(|value| value == key)
        || in_query.filter_map(|pair| pair.strip_prefix("subscription-key=")).any(|value| value == key)
}

fn origin(request: &http::request::Parts) -> String {
    match (request.uri.scheme_str(), request.uri.authority()) {
        // A server does not see user information.
        (Some(scheme), Some(authority)) => {
            let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
            format!("{scheme}://{host}")
        }
        _ => {
            let host = request.headers.get(HOST).and_then(|host| HeaderValue::to_str(host).ok());
            host.map(|host| format!("http://{host}")).unwrap_or_default()
        }
    }
}

impl<B> Service<Request<B>> for Simulator
where
    B: Body + Send + 'static,
{
    type Response = Response<SimulatorBody>;
    type Error = ConnectionLost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectionLost>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionLost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let simulator = self.clone();
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let body_bytes = length(body).await;
            simulator.record(&head, body_bytes);
            let reply = simulator.reply(&head);
            if !reply.delay.is_zero() {
                tokio::time::sleep(reply.delay).await;
            }
            match reply.fault {
                Some(Fault::Refused) => return Err(ConnectionLost),
                Some(Fault::Stalled) => std::future::pending().await,
                Some(Fault::BrokenAfter(_) | Fault::StalledAfter(_)) | None => {}
            }
            let mut response = Response::new(SimulatorBody::new(reply.body, reply.chunk, reply.fault));
            *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            *response.headers_mut() = reply.headers;
            Ok(response)
        })
    }
}

/// Reads a body to its end.
async fn length<B: Body>(body: B) -> usize {
    let mut body = pin!(body);
    let mut length = 0;
    while let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        length += frame.data_ref().map_or(0, Buf::remaining);
    }
    length
}
