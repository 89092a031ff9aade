//! kube with the layer in its stack.

use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use tower::buffer::BufferLayer;
use tower_lro::LroLayer;

/// Over kube's own stack, which adds the base address and the credentials below. That is in a box that is not `Clone`, which the
/// buffer mends; its requests have a path alone for their address, a body that is not `Default`, and errors that are boxed.
///
/// It has to be called within a tokio runtime.
pub fn client(config: Config, layer: LroLayer) -> kube::Result<Client> {
    let layer = layer.base_uri(config.cluster_url.clone()).empty_body(|| Body::from(Vec::new())).box_errors();
    Ok(ClientBuilder::try_from(config)?.with_layer(&BufferLayer::new(16)).with_layer(&layer).build())
}
