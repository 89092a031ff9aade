//! Settings of `LroLayer`: which origins are polled, and what polls carry.

use http::Uri;
use url::Url;

use crate::{
    address::{origin::Origin, uri::is_http},
    layer::LroLayer,
    request::captured::OmittedExtension,
};

impl LroLayer {
    /// Names an origin, or a pattern of origins, that may be polled without credentials: polls there have `Accept`, `Accept-Language` and
    /// `User-Agent` of the caller's headers, and none of its extensions.
    ///
    /// The service below still adds what it adds to every request, such as the default headers of a `reqwest::Client`.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// let layer = LroLayer::new().allow_anonymous_origin("https://status.example.com".parse()?);
    /// # let _ = layer;
    /// # Ok::<_, tower_lro::OriginError>(())
    /// ```
    pub fn allow_anonymous_origin(self, origin: Origin) -> Self {
        self.with(|config| config.anonymous.push(origin))
    }

    /// Names an origin, or a pattern of origins, that may be polled with the start request's credentials.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// // A front door, and the regional hosts behind it.
    /// let layer = LroLayer::new()
    ///     .trust_origin("https://api.example.com".parse()?)
    ///     .trust_origin("https://*.regions.example.com".parse()?);
    /// # let _ = layer;
    /// # Ok::<_, tower_lro::OriginError>(())
    /// ```
    pub fn trust_origin(self, origin: Origin) -> Self {
        self.with(|config| config.trusted.push(origin))
    }

    /// Names the query parameters that are propagated from the address of the caller's request to those of its polls, where they are
    /// missing and the origin is the same or trusted. Default: `subscription-key` and `api-version`. Names compare
    /// case-insensitively. These replace the names before, the default ones too: name those again where they are needed.
    ///
    /// Azure Maps authenticates by `?subscription-key=`, and its `Operation-Location` does not repeat it. Send keys in a header
    /// where you can: errors of reqwest itself, such as that of `error_for_status`, name the whole address of a response that
    /// passed through.
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let simulator = Simulator::new().recording();
    /// let client = LroLayer::new().propagate_query(["sig"]).layer(simulator.clone());
    /// let request = http::Request::post("https://atlas.microsoft.com/mapData?sig=123&dryRun=no").body(String::new())?;
    /// client.oneshot(request).await?;
    /// assert_eq!(simulator.recorded()[1].uri.query(), Some("sig=123"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn propagate_query(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with(|config| config.propagate_query = names.into_iter().map(Into::into).collect())
    }

    /// Sets the address that a client below puts before requests with a path alone, as those of octocrab and kube do. An operation whose
    /// monitor is an absolute address of the same origin is then polled through the same client, by its path. Where the base has a
    /// path (`/k8s/clusters/c1`), it is removed from the monitor's path, since the client below adds it again. A monitor outside of
    /// that path is taken for the address of a service that does not know the base, such as one behind a proxy: its whole path is
    /// asked below the base. No request of such a client can reach another path.
    ///
    /// Without it, and without a `Host` header, such a monitor cannot be polled: nothing says that it belongs to the service that
    /// the request went to. With feature `tracing`, a warning precedes the first request without a host.
    ///
    /// # Panics
    ///
    /// If it is not an absolute `http` or `https` URI.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// let layer = LroLayer::new().base_uri(http::Uri::from_static("https://api.example.com/k8s/clusters/c1"));
    /// # let _ = layer;
    /// ```
    pub fn base_uri(self, uri: Uri) -> Self {
        let mut base = Url::parse(&uri.to_string()).ok().filter(is_http);
        if let Some(base) = &mut base {
            // Paths are resolved against it as against a folder.
            let folder = format!("{}/", base.path().trim_end_matches('/'));
            base.set_path(&folder);
        }
        assert!(base.is_some(), "the base URI is not an absolute http or https URI");
        self.with(|config| config.base_uri = base)
    }

    /// Leaves an extension of the caller's request out of polls, which have all of them by default: for one that belongs to the
    /// start request alone, such as the name of its span (`reqwest_tracing::OtelName`).
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::LroLayer;
    /// #[derive(Clone)]
    /// struct SpanName(&'static str);
    ///
    /// let layer = LroLayer::new().omit_extension::<SpanName>();
    /// # let _ = (layer, SpanName("upload").0);
    /// ```
    pub fn omit_extension<T: Clone + Send + Sync + 'static>(self) -> Self {
        self.with(|config| config.omitted_extensions.push(OmittedExtension::of::<T>()))
    }
}
