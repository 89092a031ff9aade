//! octocrab with the layer in its stack.

use std::convert::Infallible;

use http::Uri;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octocrab::{AuthState, Octocrab, OctocrabBuilder, service::middleware::base_uri::BaseUriLayer};
use tower_lro::LroLayer;

/// Below the layer that puts the base address before paths, so that this one sees whole addresses, and no `base_uri` has to be set.
pub fn client(base: Uri, layer: LroLayer) -> Result<Octocrab, Infallible> {
    OctocrabBuilder::new_empty()
        .with_service(Client::builder(TokioExecutor::new()).build_http())
        .with_layer(&layer)
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(AuthState::None)
        .build()
}
