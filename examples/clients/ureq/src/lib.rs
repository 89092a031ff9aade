//! ureq, which is not asynchronous: the layer polls on the caller's thread.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, request::Parts};
use http_body::Frame;
use smol_example::SmolTimer;
use tower::service_fn;
use tower_lro::{Error, LroBody, LroLayer};
use ureq::{Agent, Body, BodyReader};

/// A body of ureq's, of any size: reading it blocks the thread.
pub struct Streamed(BodyReader<'static>);

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut chunk = vec![0; 16 << 10];
        Poll::Ready(match self.0.read(&mut chunk) {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some(Ok(Frame::data(chunk.into())))
            }
            Err(error) => Some(Err(error)),
        })
    }
}

/// Polls the operation that `started` starts to completion, if it does. `head` is that of the request that it answers.
///
/// Blocks the thread for as long as the operation takes: within tokio it belongs into `spawn_blocking`.
pub fn complete(
    layer: &LroLayer,
    head: Parts,
    started: Response<Body>,
) -> Result<Response<LroBody<Streamed>>, Error<ureq::Error>> {
    // A second agent, since one for the caller's requests makes errors of responses such as a 429, and follows redirects by itself.
    let agent: Agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let polls = service_fn(|poll: http::Request<()>| std::future::ready(agent.run(poll).map(streamed)));
    // Not a runtime of tokio's, which may fail to be built, and panics where there is one: the service has accepted the request.
    smol::block_on(layer.clone().timer(SmolTimer::start()).follow(head, streamed(started), polls))
}

fn streamed(response: Response<Body>) -> Response<Streamed> {
    response.map(|body| Streamed(body.into_reader()))
}
