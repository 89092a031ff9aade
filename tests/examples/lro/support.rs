//! Shared by the tests of `lro`: a service for it, and its output.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use http::{HeaderValue, Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime, task::AbortHandle};
use tower::ServiceExt;
use tower_lro::simulator::{Recorded, Script, Simulator, SimulatorBody};

use crate::run::{command, output};

/// A simulator on a loopback port, which plays one script.
pub struct Server {
    pub simulator: Simulator,
    address: SocketAddr,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    _runtime: Runtime,
}

impl Server {
    pub fn of(script: Script) -> Self {
        Self::serving(script, |response| response)
    }

    /// Plays a script that asks for longer delays than a test has time for, or for none.
    pub fn in_haste(script: Script) -> Self {
        Self::serving(script, |mut response| {
            response.headers_mut().remove("retry-after");
            response.headers_mut().insert("retry-after-ms", HeaderValue::from_static("1"));
            response
        })
    }

    pub fn serving(script: Script, change: fn(Response<SimulatorBody>) -> Response<SimulatorBody>) -> Self {
        let simulator = Simulator::new().script(script).recording();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let service = ServiceExt::<Request<Incoming>>::map_response(simulator.clone(), change);
        let connections = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let opened = connections.clone();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                opened.lock().unwrap().push(tokio::spawn(connection).abort_handle());
            }
        });
        Self { simulator, address, connections, _runtime: runtime }
    }

    pub fn break_connections(&self) {
        self.connections.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.simulator.recorded()
    }

    pub fn paths(&self) -> Vec<String> {
        self.requests().iter().map(|request| format!("{} {}", request.method, request.uri.path())).collect()
    }
}

/// The output of a run.
pub struct Printed {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Printed {
    pub fn of(output: Output) -> Self {
        Self { code: output.status.code(), out: output.stdout, err: String::from_utf8(output.stderr).unwrap() }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out(), self.err);
        self
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out()))
    }

    /// These are in it, in this order.
    #[track_caller]
    pub fn tells(&self, parts: &[&str]) {
        let mut rest = self.err.as_str();
        for part in parts {
            let (_, behind) = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not in {}", self.err));
            rest = behind;
        }
    }
}

pub fn lro<const N: usize>(arguments: [&str; N]) -> Printed {
    Printed::of(output(command("lro").args(arguments)))
}

/// An empty folder of this name.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lro").join(name);
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn in_folder(folder: &Path) -> Command {
    let mut command = command("lro");
    command.current_dir(folder);
    command
}
