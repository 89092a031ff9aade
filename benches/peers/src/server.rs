//! The server: an operation is accepted, runs for two polls, and has succeeded at the third, as Azure says it and as Google does.

use std::{
    collections::HashMap,
    convert::Infallible,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use crate::{
    BoxError,
    bodies::{self, RUNNING, SUCCEEDED, Status},
};

/// The size of the small result, which is served as it is.
pub const SMALL: usize = SUCCEEDED.len();

/// Serves until it is killed, and prints where: `[DIRECTORY of the certificate and its key]`.
pub fn main(arguments: &[&str]) -> Result<(), BoxError> {
    let tls = arguments.first().map(|directory| tls(Path::new(directory))).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}", listener.local_addr()?);
        println!("{origin}");
        let service = Arc::new(Operations { origin, ..Operations::default() });
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (service, tls) = (service.clone(), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => service.serve(stream).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => service.serve(stream).await,
                        Err(error) => eprintln!("TLS: {error}"),
                    },
                }
            });
        }
    })
}

fn tls(directory: &Path) -> Result<TlsAcceptor, BoxError> {
    let certificate = CertificateDer::from(fs::read(directory.join("certificate"))?);
    let key = PrivateKeyDer::try_from(fs::read(directory.join("key"))?)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[derive(Default)]
struct Operations {
    origin: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    started: u64,
    /// The polls that each had.
    polls: HashMap<u64, u32>,
    /// By size, and whether it is for Google.
    results: HashMap<(usize, bool), Bytes>,
}

impl Operations {
    async fn serve(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request: Request<Incoming>| {
            let operations = self.clone();
            async move {
                let (head, body) = request.into_parts();
                _ = body.collect().await;
                Ok::<_, Infallible>(operations.answer(&head.method, head.uri.path()).unwrap_or_else(|| {
                    let mut response = Response::new(Full::default());
                    *response.status_mut() = StatusCode::NOT_FOUND;
                    response
                }))
            }
        });
        _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    }

    /// `POST /azure/BYTES` and `POST /google/BYTES` start an operation with a result of so many bytes.
    fn answer(&self, method: &Method, path: &str) -> Option<Response<Full<Bytes>>> {
        let mut segments = path.split('/').skip(1);
        let is_google = segments.next()? == "google";
        let bytes: usize = segments.next()?.parse().ok()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if method == Method::POST {
            state.started += 1;
            let id = state.started;
            state.polls.insert(id, 0);
            if is_google {
                return Some(json(format!(r#"{{"name": "google/{bytes}/{id}"}}"#).into()));
            }
            let mut accepted = Response::new(Full::default());
            *accepted.status_mut() = StatusCode::ACCEPTED;
            let monitor = HeaderValue::try_from(format!("{}/azure/{bytes}/{id}", self.origin)).ok()?;
            accepted.headers_mut().insert("operation-location", monitor);
            return Some(accepted);
        }
        let id: u64 = segments.next()?.parse().ok()?;
        let polls = state.polls.get_mut(&id)?;
        *polls += 1;
        if *polls == 3 {
            state.polls.remove(&id);
            let result = state.results.entry((bytes, is_google)).or_insert_with(|| match is_google {
                true => google_result(bytes),
                false => azure_result(bytes),
            });
            return Some(json(result.clone()));
        }
        Some(json(match is_google {
            true => format!(r#"{{"name": "google/{bytes}/{id}", "metadata": {{"@type": "type.googleapis.com/google.protobuf.Struct", "value": {{"state": "RUNNING"}}}}}}"#).into(),
            false => Bytes::from_static(RUNNING),
        }))
    }
}

fn azure_result(bytes: usize) -> Bytes {
    if bytes == SMALL { Bytes::from_static(SUCCEEDED) } else { bodies::make(bytes, Status::First).into() }
}

fn google_result(bytes: usize) -> Bytes {
    let result = azure_result(bytes);
    let value = String::from_utf8_lossy(&result);
    format!(r#"{{"name":"google/0/0","done":true,"response":{{"@type":"type.googleapis.com/google.protobuf.Struct","value":{value}}}}}"#).into()
}

fn json(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
