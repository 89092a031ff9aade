//! Recorded exchanges: a HAR, or what curl prints.

use std::{fs, path::Path};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use reqwest::Url;
use serde::Deserialize;

use crate::curl;

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
    let exchanges = if is_har { of_har(&text) } else { curl::exchanges(&text) };
    match exchanges {
        Ok(exchanges) if exchanges.is_empty() => Err(format!("{name} has no response: no line begins with HTTP/")),
        other => other.map_err(|error| format!("{name}: {error}")),
    }
}

/// What is about the connection, or about how the body was encoded on it.
const OF_CONNECTION: [&str; 3] = ["content-encoding", "content-length", "transfer-encoding"];

pub fn response<'a>(
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
