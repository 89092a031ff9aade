//! `Gateway`: forwards requests to the service behind it, and polls their operations to completion.

use std::{error::Error as StdError, io, iter, net::SocketAddr};

use axum::{
    Router,
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request, State},
    http::{
        HeaderValue, StatusCode, Version,
        header::{CONTENT_TYPE, EXPECT, HOST, VIA},
    },
    response::{IntoResponse, Response},
};
use reqwest::{Url, redirect::Policy};
use serde_json::json;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_lro::{Cause, Error, LroLayer};

use crate::{headers, upgrade};

#[derive(Clone)]
pub struct Gateway {
    http: reqwest::Client,
    /// For connections that are to become something else, which HTTP/2 has none of.
    http1: reqwest::Client,
    layer: LroLayer,
    upstream: Url,
}

impl Gateway {
    pub fn new(upstream: Url, layer: LroLayer) -> reqwest::Result<Self> {
        // A redirect of the start request is the client's to follow, and one of a poll is the layer's.
        let client = || reqwest::Client::builder().redirect(Policy::none());
        Ok(Self { http: client().build()?, http1: client().http1_only().build()?, layer, upstream })
    }

    /// The address at the service; none, if the request's target is not a path there.
    fn address(&self, request: &Request) -> Option<Url> {
        let target = request.uri().path_and_query().filter(|target| target.as_str().starts_with('/'))?;
        let mut url = self.upstream.clone();
        let base = self.upstream.path().trim_end_matches('/');
        url.set_path(&format!("{base}{}", target.path()));
        url.set_query(target.query());
        // `..`, however it is written, must not lead out of what is behind the gateway.
        url.path().strip_prefix(base).is_some_and(|rest| rest.starts_with('/')).then_some(url)
    }
}

/// Serves until the listener fails.
pub async fn serve(gateway: Gateway, listener: TcpListener) -> io::Result<()> {
    let router = Router::new().fallback(forward).with_state(gateway);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// A client that hangs up drops this future. That ends the polling, and not the operation.
async fn forward(
    State(gateway): State<Gateway>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let Some(url) = gateway.address(&request) else {
        return problem(StatusCode::BAD_REQUEST, "BadTarget", "the target of the request is not a path", None);
    };
    let own = headers::own_address(request.headers(), request.uri());
    let wanted = upgrade::wanted(&request);
    let mut outgoing = reqwest::Request::new(request.method().clone(), url);
    *outgoing.headers_mut() = request.headers().clone();
    let head = outgoing.headers_mut();
    headers::remove_hop_by_hop(head);
    // The service's `Host` is set with its address.
    head.remove(HOST);
    // The server has answered it by itself, when the body was first asked for.
    head.remove(EXPECT);
    headers::add_forwarded(head, client.ip(), own.as_ref());
    let received = if request.version() == Version::HTTP_10 { "1.0 gateway" } else { "1.1 gateway" };
    head.append(VIA, HeaderValue::from_static(received));

    let outcome = match wanted {
        Some(protocol) => {
            upgrade::ask(head, protocol);
            match gateway.http1.execute(outgoing).await {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return upgrade::joined(request, response);
                }
                other => other.map_err(Error::Service),
            }
        }
        None => {
            if !request.body().is_end_stream() {
                *outgoing.body_mut() = Some(reqwest::Body::wrap_stream(request.into_body().into_data_stream()));
            }
            gateway.send(outgoing, own.clone()).await
        }
    };
    match outcome {
        Ok(response) => gateway.handed_back(response, own.as_ref()),
        Err(error) => refused(error.map_service(reqwest::Error::without_url)),
    }
}

impl Gateway {
    async fn send(
        &self,
        request: reqwest::Request,
        own: Option<Url>,
    ) -> Result<reqwest::Response, Error<reqwest::Error>> {
        // A service that believes `X-Forwarded-Host` names its monitors by the gateway's address. They are polled at the service.
        let upstream = self.upstream.clone();
        let http = self.http.clone().map_response(move |mut response: reqwest::Response| {
            if let Some(own) = &own {
                headers::move_absolute_addresses(response.headers_mut(), own, &upstream);
            }
            response
        });
        self.layer.layer(http).oneshot(request).await
    }

    fn handed_back(&self, response: reqwest::Response, own: Option<&Url>) -> Response {
        let (mut head, body) = axum::http::Response::<reqwest::Body>::from(response).into_parts();
        headers::remove_hop_by_hop(&mut head.headers);
        if let Some(own) = own {
            headers::move_addresses(&mut head.headers, &self.upstream, own);
        }
        (head.status, head.headers, Body::new(body)).into_response()
    }
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
