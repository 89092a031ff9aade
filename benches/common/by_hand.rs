//! The loop that one writes by hand: it does what it must, as it is usually written, and no more.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::Value;
use tower::{Service, ServiceExt};

type BoxError = Box<dyn Error + Send + Sync>;

/// Whether a status response is the final one.
pub type IsFinal = fn(&[u8]) -> Result<bool, BoxError>;

/// By a struct for nothing but the status.
pub fn by_struct(body: &[u8]) -> Result<bool, BoxError> {
    #[derive(Deserialize)]
    struct Status {
        // Not borrowed, or an escape in it would be an error.
        status: String,
    }

    let Status { status } = serde_json::from_slice(body)?;
    Ok(is_terminal(&status))
}

/// By all that is there.
pub fn by_value(body: &[u8]) -> Result<bool, BoxError> {
    let body: Value = serde_json::from_slice(body)?;
    Ok(is_terminal(body["status"].as_str().ok_or("no status")?))
}

fn is_terminal(status: &str) -> bool {
    matches!(status, "Succeeded" | "Failed" | "Canceled")
}

/// The headers of the polls.
fn poll_headers(start: &HeaderMap) -> HeaderMap {
    let mut headers = start.clone();
    headers.remove(header::CONTENT_TYPE);
    headers.remove(header::CONTENT_LENGTH);
    headers
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    Some(Duration::from_secs(headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?))
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Over any client of `http` types, such as hyper-util's.
pub async fn over_http<S, B>(
    mut client: S,
    request: Request<Full<Bytes>>,
    pause: Duration,
    is_final: IsFinal,
) -> Result<Response<Bytes>, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    let headers = poll_headers(request.headers());
    let response = client.ready().await.map_err(Into::into)?.call(request).await.map_err(Into::into)?;
    let (mut head, body) = response.into_parts();
    let bytes = body.collect().await.map_err(Into::into)?.to_bytes();
    if head.status != StatusCode::ACCEPTED {
        return Ok(Response::from_parts(head, bytes));
    }
    let monitor = head.headers.get("operation-location").ok_or("no Operation-Location")?;
    let monitor = monitor.to_str()?.to_owned();
    loop {
        wait(retry_after(&head.headers).unwrap_or(pause)).await;
        let mut poll = Request::get(&monitor).body(Full::default())?;
        *poll.headers_mut() = headers.clone();
        let response = client.ready().await.map_err(Into::into)?.call(poll).await.map_err(Into::into)?;
        let (poll_head, body) = response.into_parts();
        if !poll_head.status.is_success() {
            return Err(format!("the monitor answered {}", poll_head.status).into());
        }
        let bytes = body.collect().await.map_err(Into::into)?.to_bytes();
        if is_final(&bytes)? {
            return Ok(Response::from_parts(poll_head, bytes));
        }
        head = poll_head;
    }
}

/// Over whatever sends requests of reqwest.
pub async fn over_reqwest<F>(
    send: impl Fn(reqwest::Request) -> F,
    request: reqwest::Request,
    pause: Duration,
    is_final: IsFinal,
) -> Result<(StatusCode, HeaderMap, Bytes), BoxError>
where
    F: Future<Output = Result<reqwest::Response, BoxError>>,
{
    let headers = poll_headers(request.headers());
    let mut response = send(request).await?;
    if response.status() != StatusCode::ACCEPTED {
        return Ok((response.status(), response.headers().clone(), response.bytes().await?));
    }
    let monitor = response.headers().get("operation-location").ok_or("no Operation-Location")?;
    let monitor = monitor.to_str()?.to_owned();
    let mut delay = retry_after(response.headers());
    // So that the connection is used again.
    while response.chunk().await?.is_some() {}
    loop {
        wait(delay.unwrap_or(pause)).await;
        let mut poll = reqwest::Request::new(http::Method::GET, monitor.parse()?);
        *poll.headers_mut() = headers.clone();
        let mut response = send(poll).await?;
        if !response.status().is_success() {
            return Err(format!("the monitor answered {}", response.status()).into());
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let bytes = response.bytes().await?;
        if is_final(&bytes)? {
            return Ok((status, headers, bytes));
        }
        delay = retry_after(&headers);
    }
}
