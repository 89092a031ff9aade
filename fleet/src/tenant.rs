//! `Tenants`: endpoints and credentials by the tenant's name. They are in the worker's configuration, and never in a queue.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;
use tower::{Layer, Service};
use tower_lro::{Lro, LroLayer, Origin, Protocol};

use crate::{BoxError, clock::QueueClock, metrics::Metrics};

/// A tenant's configuration: the file is a JSON object of these, by name.
///
/// ```json
/// {"acme": {"endpoint": "https://us.atlas.microsoft.com/", "key_header": "subscription-key", "key_env": "ACME_KEY"}}
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Where all requests for this tenant go: scheme, host and port. A path is part of what is started, and is refused here.
    pub endpoint: String,
    /// The header that has the key.
    pub key_header: String,
    /// The environment variable that has the key.
    pub key_env: String,
    /// Other origins that get the key, such as regional hosts behind the endpoint: one host each, and no patterns.
    #[serde(default)]
    pub trusted_origins: Vec<String>,
    /// The name of a protocol that tower-lro knows.
    #[serde(default)]
    pub protocol: Option<String>,
    /// How long an operation may take, in seconds.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// Whether the service recognizes a start request that is sent again, by its `Repeatability-Request-ID` or `Operation-Id`.
    #[serde(default)]
    pub repeatable_starts: bool,
}

/// All that is configured, ready for use. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    by_name: Arc<BTreeMap<String, Tenant>>,
}

/// A client for one tenant.
pub type TenantClient = Lro<WithKey>;

/// A tenant, and the client that has its key.
#[derive(Debug)]
pub struct Tenant {
    endpoint: Uri,
    /// Whether a start may be sent again.
    pub repeatable_starts: bool,
    client: TenantClient,
}

/// The parts that all tenants of a worker share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The time of day.
    pub clock: QueueClock,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The longest that a service may take to answer one request. Much shorter than a lease.
    pub request_timeout: Duration,
}

impl Tenants {
    /// Reads the configuration, and the keys from the environment.
    pub fn load(path: &Path, shared: &Shared) -> Result<Self, BoxError> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let configs: BTreeMap<String, TenantConfig> = serde_json::from_str(&text)?;
        Self::new(configs, |name| env::var(name).ok(), shared)
    }

    /// Takes the configuration, and the keys from wherever they are kept.
    pub fn new(
        configs: BTreeMap<String, TenantConfig>,
        key: impl Fn(&str) -> Option<String>,
        shared: &Shared,
    ) -> Result<Self, BoxError> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(shared.request_timeout));
        // One pool of connections; each tenant's key is added above it.
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        let tenant = |(name, config): (String, TenantConfig)| {
            let tenant = Tenant::new(&config, &key, shared, http.clone());
            let tenant = tenant.map_err(|error| format!("tenant {name:?}: {error}"))?;
            Ok((name, tenant))
        };
        let by_name = configs.into_iter().map(tenant).collect::<Result<BTreeMap<_, _>, BoxError>>()?;
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// The tenant of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tenant> {
        self.by_name.get(name)
    }
}

impl Tenant {
    fn new(
        config: &TenantConfig,
        key: impl Fn(&str) -> Option<String>,
        shared: &Shared,
        http: HttpClient,
    ) -> Result<Self, BoxError> {
        let (endpoint, origin) = endpoint_of(&config.endpoint)?;
        let mut layer = LroLayer::new().max_wait(Duration::ZERO).timer(shared.clock.clone());
        if let Some(name) = &config.protocol {
            let protocol = Protocol::known().find(|known| known.name() == name);
            layer = layer.protocols([protocol.ok_or_else(|| format!("there is no protocol {name:?}"))?]);
        }
        if let Some(seconds) = config.timeout_s {
            layer = layer.timeout(Duration::from_secs(seconds));
        }
        let mut origins = vec![origin];
        for origin in &config.trusted_origins {
            if origin.contains('*') {
                return Err("a trusted origin is one host, and no pattern".into());
            }
            layer = layer.trust_origin(origin.parse::<Origin>()?);
            origins.push(origin_of(&origin.parse()?).ok_or("a trusted origin has no host")?);
        }
        let mut value =
            HeaderValue::try_from(key(&config.key_env).ok_or_else(|| format!("{} is not set", config.key_env))?)?;
        value.set_sensitive(true);
        let key = Key { name: config.key_header.parse()?, value, origins };
        let below = WithKey { http, key: Arc::new(key), shared: shared.clone() };
        Ok(Self { endpoint, repeatable_starts: config.repeatable_starts, client: layer.layer(below) })
    }

