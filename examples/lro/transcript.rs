//! Recorded exchanges: a HAR, or what curl prints.

use std::{fs, path::Path};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use reqwest::Url;
use serde::Deserialize;

use crate::{curl, redact::without_user};

/// A response, and the request that it answers, as far as that was recorded.
pub struct Exchange {
    pub method: Option<Method>,
    pub url: Option<Url>,
    pub response: Response<Vec<u8>>,
}

pub fn read(file: &Path) -> Result<Vec<Exchange>, String> {
    let name = file.display();
    let text = decoded(fs::read(file).map_err(|error| format!("{name}: {error}"))?);
    let is_har = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let (exchanges, why_none) = match is_har {
        true => (of_har(&text), "none of its requests was answered"),
        false => (curl::exchanges(&text), "no line begins with HTTP/"),
    };
    match exchanges {
        Ok(exchanges) if exchanges.is_empty() => Err(format!("{name} has no response: {why_none}")),
        Ok(mut exchanges) => {
            // No poll has it in its address.
            exchanges.iter_mut().for_each(|exchange| exchange.url = exchange.url.take().map(without_user));
            Ok(exchanges)
        }
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// Without the mark that Windows begins files with, and in UTF-8, which PowerShell does not write.
fn decoded(text: Vec<u8>) -> Vec<u8> {
    if let Some(text) = text.strip_prefix(b"\xff\xfe") {
        let units = text.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let chars = char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER));
        return chars.collect::<String>().into_bytes();
    }
    text.strip_prefix("\u{feff}".as_bytes()).map(<[u8]>::to_vec).unwrap_or(text)
}

/// Headers about the connection, or about how the body was encoded on it.
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
    status: i64,
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
    text: Option<String>,
    encoding: Option<String>,
}

fn of_har(text: &[u8]) -> Result<Vec<Exchange>, String> {
    let har: Har = serde_json::from_slice(text).map_err(|error| format!("not a HAR: {error}"))?;
    // Those that were never answered have the status 0, or -1; browsers record data: and blob:, too.
    let is_exchange = |entry: &Entry| {
        let (scheme, _) = entry.request.url.split_once(':').unwrap_or_default();
        entry.response.status > 0 && ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http))
    };
    har.log.entries.into_iter().filter(is_exchange).map(Entry::exchange).collect()
}

impl Entry {
    fn exchange(self) -> Result<Exchange, String> {
        let Self { request, response: answer } = self;
        let text = answer.content.text.unwrap_or_default();
        let body = match answer.content.encoding.as_deref() {
            Some("base64") => from_base64(&text).ok_or("a body is not base64")?,
            _ => text.into_bytes(),
        };
        // Browsers join what came several times by line breaks.
        let headers = answer.headers.iter();
        let headers = headers.flat_map(|of| of.value.split('\n').map(|value| (of.name.as_str(), value)));
        let url = Url::parse(&request.url).map_err(|error| format!("a request's address: {error}"))?;
        let method = request.method.parse().map_err(|_| format!("{:?} is not a method", request.method))?;
        let status = answer.status.try_into().map_err(|_| format!("{} is no HTTP status", answer.status))?;
        Ok(Exchange { method: Some(method), url: Some(url), response: response(status, headers, body)? })
    }
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
