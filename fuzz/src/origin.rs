//! Where requests may go, worked out from the words of the documentation and with nothing but `url`.

use url::Url;

/// The credentials that a request to an address may carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trust {
    /// All that the start request carried.
    Credentials,
    /// Nothing that could identify anybody.
    Anonymous,
    /// It must not be sent.
    None,
}

/// The settings of the layer that decide it.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    pub allowed: Vec<&'static str>,
    pub trusted: Vec<&'static str>,
    /// The name of the protocol.
    pub protocol: String,
}

const ATLAS: [&str; 2] = ["https://atlas.microsoft.com", "https://*.atlas.microsoft.com"];
const FABRIC: [&str; 3] =
    ["https://api.fabric.microsoft.com", "https://api.powerbi.com", "https://*.analysis.windows.net"];

impl Origins {
    /// For an operation that was started at one of `own`.
    pub fn trust(&self, own: &[Url], url: &Url) -> Trust {
        let is_own = |url: &Url| own.iter().any(|own| own.origin() == url.origin());
        let start_is_among = |patterns: &[&str]| own.iter().any(|own| covers(patterns, own));
        let trusts = match self.protocol.as_str() {
            "operation-location" | "location" | "azure-core" => start_is_among(&ATLAS) && covers(&ATLAS, url),
            "fabric" => start_is_among(&FABRIC) && covers(&FABRIC, url),
            _ => false,
        };
        let allows = self.protocol == "graph" && url.scheme() == "https" && url.port().is_none();
        if is_own(url) || trusts || covers(&self.trusted, url) {
            Trust::Credentials
        } else if allows || covers(&self.allowed, url) {
            Trust::Anonymous
        } else {
            Trust::None
        }
    }
}

/// Whether one of the patterns stands for the origin of `url`.
fn covers(patterns: &[&str], url: &Url) -> bool {
    patterns.iter().any(|pattern| {
        let wanted = Url::parse(&pattern.replace('*', "star")).expect("patterns are addresses");
        let (host, wanted_host) = (url.host_str().unwrap_or_default(), wanted.host_str().unwrap_or_default());
        let is_host = match wanted_host.strip_prefix("star") {
            Some("") => true,
            // The rest begins with the dot.
            Some(parent) => host.ends_with(parent) && host.len() > parent.len() && url.domain().is_some(),
            None => host == wanted_host,
        };
        is_host && url.scheme() == wanted.scheme() && url.port_or_known_default() == wanted.port_or_known_default()
    })
}

/// The start request's own origins: where its address is a path, both that its host may have.
pub fn own(start: &str, host: Option<&str>) -> Vec<Url> {
    let addresses = if start.starts_with('/') {
        let host = host.unwrap_or("no-host.invalid");
        vec![format!("http://{host}{start}"), format!("https://{host}{start}")]
    } else {
        vec![start.to_owned()]
    };
    addresses.iter().filter_map(|address| Url::parse(address).ok()).collect()
}
