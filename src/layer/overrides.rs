//! `LroOverrides`: settings for one request.

use std::{fmt, sync::Arc};

use http::Extensions;

use crate::{config::Config, layer::LroLayer};

/// Changes single settings of the client's [`LroLayer`] for one request, from that request's extensions. A second one in the same
/// extensions replaces the first.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, LroOverrides, Protocol, simulator::{Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = LroLayer::new().layer(Simulator::new().script(Script::azure_maps_v1()));
/// let overrides = LroOverrides::new(|layer| layer.protocol(Protocol::location()).timeout(Duration::from_secs(600)));
/// let request = http::Request::post("https://atlas.microsoft.com/mapData").extension(overrides).body(String::new())?;
/// assert_eq!(client.clone().oneshot(request).await?.status(), 201);
///
/// let off = LroOverrides::disabled();
/// let request = http::Request::post("https://atlas.microsoft.com/mapData").extension(off).body(String::new())?;
/// assert_eq!(client.oneshot(request).await?.status(), 202);
/// # Ok(())
/// # }
/// ```
///
/// A `reqwest_middleware::RequestBuilder` takes them by `with_extension`. A `reqwest::Request` has extensions, too, but gives
/// access to them only as an `http::Request`, into which it converts, and from which it converts back:
///
/// ```
/// use std::time::Duration;
/// use tower_lro::LroOverrides;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = reqwest::Client::new().post("https://atlas.microsoft.com/mapData").body("a drawing package").build()?;
///
/// let mut request: http::Request<reqwest::Body> = request.try_into()?;
/// request.extensions_mut().insert(LroOverrides::new(|layer| layer.timeout(Duration::from_secs(600))));
/// let request: reqwest::Request = request.try_into()?;
/// # let _ = request;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LroOverrides(Arc<dyn Fn(LroLayer) -> LroLayer + Send + Sync>);

impl LroOverrides {
    /// `change` gets the settings of the client's layer, and returns those of this request. It is called for every request that has it
    /// in its extensions, one that a retry sends again among them; so it clones what it has captured.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{Event, LroOverrides};
    ///
    /// /// Says which document is how far.
    /// fn progress(document: String) -> LroOverrides {
    ///     let show = move |event: &Event<'_>| {
    ///         if let Event::Polled { operation, .. } = event {
    ///             println!("{document}: {:?}", operation.status());
    ///         }
    ///     };
    ///     LroOverrides::new(move |layer| layer.on_event(show.clone()))
    /// }
    /// # let _ = progress("a".to_owned());
    /// ```
    pub fn new(change: impl Fn(LroLayer) -> LroLayer + Send + Sync + 'static) -> Self {
        Self(Arc::new(change))
    }

    /// Passes everything through, a 202 included. Only a [`Cancel`](crate::Cancel) is an error, because such a request must not reach
    /// the address that it is sent to. In the extensions of a request, [`LroLayer::disabled`] does the same.
    #[must_use]
    pub fn disabled() -> Self {
        Self::new(|layer| layer.protocols([]))
    }

    /// The settings for a request with these extensions.
    #[inline]
    pub(crate) fn config_for(extensions: &Extensions, layer: &LroLayer) -> Arc<Config> {
        if extensions.is_empty() {
            return layer.config.clone();
        }
        let layer = extensions.get::<LroLayer>().unwrap_or(layer);
        match extensions.get::<Self>() {
            Some(Self(change)) => change(layer.clone()).config,
            None => layer.config.clone(),
        }
    }
}

impl fmt::Debug for LroOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LroOverrides")
    }
}
