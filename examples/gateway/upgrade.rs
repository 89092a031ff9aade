//! Upgraded connections, such as WebSockets: from the upgrade on, bytes pass both ways.

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONNECTION, UPGRADE},
    },
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// The protocol that the request wants its connection to become. With a body it is an ordinary request: what follows its head is no other
/// protocol yet, and a server may always answer without the upgrade.
pub fn wanted(request: &Request) -> Option<HeaderValue> {
    if !request.body().is_end_stream() {
        return None;
    }
    let elements = |name| {
        let values = request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim)
    };
    let is_upgrade = elements(CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade"));
    // HTTP/2 without TLS would have the same requests, and hide their operations from the layer.
    let protocols: Vec<_> = elements(UPGRADE).filter(|protocol| !protocol.eq_ignore_ascii_case("h2c")).collect();
    HeaderValue::from_str(&protocols.join(", ")).ok().filter(|protocols| is_upgrade && !protocols.is_empty())
}

/// Says so to the service, too.
pub fn ask(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Joins the connections of the client and of the service, when both are upgraded.
pub fn joined(mut request: Request<Body>, response: reqwest::Response) -> Response {
    let of_client = hyper::upgrade::on(&mut request);
    let mut headers = response.headers().clone();
    tokio::spawn(async move {
        let (Ok(client), Ok(mut service)) = (of_client.await, response.upgrade().await) else { return };
        // However it ends, both connections are closed.
        _ = copy_bidirectional(&mut TokioIo::new(client), &mut service).await;
    });
    let protocol = headers.remove(UPGRADE);
    crate::headers::remove_hop_by_hop(&mut headers);
    if let Some(protocol) = protocol {
        ask(&mut headers, protocol);
    }
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
