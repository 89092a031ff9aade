//! `Template`: makes an address from the known facts of an operation.

use std::fmt::{self, Write};

use http::Uri;

use crate::{address::uri::begins_like_host, protocol::error::ProtocolError};

/// A URI template ([RFC 6570], level 1, and `{+name}` of level 2) over the known facts of an operation.
///
/// [RFC 6570]: https://www.rfc-editor.org/rfc/rfc6570
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// The meaning of a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// The monitor's address. Its query stays at the end.
    Monitor,
    /// The path of the start request.
    Path,
    /// The path of the start request without its last segment.
    Parent,
    /// The first segment of that path, which is often a version. If the path has none, it is left out with the slash after it.
    First,
    /// The operation's name, percent-encoded.
    Name,
    /// The operation's name as it is, which may be a path.
    PathName,
}

/// The known facts when a template is expanded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) monitor: Option<&'a Uri>,
    pub(crate) start: Option<&'a Uri>,
    pub(crate) name: Option<&'a str>,
}

impl Variable {
    const ALL: [(&'static str, Self); 6] = [
        ("monitor", Self::Monitor),
        ("path", Self::Path),
        ("parent", Self::Parent),
        ("first", Self::First),
        ("name", Self::Name),
        ("+name", Self::PathName),
    ];

    /// All variables that may be known once an operation has been accepted.
    pub(crate) const OF_OPERATION: [Self; 6] =
        [Self::Monitor, Self::Name, Self::PathName, Self::Path, Self::Parent, Self::First];

    fn text(self) -> &'static str {
        Self::ALL.iter().find(|(_, variable)| *variable == self).map_or("", |(text, _)| text)
    }
}

impl Template {
    /// Reads a template that may have these placeholders.
    pub(crate) fn parse(template: &str, allowed: &[Variable]) -> Result<Self, ProtocolError> {
        let error = |problem: String| ProtocolError::Template { template: template.to_owned(), problem };
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, behind)) = rest.split_once('{') {
            let (placeholder, behind) =
                behind.split_once('}').ok_or_else(|| error("has a `{` without its `}`".into()))?;
            let known =
                Variable::ALL.iter().find(|(name, variable)| *name == placeholder && allowed.contains(variable));
            let &(_, variable) = known.ok_or_else(|| {
                let names: Vec<_> = allowed.iter().map(|variable| format!("{{{}}}", variable.text())).collect();
                error(format!("has the placeholder {{{placeholder}}}; here there are {}", names.join(", ")))
            })?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Variable(variable));
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        let has_stray = parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}')));
        if has_stray {
            return Err(error("has a `}` without its `{`".into()));
        }
        if parts.is_empty() {
            return Err(error("is empty".into()));
        }
        Ok(Self(parts))
    }

    pub(crate) fn has(&self, variable: Variable) -> bool {
        self.0.contains(&Part::Variable(variable))
    }

    /// Whether it needs the address of the start request.
    pub(crate) fn needs_start(&self) -> bool {
        [Variable::Path, Variable::Parent, Variable::First].iter().any(|&variable| self.has(variable))
    }

    /// Expands it to a reference; `None` if it needs something unknown.
    pub(crate) fn expand(&self, known: &Known<'_>) -> Option<String> {
        let mut text = String::new();
        let mut query = None;
        let mut parts = self.0.iter().peekable();
        let mut left_out = false;
        while let Some(part) = parts.next() {
            // Two slashes would be one too many, and at the beginning would introduce a host.
            let is_before_slash = matches!(parts.peek(), Some(Part::Text(next)) if next.starts_with('/'));
            match part {
                // The slash after an empty first segment is left out with it.
                Part::Text(part) if left_out => text.push_str(part.strip_prefix('/').unwrap_or(part)),
                Part::Text(part) => text.push_str(part),
                Part::Variable(Variable::Monitor) => {
                    let monitor = known.monitor?;
                    if let (Some(scheme), Some(authority)) = (monitor.scheme_str(), monitor.authority()) {
                        text += &format!("{scheme}://{authority}");
                    }
                    text.push_str(joined(monitor.path(), is_before_slash));
                    query = monitor.query();
                }
                Part::Variable(Variable::Path) => text.push_str(joined(known.start?.path(), is_before_slash)),
                Part::Variable(Variable::Parent) => {
                    let path = known.start?.path().trim_end_matches('/');
                    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                    text.push_str(if parent.is_empty() && parts.peek().is_none() { "/" } else { parent });
                }
                Part::Variable(Variable::First) => text.push_str(first_segment(known.start?)),
                Part::Variable(Variable::Name) => encode(known.name.filter(|name| !is_dots(name))?, &mut text),
                Part::Variable(Variable::PathName) => text.push_str(known.name?),
            }
            left_out = matches!(part, Part::Variable(Variable::First))
                && known.start.is_some_and(|start| first_segment(start).is_empty());
        }
        if let Some(query) = query {
            append_query(query, &mut text);
        }
        // The path of the start request may itself begin with two slashes: then they are no host's.
        let begins_with_path = matches!(self.0.first(), Some(Part::Variable(Variable::Path | Variable::Parent)));
        if begins_with_path && begins_like_host(&text) {
            text.insert_str(0, "/.");
        }
        Some(text)
    }
}

