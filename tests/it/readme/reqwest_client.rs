//! The README's first snippet: a reqwest client.

use std::{error::Error, time::Duration};
use tower_lro::{LroLayer, ResponseExt};

#[derive(serde::Deserialize)]
pub struct Report {
    pub pages: u32,
}

pub async fn analyze(url: &str, key: &str, file: Vec<u8>) -> Result<Report, Box<dyn Error>> {
    // `Policy::none()`: a followed redirect could take credentials to another host before the layer has checked it.
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let layer = LroLayer::new().timeout(Duration::from_secs(3600));
    let client = reqwest_middleware::ClientBuilder::new(http).with(layer).build();
    let response = client.post(url).header("api-key", key).body(file).send().await?;
    Ok(response.error_for_operation()?.error_for_status()?.json::<Report>().await?)
}
