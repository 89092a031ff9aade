//! Upgraded connections, such as WebSockets: from the upgrade on, bytes pass both ways.

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONNECTION, UPGRADE},
    },
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

/// What the request wants its connection to become.
pub fn wanted(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let is_upgrade =
        connection.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| is_upgrade).cloned()
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