    /// Where requests that resume operations are addressed to.
    #[must_use]
    pub fn endpoint(&self) -> &Uri {
        &self.endpoint
    }

    /// A path, which the queue may name, of the endpoint, which it may not.
    pub fn at(&self, path: &str) -> Result<Uri, BoxError> {
        let path: PathAndQuery = path.parse()?;
        if !path.as_str().starts_with('/') {
            return Err("the path of a start begins with a slash".into());
        }
        let mut parts = self.endpoint.clone().into_parts();
        parts.path_and_query = Some(path);
        Ok(Uri::from_parts(parts)?)
    }

    /// A client whose requests get the tenant's key.
    #[must_use]
    pub fn client(&self) -> TenantClient {
        self.client.clone()
    }
}

type HttpClient = HyperClient<HttpConnector, Full<Bytes>>;

/// Below the layer: adds the tenant's key to requests that go to its origins, and to no others.
///
/// The layer has judged the address before. This is the second lock: what is not the tenant's gets no key, whatever the
/// queue or the service says.
#[derive(Clone, Debug)]
pub struct WithKey {
    http: HttpClient,
    key: Arc<Key>,
    shared: Shared,
}

struct Key {
    name: HeaderName,
    value: HeaderValue,
    origins: Vec<(Scheme, Authority)>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// An endpoint, and its origin. One with a path would promise that nothing else is asked, and a start's path takes its place.
fn endpoint_of(text: &str) -> Result<(Uri, (Scheme, Authority)), BoxError> {
    let endpoint: Uri = text.parse()?;
    let is_http = |(scheme, _): &(Scheme, Authority)| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    let origin = origin_of(&endpoint).filter(is_http).ok_or("the endpoint is not an http or https URI")?;
    if endpoint.path() != "/" || endpoint.query().is_some() {
        return Err("the endpoint has a path or a query, which belong to the path of a start".into());
    }
    Ok((endpoint, origin))
}

fn origin_of(uri: &Uri) -> Option<(Scheme, Authority)> {
    Some((uri.scheme()?.clone(), uri.authority()?.clone()))
}

impl Service<Request<Full<Bytes>>> for WithKey {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Full<Bytes>>) -> Self::Future {
        if origin_of(request.uri()).is_some_and(|origin| self.key.origins.contains(&origin)) {
            request.headers_mut().insert(self.key.name.clone(), self.key.value.clone());
        }
        let Shared { metrics, request_timeout, .. } = &self.shared;
        let counter = if request.method() == Method::GET { &metrics.polls } else { &metrics.starts };
        counter.add(1);
        let answer = tokio::time::timeout(*request_timeout, self.http.request(request));
        // An error here is a failed poll, which the layer counts and repeats.
        Box::pin(async { Ok(answer.await.map_err(|_| "no answer in time")??) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_is_an_origin() {
        for good in ["http://localhost:8080", "https://us.atlas.microsoft.com/"] {
            assert!(opened(good).is_ok(), "{good}");
        }
        let table = [
            ("/jobs", "http or https"),
            ("localhost:8080", "http or https"),
            ("ftp://localhost/", "http or https"),
            ("http://proxy/tenant-a/", "path"),
            ("http://proxy/tenant-a", "path"),
            ("http://proxy/?tenant=a", "query"),
        ];
        for (bad, why) in table {
            let error = opened(bad).unwrap_err().to_string();
            assert!(error.contains("acme") && error.contains(why), "{bad}: {error}");
        }
    }

    fn opened(endpoint: &str) -> Result<Tenants, BoxError> {
        let config = serde_json::json!({"acme": {"endpoint": endpoint, "key_header": "key", "key_env": "KEY"}});
        let (clock, metrics) = (QueueClock::new(), Arc::default());
        let shared = Shared { clock, metrics, request_timeout: Duration::from_secs(1) };
        Tenants::new(serde_json::from_value(config)?, |_| Some("secret".to_owned()), &shared)
    }
}
