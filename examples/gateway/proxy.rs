//! `Gateway`: forwards requests to the service behind it, and polls their operations to completion.

use std::{error::Error as StdError, iter, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode, Version,
        header::{CONNECTION, CONTENT_TYPE, EXPECT, HOST, VIA},
    },
    response::{IntoResponse, Response},
};
use reqwest::{Url, redirect::Policy};
use serde_json::json;
use tower::{Layer, ServiceExt};
use tower_lro::{Cause, Error, Lro, LroLayer};

/// Beside what `Connection` lists.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Clone)]
pub struct Gateway {
    client: Lro<reqwest::Client>,
    upstream: Url,
}

impl Gateway {
    pub fn new(upstream: Url, timeout: Duration) -> reqwest::Result<Self> {
        // A redirect of the start request is the client's to follow, and one of a poll is the layer's.
        let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
        Ok(Self { client: LroLayer::new().timeout(timeout).layer(http), upstream })
    }

    pub fn into_router(self) -> Router {
        Router::new().fallback(forward).with_state(self)
    }

    /// The request for the service; none, if its target is not a path there.
    fn outgoing(&self, request: Request) -> Option<reqwest::Request> {
        // The server's other extensions are about its own connection.
        let (mut head, body) = request.into_parts();
        let target = head.uri.path_and_query().filter(|target| target.as_str().starts_with('/'))?;
        let mut url = self.upstream.clone();
        let base = self.upstream.path().trim_end_matches('/');
        url.set_path(&format!("{base}{}", target.path()));
        url.set_query(target.query());
        // `..`, however it is written, must not lead out of what is behind the gateway.
        if !url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/')) {
            return None;
        }

        remove_hop_by_hop(&mut head.headers);
        head.headers.remove(HOST);
        // The server has answered it by itself, when the body was first asked for.
        head.headers.remove(EXPECT);
        let received = if head.version == Version::HTTP_10 { "1.0 gateway" } else { "1.1 gateway" };
        head.headers.append(VIA, HeaderValue::from_static(received));

        let mut outgoing = reqwest::Request::new(head.method, url);
        *outgoing.headers_mut() = head.headers;
        if !body.is_end_stream() {
            *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        Some(outgoing)
    }
}

/// A client that hangs up drops this future. That ends the polling, and not the operation.
async fn forward(State(gateway): State<Gateway>, request: Request) -> Response {
    let Some(request) = gateway.outgoing(request) else {
        return problem(StatusCode::BAD_REQUEST, "BadTarget", "the target of the request is not a path", None);
    };
    match gateway.client.oneshot(request).await {
        Ok(response) => handed_back(response),
        Err(error) => refused(error.map_service(reqwest::Error::without_url)),
    }
}

fn handed_back(response: reqwest::Response) -> Response {
    let (mut head, body) = axum::http::Response::<reqwest::Body>::from(response).into_parts();
    remove_hop_by_hop(&mut head.headers);
    (head.status, head.headers, Body::new(body)).into_response()
}

fn refused(error: Error<reqwest::Error>) -> Response {
    let causes = iter::successors(error.source(), |&error| error.source());
    let message = causes.fold(error.to_string(), |message, cause| format!("{message}: {cause}"));
    // Whole, because the client that started the operation has to find it there.
    let operation = error.operation().map(|operation| operation.monitor().to_string());
    let (status, code) = match &error {
        Error::Operation(error) if matches!(error.cause(), Cause::Timeout) => {
            (StatusCode::GATEWAY_TIMEOUT, "DeadlineExceeded")
        }
        Error::Operation(_) => (StatusCode::BAD_GATEWAY, "OperationLost"),
        _ => (StatusCode::BAD_GATEWAY, "NoResponse"),
    };
    problem(status, code, &message, operation.as_deref())
}

fn problem(status: StatusCode, code: &str, message: &str, operation: Option<&str>) -> Response {
    // Unknown for a request without a response.
    let is_accepted = operation.map(|_| true);
    let error = json!({"code": code, "message": message, "requestAccepted": is_accepted, "operation": operation});
    (status, [(CONTENT_TYPE, "application/json")], json!({"error": error}).to_string()).into_response()
}

/// Takes out what is about one connection only (RFC 9110, section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let listed: Vec<HeaderName> =
        connection.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in listed {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}