fn joined(path: &str, is_before_slash: bool) -> &str {
    if is_before_slash { path.trim_end_matches('/') } else { path }
}

/// Appends the monitor's query, which may have its signature, behind that of the template, whose own parameters count.
fn append_query(query: &str, to: &mut String) {
    fn name(parameter: &str) -> Option<&str> {
        parameter.split('=').next()
    }
    let Some((_, own)) = to.split_once('?') else { return *to += &format!("?{query}") };
    let is_missing = |parameter: &&str| !own.split('&').any(|it| name(it) == name(parameter));
    let missing: String = query.split('&').filter(is_missing).map(|parameter| format!("&{parameter}")).collect();
    *to += &missing;
}

/// A verb after a colon is not part of it (AIP-136).
fn first_segment(uri: &Uri) -> &str {
    uri.path().split(['/', ':']).nth(1).unwrap_or_default()
}

/// Whether a name would lead out of its place in a path, however it is encoded.
fn is_dots(name: &str) -> bool {
    matches!(name, "." | "..")
}

/// Appends the text with everything encoded except RFC 3986's unreserved characters.
fn encode(text: &str, to: &mut String) {
    for &byte in text.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => to.push(byte.into()),
            _ => _ = write!(to, "%{byte:02X}"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(variable) => write!(f, "{{{}}}", variable.text()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Variable; 6] =
        [Variable::Monitor, Variable::Path, Variable::Parent, Variable::First, Variable::Name, Variable::PathName];

    #[test]
    fn templates_are_expanded() {
        let (start, monitor) = ("https://h.test/v1/jobs/7/results?x=1", "https://h.test/op/1?api-version=2");
        for (template, name, expected) in [
            ("{monitor}/results", "", "https://h.test/op/1/results?api-version=2"),
            ("{monitor}:cancel?now", "", "https://h.test/op/1:cancel?now&api-version=2"),
            ("{monitor}?api-version=3", "", "https://h.test/op/1?api-version=3"),
            ("{monitor}?job={name}", "api-version=1", "https://h.test/op/1?job=api-version%3D1&api-version=2"),
            ("{path}/status", "", "/v1/jobs/7/results/status"),
            ("{parent}", "", "/v1/jobs/7"),
            ("/jobs/{name}/archive", "a b/..?#é", "/jobs/a%20b%2F..%3F%23%C3%A9/archive"),
            ("/{first}/{+name}", "operations/1", "/v1/operations/1"),
            ("/{first}/jobs/{name}", "1", "/v1/jobs/1"),
            ("/plain", "", "/plain"),
        ] {
            let parsed = Template::parse(template, &ALL).unwrap();
            let (start, monitor) = (start.parse().unwrap(), monitor.parse().unwrap());
            let known = Known { monitor: Some(&monitor), start: Some(&start), name: Some(name) };
            assert_eq!(parsed.expand(&known).as_deref(), Some(expected), "{template}");
            assert_eq!(parsed.to_string(), template);
        }
        let known = |start: &'static str| Uri::from_static(start);
        for (start, template, expected) in [
            ("https://h.test/", "/{first}/operations/{name}", "/operations/1"),
            ("https://h.test/:start", "/{first}/{name}", "/1"),
            ("https://h.test/job", "{parent}", "/"),
            ("https://h.test/", "{path}/{name}", "/1"),
            ("https://h.test/jobs/", "{path}/{name}", "/jobs/1"),
            ("https://h.test/jobs/", "{path}{name}", "/jobs/1"),
            ("https://h.test/jobs/", "{path}", "/jobs/"),
            ("https://h.test/job", "{parent}/{name}", "/1"),
            ("/v2:start/x", "/{first}/{name}", "/v2/1"),
            ("https://h.test//jobs", "{path}/{name}", "/.//jobs/1"),
            ("https://h.test//jobs", "{parent}/{name}", "/.//1"),
            ("https://h.test//v1/jobs", "{parent}", "/.//v1"),
            ("https://h.test/\\jobs", "{path}/{name}", "/./\\jobs/1"),
            ("https://h.test//jobs", "//other.test/{name}", "//other.test/1"),
        ] {
            let start = known(start);
            let known = Known { monitor: None, start: Some(&start), name: Some("1") };
            assert_eq!(
                Template::parse(template, &ALL).unwrap().expand(&known).as_deref(),
                Some(expected),
                "{template}"
            );
        }
        let nothing = Known { monitor: None, start: None, name: None };
        for template in ["{monitor}", "{path}", "{parent}", "{first}", "{name}", "{+name}"] {
            assert_eq!(Template::parse(template, &ALL).unwrap().expand(&nothing), None, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_said() {
        for (template, problem) in [
            ("", "is empty"),
            ("/{nam}", "has the placeholder {nam}; here there are {name}, {+name}"),
            ("/{monitor}", "has the placeholder {monitor}; here there are {name}, {+name}"),
            ("/{name", "has a `{` without its `}`"),
            ("/name}", "has a `}` without its `{`"),
            ("/{{name}}", "has the placeholder {{name}; here there are {name}, {+name}"),
        ] {
            let error = Template::parse(template, &[Variable::Name, Variable::PathName]).unwrap_err();
            assert_eq!(error, ProtocolError::Template { template: template.to_owned(), problem: problem.to_owned() });
        }
    }
}
