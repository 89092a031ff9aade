//! `Origin`: which scheme, host and port may be polled.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// A web origin ([RFC 6454]), or a pattern over the subdomains of one.
///
/// Parsed from `https://host[:port]`, or from `https://*.host[:port]` for every subdomain of `host` at any depth
/// (but not `host` itself). Scheme and port must be the same; hosts compare case-insensitively, and a missing
/// port is the scheme's own.
///
/// Used by [`LroLayer::allow_origin`](crate::LroLayer::allow_origin) and
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
    host: Host<String>,
    port: u16,
    subdomains: bool,
}

impl Origin {
    /// The origin of an `http` or `https` URL.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        Some(Self {
            https: match url.scheme() {
                "https" => true,
                "http" => false,
                _ => return None,
            },
            host: url.host()?.to_owned(),
            port: url.port_or_known_default()?,
            subdomains: false,
        })
    }

    /// Whether `origin` is this one, or one that this pattern stands for.
    pub(crate) fn covers(&self, origin: &Self) -> bool {
        if !self.subdomains {
            return self == origin;
        }
        let (Host::Domain(parent), Host::Domain(host)) = (&self.host, &origin.host) else {
            return false;
        };
        self.https == origin.https
            && self.port == origin.port
            && host.strip_suffix(parent.as_str()).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let (rest, subdomains) = match rest.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if rest.contains('*') {
            return Err(OriginError::Host);
        }
        if rest.trim_end_matches('/').contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Path);
        }
        let url = Url::parse(&format!("{scheme}://{rest}")).map_err(|_| OriginError::Host)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::Path);
        }
        if !url.username().is_empty() || url.password().is_some() || rest.contains('@') {
            return Err(OriginError::Host);
        }
        let origin = Self::of(&url).ok_or(OriginError::Scheme)?;
        if subdomains && !matches!(origin.host, Host::Domain(_)) {
            return Err(OriginError::Host);
        }
        Ok(Self { subdomains, ..origin })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = if self.https { ("https", 443) } else { ("http", 80) };
        let pattern = if self.subdomains { "*." } else { "" };
        write!(f, "{scheme}://{pattern}{}", self.host)?;
        if self.port != default_port {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// Why a text is no [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// It does not start with `http://` or `https://`.
    Scheme,
    /// Its host or port is invalid, it has user information, or a `*` anywhere but in a leading `*.`.
    Host,
    /// It goes on after the port.
    Path,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "an origin starts with http:// or https://",
            Self::Host => "an origin has a valid host, with no user information and `*` only in a leading `*.`",
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
    fn origins_compare_normalised() {
        for same in ["https://example.com", "HTTPS://EXAMPLE.com:443", "https://example.com/"] {
            assert_eq!(origin(same), origin("https://example.com"), "{same}");
        }
        for other in
            ["http://example.com", "https://example.com:8443", "https://example.com.", "https://www.example.com"]
        {
            assert_ne!(origin(other), origin("https://example.com"), "{other}");
        }
    }

    #[test]
    fn a_pattern_covers_subdomains_at_any_depth_and_nothing_else() {
        let pattern = origin("https://*.example.com");
        for inside in ["https://a.example.com", "https://A.B.example.com:443"] {
            assert!(pattern.covers(&origin(inside)), "{inside}");
        }
        for outside in [
            "https://example.com",
            "https://badexample.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.com.evil.test",
        ] {
            assert!(!pattern.covers(&origin(outside)), "{outside}");
        }
        let dot = Origin { host: Host::Domain(".example.com".to_owned()), ..origin("https://example.com") };
        assert!(!pattern.covers(&dot));
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, error) in [
            ("example.com", OriginError::Scheme),
            ("ftp://example.com", OriginError::Scheme),
            ("https://", OriginError::Host),
            ("https://*", OriginError::Host),
            ("https://a.*.example.com", OriginError::Host),
            ("https://*.127.0.0.1", OriginError::Host),
            ("https://user@example.com", OriginError::Host),
            ("https://@example.com", OriginError::Host),
            ("https://example.com:99999", OriginError::Host),
            ("https://example.com/path", OriginError::Path),
            ("https://example.com?query", OriginError::Path),
            ("https://example.com#fragment", OriginError::Path),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }

    #[test]
    fn display_parses_back() {
        for text in ["https://example.com", "http://*.example.com:8080", "http://[::1]:80", "https://127.0.0.1"] {
            assert_eq!(origin(&origin(text).to_string()), origin(text), "{text}");
        }
    }
}
