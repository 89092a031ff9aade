//! The loop as the documentation of services has it: every request is given its headers, and the answer is read as a `Value`.

use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::{HEADERS, Outcome, SeesThrough, Use, collected};
use crate::{BoxError, by_hand};

/// Over reqwest.
pub struct Documented {
    pub client: reqwest::Client,
    pub url: String,
}

impl SeesThrough for Documented {
    fn see_through(&self, bytes: usize, _: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let start = self.client.post(format!("{}/azure/{bytes}", self.url)).body("{}");
            let start = HEADERS.into_iter().fold(start, |request, (name, value)| request.header(name, value));
            let accepted = start.send().await?.error_for_status()?;
            let monitor = accepted.headers().get("operation-location").ok_or("no Operation-Location")?;
            let monitor = monitor.to_str()?.to_owned();
            drop(accepted);
            loop {
                let poll = self.client.get(&monitor);
                let poll = of_polls().fold(poll, |request, (name, value)| request.header(name, value));
                let body = poll.send().await?.error_for_status()?.bytes().await?;
                if by_hand::by_value(&body)? {
                    return collected(body.len());
                }
            }
        })
    }
}

/// Over a client of `http` types.
pub struct DocumentedHttp<S> {
    pub client: S,
    pub url: String,
}

impl<S, B> SeesThrough for DocumentedHttp<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error: Into<BoxError>> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    fn see_through(&self, bytes: usize, _: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let start = Request::post(format!("{}/azure/{bytes}", self.url));
            let start = HEADERS.into_iter().fold(start, |request, (name, value)| request.header(name, value));
            let accepted = self.client.clone().oneshot(start.body(Full::from("{}"))?).await.map_err(Into::into)?;
            let monitor = accepted.headers().get("operation-location").ok_or("no Operation-Location")?;
            let monitor = monitor.to_str()?.to_owned();
            drop(accepted);
            loop {
                let poll = Request::get(&monitor);
                let poll = of_polls().fold(poll, |request, (name, value)| request.header(name, value));
                let response = self.client.clone().oneshot(poll.body(Full::default())?).await.map_err(Into::into)?;
                if !response.status().is_success() {
                    return Err(format!("the monitor answered {}", response.status()).into());
                }
                let body = response.into_body().collect().await.map_err(Into::into)?.to_bytes();
                if by_hand::by_value(&body)? {
                    return collected(body.len());
                }
            }
        })
    }
}

fn of_polls() -> impl Iterator<Item = (&'static str, &'static str)> {
    HEADERS.into_iter().filter(|&(name, _)| name != "content-type")
}
