//! ureq, which is not asynchronous: the layer polls on the caller's thread.

use http::{Response, request::Parts};
use tower::service_fn;
use tower_lro::{Error, LroBody, LroLayer};
use ureq::{Agent, Body};

/// A body that is read already, which is what status responses are made for.
pub type Text = http_body_util::Full<bytes::Bytes>;

/// Polls the operation that `started` starts to completion, if it does. `head` is that of the request that it answers.
///
/// Blocks the thread for as long as the operation takes. Must not be called within a tokio runtime.
pub fn complete(
    layer: &LroLayer,
    head: Parts,
    started: Response<Body>,
) -> Result<Response<LroBody<Text>>, Error<ureq::Error>> {
    // A second agent, since one for the caller's requests makes errors of responses such as a 429, and follows redirects by itself.
    let agent: Agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let polls = service_fn(|poll: http::Request<()>| std::future::ready(agent.run(poll).and_then(read)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| Error::Service(error.into()))?;
    let started = read(started).map_err(Error::Service)?;
    runtime.block_on(layer.follow(head, started, polls))
}

fn read(response: Response<Body>) -> Result<Response<Text>, ureq::Error> {
    let (head, mut body) = response.into_parts();
    Ok(Response::from_parts(head, body.read_to_vec()?.into()))
}
