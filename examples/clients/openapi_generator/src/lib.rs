//! A client of openapi-generator with the layer in its stack.

use conversions::apis::configuration::Configuration;
use reqwest_middleware::ClientBuilder;
use tower_lro::LroLayer;

/// Redirects are the layer's to follow, within the origins that it may go to.
pub fn configuration(base_path: &str, layer: LroLayer) -> reqwest::Result<Configuration> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let client = ClientBuilder::new(http).with(layer).build();
    Ok(Configuration { base_path: base_path.to_owned(), client, ..Configuration::new() })
}
