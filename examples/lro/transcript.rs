//! Recorded exchanges: a HAR, or what `curl -i` prints.

use std::{fs, path::Path};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use reqwest::Url;
use serde::Deserialize;

/// A response, and the request that it answers, as far as that was recorded.
pub struct Exchange {
    pub method: Option<Method>,
    pub url: Option<Url>,
    pub response: Response<Vec<u8>>,
}

pub fn read(file: &Path) -> Result<Vec<Exchange>, String> {
    let name = file.display();
    let text = fs::read(file).map_err(|error| format!("{name}: {error}"))?;
    let is_har = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let exchanges = if is_har { of_har(&text) } else { of_curl(&text) };
    match exchanges {
        Ok(exchanges) if exchanges.is_empty() => Err(format!("{name} has no response: no line begins with HTTP/")),
        other => other.map_err(|error| format!("{name}: {error}")),
    }
}

/// What is about the connection, or about how the body was encoded on it.
const OF_CONNECTION: [&str; 3] = ["content-encoding", "content-length", "transfer-encoding"];

fn response<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: Vec<u8>,
) -> Result<Response<Vec<u8>>, String> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).map_err(|_| format!("{status} is no HTTP status"))?;
    for (name, value) in headers.filter(|(name, _)| !name.starts_with(':')) {
        let name: HeaderName = name.trim().parse().map_err(|_| format!("{name:?} is not the name of a header"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("the value of {name} is not one"))?;
        if !OF_CONNECTION.contains(&name.as_str()) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

// ── HAR ─────────────────────────────────────────────────────────────────────

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Asked,
    response: Answered,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    url: String,
}

#[derive(Deserialize)]
struct Answered {
    status: u16,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default)]
    content: Content,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    text: String,
    encoding: String,
}

fn of_har(text: &[u8]) -> Result<Vec<Exchange>, String> {
    let har: Har = serde_json::from_slice(text).map_err(|error| format!("not a HAR: {error}"))?;
    // Those that were never answered have the status 0.
    let answered = har.log.entries.into_iter().filter(|entry| entry.response.status != 0);
    answered
        .map(|Entry { request, response: answer }| {
            let body = match answer.content.encoding.as_str() {
                "base64" => from_base64(&answer.content.text).ok_or("a body is not base64")?,
                _ => answer.content.text.into_bytes(),
            };
            let headers = answer.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
            let url = Url::parse(&request.url).map_err(|error| format!("a request's address: {error}"))?;
            let method = request.method.parse().map_err(|_| format!("{:?} is not a method", request.method))?;
            Ok(Exchange { method: Some(method), url: Some(url), response: response(answer.status, headers, body)? })
        })
        .collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = ALPHABET.iter().position(|&letter| letter == byte)?;
        bits = (bits << 6) | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

// ── curl ────────────────────────────────────────────────────────────────────

/// Responses one after another. A line such as `> POST https://example.com/jobs` before one says what it answers; so do those of
/// `curl -v`, with a `> Host:`.
fn of_curl(text: &[u8]) -> Result<Vec<Exchange>, String> {
    let mut exchanges = Vec::new();
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').peekable();
    let mut asked: Vec<String> = Vec::new();
    while let Some(line) = lines.next() {
        let line = line_text(line);
        if let Some(request) = line.strip_prefix("> ") {
            asked.push(request.to_owned());
        }
        let Some(status) = status_of(&line) else { continue };
        let mut headers = Vec::new();
        for header in lines.by_ref() {
            let header = line_text(header);
            if header.is_empty() {
                break;
            }
            headers.push(header);
        }
        let mut body = Vec::new();
        while let Some(next) = lines.next_if(|next| !begins_exchange(next)) {
            body.extend_from_slice(next);
        }
        // What curl prints has no line break behind a body, and files have.
        let body = body.trim_ascii_end().to_vec();
        let headers = headers.iter().filter_map(|header| header.trim_start_matches("< ").split_once(':'));
        // An interim response, or a proxy's before the real one.
        if status >= 200 {
            let (method, url) = request(&asked);
            exchanges.push(Exchange { method, url, response: response(status, headers, body)? });
            asked.clear();
        }
    }
    Ok(exchanges)
}

fn line_text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    // As `curl -v` marks them.
    let text = text.trim_end_matches(['\r', '\n']);
    text.strip_prefix("< ").or_else(|| (text == "<").then_some("")).unwrap_or(text).to_owned()
}

fn begins_exchange(line: &[u8]) -> bool {
    let line = line_text(line);
    line.starts_with("> ") || status_of(&line).is_some()
}

fn status_of(line: &str) -> Option<u16> {
    let (version, rest) = line.strip_prefix("HTTP/")?.split_once(' ')?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    rest.get(..3)?.parse().ok().filter(|_| is_version)
}

fn request(lines: &[String]) -> (Option<Method>, Option<Url>) {
    let Some((line, headers)) = lines.split_first() else { return (None, None) };
    let mut words = line.split_ascii_whitespace();
    let method = words.next().and_then(|word| word.parse().ok());
    let target = words.next().unwrap_or_default();
    let host =
        headers.iter().filter_map(|header| header.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let url = Url::parse(target).ok().or_else(|| Url::parse(&format!("https://{}{target}", host?.1.trim())).ok());
    (method, url)
}
