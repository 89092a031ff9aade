//! A mock service: the simulator on a loopback port.

use std::time::Duration;

use hyper::server::conn::http1::Builder;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{net::TcpListener, task::JoinHandle};
use tower_lro::{
    LroLayer,
    simulator::{Reply, Script, Simulator},
};

/// Stops when it is dropped.
pub struct Mock {
    /// Without a slash at its end.
    pub url: String,
    pub simulator: Simulator,
    server: JoinHandle<()>,
}

impl Mock {
    /// Plays `script` for whatever is posted.
    pub async fn of(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let simulator = Simulator::new().script(script).recording();
        let serving = simulator.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(serving.clone());
                tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, simulator, server }
    }

    /// The methods and paths of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.simulator.recorded().iter().map(|request| format!("{} {}", request.method, request.uri.path())).collect()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// 202 with an absolute `Operation-Location`, as most services send it, then `Running`, then an end with this body.
pub fn operation(end: &str) -> Script {
    at("{origin}/operations/{id}", end)
}

/// Like the above, with the monitor at this address.
pub fn at(location: &str, end: &str) -> Script {
    let started = Reply::http(202).header("operation-location", location);
    Script::new(started).polls([Reply::status("Running"), Reply::json(end)])
}

pub const SUCCEEDED: &str = r#"{"status": "Succeeded", "pages": 3}"#;
pub const FAILED: &str = r#"{"status": "Failed", "error": {"code": "NoDrawing", "message": "This is no drawing."}}"#;

/// The layer as typed clients want it: an operation that failed is an error. As quick as the clock allows.
pub fn layer() -> LroLayer {
    LroLayer::new()
        .error_on_failure(true)
        .backoff(tower_lro::Backoff::constant(Duration::from_millis(1)))
        .max_delay(Duration::from_millis(1))
}
