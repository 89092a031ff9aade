//! The README's snippets of tower stacks.

use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, Layer, ServiceExt};
use tower_lro::{LroLayer, ResponseExt};

pub async fn over_hyper(url: &str) -> Result<bytes::Bytes, BoxError> {
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let response = LroLayer::new().layer(http).oneshot(http::Request::post(url).body(Full::from("{}"))?).await?;
    Ok(response.error_for_operation()?.into_body().collect().await?.to_bytes())
}

pub async fn over_reqwest(http: reqwest::Client, url: &str) -> Result<String, BoxError> {
    let response = LroLayer::new().layer(http.clone()).oneshot(http.post(url).body("{}").build()?).await?;
    Ok(response.error_for_operation()?.text().await?)
}
