//! Shared by the tests: a client over the simulator, and services made of closures.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, time::Instant};
use tower::{BoxError, Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_lro::{
    Error, LroBody, LroLayer,
    simulator::{ConnectionLost, Recorded, Reply, Script, Simulator, SimulatorBody},
};

pub const START: &str = "https://atlas.microsoft.com/mapData?api-version=2.0";

pub type Outcome = Result<Response<LroBody<SimulatorBody>>, Error<ConnectionLost>>;

/// A layer without randomness.
pub fn exact() -> LroLayer {
    LroLayer::new().jitter(0.0)
}

pub fn start() -> Request<SimulatorBody> {
    start_at(START)
}

pub fn start_at(uri: &str) -> Request<SimulatorBody> {
    Request::post(uri).body(SimulatorBody::from("a drawing package")).unwrap()
}

/// Sends a start request through `layer` to a simulator that plays `script`.
pub async fn play(layer: LroLayer, script: Script) -> (Outcome, Vec<Recorded>) {
    send(layer, script, start()).await
}

pub async fn send(layer: LroLayer, script: Script, request: Request<SimulatorBody>) -> (Outcome, Vec<Recorded>) {
    let simulator = Simulator::new().script(script).recording();
    let outcome = layer.layer(simulator.clone()).oneshot(request).await;
    (outcome, simulator.recorded())
}

/// An operation of these polls.
pub fn polls<const N: usize>(polls: [Reply; N]) -> Script {
    Script::azure_maps().polls(polls)
}

pub fn millis(recorded: &[Recorded]) -> Vec<u128> {
    recorded.iter().map(|request| request.at.as_millis()).collect()
}

/// The messages of an error and its sources, in order.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect()
}

pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The requests that an [`answering`] service has got.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Instant, Request<()>)>>>);

impl Log {
    pub fn requests(&self) -> Vec<Request<()>> {
        self.0.lock().unwrap().iter().map(|(_, request)| request.clone()).collect()
    }

    pub fn uris(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.uri().to_string()).collect()
    }

    /// When the requests came, in milliseconds since the first.
    pub fn millis(&self) -> Vec<u128> {
        let log = self.0.lock().unwrap();
        log.iter().map(|(at, _)| (*at - log[0].0).as_millis()).collect()
    }
}

/// A service that answers the request of each index at once.
pub fn answering<F>(answer: F) -> (BoxCloneSyncService<Request<String>, Response<String>, BoxError>, Log)
where
    F: Fn(usize, &Request<()>) -> Result<Response<String>, BoxError> + Clone + Send + Sync + 'static,
{
    let log = Log::default();
    let service = service_fn({
        let log = log.clone();
        move |request: Request<String>| {
            let request = request.map(|_| ());
            let mut log = log.0.lock().unwrap();
            let answer = answer(log.len(), &request);
            log.push((Instant::now(), request));
            async move { answer }
        }
    });
    (BoxCloneSyncService::new(service), log)
}

/// 202 with `Operation-Location`, then these bodies of 200; the last is repeated.
pub fn operation(
    location: &'static str,
    bodies: &'static [&'static str],
) -> impl Fn(usize, &Request<()>) -> Result<Response<String>, BoxError> + Clone + Send + Sync + 'static {
    move |index, _| match index {
        0 => accepted(location),
        _ => Ok(Response::new(bodies[bodies.len().min(index) - 1].to_owned())),
    }
}

pub fn accepted(location: &str) -> Result<Response<String>, BoxError> {
    Ok(Response::builder().status(202).header("operation-location", location).body(String::new())?)
}

/// A simulator on a loopback port, over HTTP/1.1. An error of the simulator closes the connection.
pub struct Server {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn of(simulator: &Simulator) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let (simulator, connections) = (simulator.clone(), connections.clone());
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    let service = TowerToHyperService::new(simulator.clone());
                    tokio::spawn(
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                    );
                }
            }
        });
        Self { address, connections, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A layer for real time: as quick as the clock allows.
pub fn quick() -> LroLayer {
    exact().backoff(tower_lro::Backoff::constant(Duration::from_millis(1))).max_delay(Duration::from_millis(1))
}
