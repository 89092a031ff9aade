//! `Origin`: which scheme, host and port may be polled.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// A web origin ([RFC 6454]), or a pattern over the subdomains of one.
///
/// Parsed from `https://host[:port]`, from `https://*.host[:port]` for every subdomain of `host` at any depth
/// (but not `host` itself), or from `https://*[:port]` for every host. Scheme and port must be the same; hosts compare
/// case-insensitively, and a missing port is the scheme's own.
///
/// Used by [`LroLayer::allow_anonymous_origin`](crate::LroLayer::allow_anonymous_origin) and
/// [`LroLayer::trust_origin`](crate::LroLayer::trust_origin).
///
/// # Example
///
/// ```
/// use tower_lro::{LroLayer, Origin};
///
/// let fabric: Origin = "https://*.analysis.windows.net".parse()?;
/// assert_eq!(fabric.to_string(), "https://*.analysis.windows.net");
/// let layer = LroLayer::new().trust_origin(fabric);
///
/// let error = "https://example.com/path".parse::<Origin>().unwrap_err();
/// assert_eq!(error.to_string(), "an origin has no path, query or fragment");
/// # let _ = layer;
/// # Ok::<_, tower_lro::OriginError>(())
/// ```
///
/// [RFC 6454]: https://www.rfc-editor.org/rfc/rfc6454
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    https: bool,
    hosts: Hosts,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Hosts {
    One(Host<String>),
    Below(String),
    Any,
}

impl Origin {
    /// The origin of an `http` or `https` URL.
    fn of(url: &Url) -> Option<Self> {
        Some(Self {
            https: match url.scheme() {
                "https" => true,
                "http" => false,
                _ => return None,
            },
            hosts: Hosts::One(url.host()?.to_owned()),
            port: url.port_or_known_default()?,
        })
    }

    /// Whether an `http` or `https` URL has this origin, or one that this pattern stands for.
    pub(crate) fn covers(&self, url: &Url) -> bool {
        let is_covered = match (&self.hosts, url.host()) {
            (_, None) => false,
            (Hosts::Any, Some(_)) => true,
            (Hosts::Below(parent), Some(Host::Domain(host))) => {
                host.strip_suffix(parent.as_str()).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
            }
            (Hosts::Below(_), Some(_)) => false,
            (Hosts::One(Host::Domain(own)), Some(Host::Domain(host))) => own == host,
            (Hosts::One(Host::Ipv4(own)), Some(Host::Ipv4(host))) => *own == host,
            (Hosts::One(Host::Ipv6(own)), Some(Host::Ipv6(host))) => *own == host,
            (Hosts::One(_), Some(_)) => false,
        };
        let scheme = if self.https { "https" } else { "http" };
        is_covered && scheme == url.scheme() && Some(self.port) == url.port_or_known_default()
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        // The URL parser accepts no `*` in a host: a stand-in keeps its place.
        let (rest, pattern) = match (rest.strip_prefix("*."), rest.strip_prefix('*')) {
            (Some(parent), _) => (parent.to_owned(), "*."),
            (None, Some(port)) if port.is_empty() || port.starts_with([':', '/']) => {
                (format!("any.invalid{port}"), "*")
            }
            _ => (rest.to_owned(), ""),
        };
        if rest.contains('*') {
            return Err(OriginError::Host);
        }
        if rest.trim_end_matches('/').contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| OriginError::Host)?;
        if url.path() != "/" {
            return Err(OriginError::Path);
        }
        if rest.contains('@') {
            return Err(OriginError::Host);
        }
        let origin = Self::of(&url).ok_or(OriginError::Scheme)?;
        let hosts = match (pattern, origin.hosts) {
            ("*.", Hosts::One(Host::Domain(parent))) => Hosts::Below(parent),
            ("*.", _) => return Err(OriginError::Host),
            ("*", _) => Hosts::Any,
            (_, one) => one,
        };
        Ok(Self { hosts, ..origin })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = if self.https { ("https", 443) } else { ("http", 80) };
        match &self.hosts {
            Hosts::One(host) => write!(f, "{scheme}://{host}")?,
            Hosts::Below(parent) => write!(f, "{scheme}://*.{parent}")?,
            Hosts::Any => write!(f, "{scheme}://*")?,
        }
        if self.port != default_port {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Why a text is not an [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// It does not start with `http://` or `https://`.
    Scheme,
    /// Its host or port is invalid, it has user information, or a `*` anywhere but in its place or in a leading `*.`.
    Host,
    /// Something follows the port.
    Path,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "an origin starts with http:// or https://",
            Self::Host => {
                "an origin has a valid host and port, without user information; `*` is the whole host or its first label"
            }
            Self::Path => "an origin has no path, query or fragment",
        })
    }
}

impl std::error::Error for OriginError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn origins_compare_normalized() {
        for same in ["https://example.com", "HTTPS://EXAMPLE.com:443", "https://example.com/"] {
            assert_eq!(origin(same), origin("https://example.com"), "{same}");
        }
        for other in
            ["http://example.com", "https://example.com:8443", "https://example.com.", "https://www.example.com"]
        {
            assert_ne!(origin(other), origin("https://example.com"), "{other}");
        }
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_covers_subdomains_at_any_depth_and_nothing_else() {
        let pattern = origin("https://*.example.com");
        for inside in ["https://a.example.com", "https://A.B.example.com:443"] {
            assert!(pattern.covers(&url(inside)), "{inside}");
        }
        for outside in [
            "https://example.com",
            "https://badexample.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.test",
        ] {
            assert!(!pattern.covers(&url(outside)), "{outside}");
        }
        assert!(!pattern.covers(&url("https://.example.com")));

        let any = origin("https://*");
        assert!(any.covers(&url("https://a.example.com")) && any.covers(&url("https://[::1]")));
        assert!(!any.covers(&url("http://a.example.com")) && !any.covers(&url("https://a.example.com:8443")));
        assert!(origin("http://*:8080").covers(&url("http://localhost:8080")));
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, error) in [
            ("example.com", OriginError::Scheme),
            ("ftp://example.com", OriginError::Scheme),
            ("https://", OriginError::Host),
            ("https://*a.example.com", OriginError::Host),
            ("https://a.*.example.com", OriginError::Host),
            ("https://*.127.0.0.1", OriginError::Host),
            ("https://user@example.com", OriginError::Host),
            ("https://@example.com", OriginError::Host),
            ("https://example.com:99999", OriginError::Host),
            ("https://:secret@example.com", OriginError::Host),
            ("https://example.com//", OriginError::Path),
            ("https://example.com/path", OriginError::Path),
            ("https://example.com?query", OriginError::Path),
            ("https://example.com#fragment", OriginError::Path),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }

    #[test]
    fn display_parses_back() {
        for text in [
            "https://example.com",
            "http://*.example.com:8080",
            "http://[::1]:80",
            "https://127.0.0.1",
            "https://*",
            "http://*:81",
        ] {
            assert_eq!(origin(&origin(text).to_string()), origin(text), "{text}");
        }
    }
}
