//! hyper over the sockets of smol, and the layer with its timer: nothing here needs a runtime of tokio's.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::HOST};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::BoxError;
use tower_lro::{Sleep, Timer};

/// The timer of smol, which is that of async-io.
pub struct SmolTimer {
    started: Instant,
}

impl SmolTimer {
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Timer for SmolTimer {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let timer = smol::Timer::after(duration);
        Box::pin(async {
            timer.await;
        })
    }
}

/// Sends a request to an `http` address, each over a connection of its own.
pub async fn send(mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, BoxError> {
    let authority = request.uri().authority().ok_or("a request without a host")?;
    let address = (authority.host(), authority.port_u16().unwrap_or(80));
    let stream = smol::net::TcpStream::connect(address).await?;
    let host = HeaderValue::from_str(authority.as_str())?;
    request.headers_mut().insert(HOST, host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse()?;
    *request.uri_mut() = path;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(smol_hyper::rt::FuturesIo::new(stream)).await?;
    smol::spawn(connection).detach();
    Ok(sender.send_request(request).await?)
}
