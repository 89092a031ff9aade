//! `Reply`: what the server does with a request, as the tape has it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::tape::Tape;

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pause {
    None,
    For(Duration),
    Forever,
}

#[derive(Debug)]
pub struct Reply {
    pub pause: Pause,
    /// Nothing, where the connection is lost.
    pub response: Option<Response>,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Plan,
}

impl Response {
    /// Whether the body says that it is an HTTP message itself.
    pub fn may_be_message(&self) -> bool {
        let is_message = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"application/http");
        self.headers.get("content-type").is_some_and(is_message)
    }
}

/// A body, and how it comes.
#[derive(Clone, Debug)]
pub struct Plan {
    pub data: Bytes,
    /// The size of a frame.
    pub chunk: usize,
    /// Where it pauses, and how long.
    pub pause: (usize, Pause),
    /// Whether it ends in an error.
    pub breaks: bool,
    pub trailers: Option<HeaderMap>,
    /// Whether it says that it is at its end, and how long it is.
    pub is_open: bool,
    /// Whether frames without data come between.
    pub has_empty_frames: bool,
}

pub const STATUSES: [u16; 32] = [
    200, 202, 200, 202, 200, 303, 201, 204, 302, 301, 307, 308, 404, 429, 503, 500, 400, 410, 206, 408, 502, 504, 304,
    401, 200, 202, 200, 299, 101, 418, 599, 999,
];
pub const PAUSES: [Pause; 24] = {
    let mut pauses = [Pause::None; 24];
    pauses[16] = Pause::For(Duration::from_millis(1));
    pauses[17] = Pause::For(Duration::from_millis(200));
    pauses[18] = Pause::For(Duration::from_millis(900));
    pauses[19] = Pause::For(Duration::from_secs(4));
    pauses[20] = Pause::For(Duration::from_secs(31));
    pauses[21] = Pause::For(Duration::from_secs(900));
    pauses[22] = Pause::Forever;
    pauses
};
pub const ADDRESSES: [&str; 38] = [
    "/operations/1",
    "https://example.com/operations/1?api-version=1",
    "operations/2",
    "/operations/1",
    "/operations/3?subscription-key=squeamish-ossifrage&a=b",
    "https://other.example/operations/1",
    "https://api.trusted.example/operations/1",
    "\"/operations/quoted\"",
    "?id=1",
    "",
    "https://us.atlas.microsoft.com/operations/1",
    "https://eu.atlas.microsoft.com/operations/1?subscription-key=another",
    "https://wabi-north.analysis.windows.net/v1/operations/1",
    "https://example.com:443/operations/1#fragment",
    "http://example.com:8080/operations/1",
    "http://example.com/operations/1",
    "https://example.com:8443/operations/1",
    "https://[::1]:8443/operations/1",
    "//other.example/operations/1",
    "/v1/start?api-version=1",
    "/start",
    "../../..",
    "/operations/%2e%2e/x y{z}",
    "https://evil.test/",
    "http://169.254.169.254/metadata",
    "/\\evil.test/",
    "https://example.com@evil.test/",
    "https://user:password@example.com/",
    "https://@example.com/",
    "ftp://example.com/",
    "javascript:alert(1)",
    "https://",
    "https://[::1",
    "https://ex\u{e4}mple.com/\u{e9}",
    "https://xn--a/",
    "https:operations/1",
    "/?api-version=3&API-VERSION=4",
    "http://0x7f.1:8080/",
];
pub const HINTS: [&str; 16] = [
    "5",
    "1",
    "30",
    "100",
    "0",
    "2500",
    "3600",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "1.5",
    "soon",
    "Sun, 06 Nov 1994 08:50:37 GMT",
    "Fri, 31 Dec 2100 23:59:59 GMT",
    " 7 ",
    "",
];
const DATES: [&str; 4] = ["Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2100 23:59:30 GMT", "today", ""];
const PROGRESS: [&str; 6] = ["50", "50% done", "in progress", "1e999%", "% %", "NaN"];
const RESULTS: [&str; 5] = ["200", "404", "500", "2000", "no"];
const TYPES: [&str; 4] = ["application/http", "application/json", "Application/HTTP; msgtype=response", "text/html"];
const NAMES: [&str; 3] = ["1", "", "\u{e9}"];

/// The headers that matter, and what is in them.
pub const HEADERS: [(&str, &[&str]); 16] = [
    ("operation-location", &ADDRESSES),
    ("location", &ADDRESSES),
    ("retry-after", &HINTS),
    ("azure-asyncoperation", &ADDRESSES),
    ("content-location", &ADDRESSES),
    ("resource-location", &ADDRESSES),
    ("retry-after-ms", &HINTS),
    ("x-ms-retry-after-ms", &HINTS),
    ("date", &DATES),
    ("asyncresult", &RESULTS),
    ("content-type", &TYPES),
    ("x-progress", &PROGRESS),
    ("operation-id", &NAMES),
    ("x-ms-operation-id", &NAMES),
    ("location", &ADDRESSES),
    ("x-other", &NAMES),
];
/// How many headers and parts of bodies there are.
pub const HEADER_COUNTS: [usize; 8] = [0, 1, 0, 2, 1, 0, 3, 5];
pub const PART_COUNTS: [usize; 8] = [1, 1, 0, 2, 1, 1, 4, 8];
pub const PARTS: [&str; 40] = [
    r#"{"status":"Succeeded"}"#,
    r#"{"status":"Running"}"#,
    r#"{"status":"NotStarted","percentComplete":0}"#,
    r#"{"status":"Failed","error":{"code":"InvalidFeature","message":"No.","details":{"code":7}}}"#,
    r#"{"status":"Succeeded","resourceLocation":"/resource/1"}"#,
    r#"{"status":"Succeeded","resourceLocation":"https://other.example/resource/1"}"#,
    r#"{"name":"operations/1"}"#,
    r#"{"name":"operations/1","done":true,"response":{"a":"b"}}"#,
    r#"{"name":"operations/1","error":{"code":3,"message":"No."}}"#,
    r#"{"properties":{"provisioningState":"Creating"}}"#,
    r#"{"properties":{"provisioningState":"Succeeded"},"id":"/a"}"#,
    r#"{"status":"completed","target":"/secrets/1"}"#,
    r#"{"status":"Canceled"}"#,
    "",
    "{}",
    "[]",
    "<html>",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Other: 1\r\n\r\n{\"id\":\"7\"}",
    "HTTP/1.1 404 Not Found\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: ",
    "\r\n\r\n",
    "{",
    "}",
    r#""a":["#,
    "],",
    r#""a":""#,
    r#"","#,
    r#""status":"Succeeded""#,
    r#""status":"Running","#,
    r#"{"status":"Succeeded","#,
    r#""id":"1""#,
    r#"{"percentComplete":50,"#,
    "\u{feff}",
    "\n",
    r#"{"createdDateTime":"2021-05-06T07:55:19+00:00","status":"Running"}"#,
    r#"{"operationId":"1","created":"3/11/2020 8:45:13 PM +00:00","status":"Succeeded"}"#,
    r#"{"status":"R\u0075nning"#,
    r#"{"status":null,"status":7,"status":"Rejected""#,
    r#"{"status":"Succeeded","resourceLocation":"/v1/start?api-version=1"}"#,
    r#"{"error":null,"response":null,"status":"Deduped"}"#,
];
/// Parts that are nothing but long, where the byte belongs to no text.
pub const FILLERS: [usize; 6] = [10, 500, 1_000, 5_000, 65_536, 1_050_000];
pub const FILLER: u8 = 0x7c;
const MAX_BODY: usize = 2_200_000;
pub const CHUNKS: [usize; 8] = [usize::MAX, usize::MAX, 1, 7, 64, 1000, usize::MAX, 16_384];
const MAX_FRAMES: usize = 300;

/// Bits of the byte on how a body comes.
pub const BREAKS: u8 = 0x20;
pub const HAS_TRAILERS: u8 = 0x40;
pub const IS_OPEN: u8 = 0x80;
pub const HAS_EMPTY_FRAMES: u8 = 0x10;
pub const PAUSES_WITHIN: u8 = 0x08;

/// Every so manieth response to a start request need not be one that the first of the layer's protocols knows.
pub const UNKNOWN: u8 = 4;

impl Pause {
    pub fn read(tape: &mut Tape) -> Self {
        tape.pick(&PAUSES)
    }
}

impl Reply {
    /// A status, headers and a body.
    pub fn read(tape: &mut Tape) -> Self {
        Self::read_with(tape, |tape| tape.pick(&STATUSES), None)
    }

    /// The answer to a start request, to a layer that speaks `protocol` first.
    pub fn read_start(tape: &mut Tape, protocol: &str) -> Self {
        if tape.byte() % UNKNOWN == UNKNOWN - 1 {
            return Self::read(tape);
        }
        let header = match protocol {
            "azure-resource-manager" => "azure-asyncoperation",
            "operation-location" | "azure-core" => "operation-location",
            "fhir" => "content-location",
            "aip-151" => return Self::read_with(tape, |_| 200, None),
            _ => "location",
        };
        Self::read_with(tape, |_| 202, Some(header))
    }

    fn read_with(tape: &mut Tape, status: impl FnOnce(&mut Tape) -> u16, announcement: Option<&'static str>) -> Self {
        let pause = Pause::read(tape);
        let lost = pause != Pause::Forever && tape.byte() >= 0xf0;
        if lost {
            return Self { pause, response: None };
        }
        let status = StatusCode::from_u16(status(tape)).expect("it is a status");
        let mut headers = HeaderMap::new();
        let mut read = |tape: &mut Tape, (name, dictionary): (&'static str, &[&str])| {
            // No transport lets an invalid header value through.
            if let Ok(value) = HeaderValue::from_bytes(&tape.text(dictionary)) {
                headers.append(HeaderName::from_static(name), value);
            }
        };
        if let Some(name) = announcement {
            read(tape, (name, &ADDRESSES));
        }
        for _ in 0..tape.pick(&HEADER_COUNTS) {
            let header = tape.pick(&HEADERS);
            read(tape, header);
        }
        Self { pause, response: Some(Response { status, headers, body: Plan::read(tape) }) }
    }
}

impl Plan {
    fn read(tape: &mut Tape) -> Self {
        let mut data = Vec::new();
        for _ in 0..tape.pick(&PART_COUNTS) {
            let part = match tape.byte() {
                FILLER..super::tape::RAW => vec![b'x'; tape.pick(&FILLERS)],
                first => tape.text_from(first, &PARTS),
            };
            data.extend_from_slice(&part[..part.len().min(MAX_BODY - data.len())]);
        }
        let how = tape.byte();
        let chunk = CHUNKS[usize::from(how) % CHUNKS.len()].max(data.len() / MAX_FRAMES).max(1);
        let pause = match how & PAUSES_WITHIN {
            0 => (0, Pause::None),
            _ => (usize::from(tape.byte()) * 7 % (data.len() + 1), Pause::read(tape)),
        };
        let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-trailer"), HeaderValue::from_static("1"))]);
        Self {
            chunk,
            pause,
            breaks: how & BREAKS != 0,
            trailers: (how & (HAS_TRAILERS | BREAKS) == HAS_TRAILERS).then_some(trailers),
            is_open: how & IS_OPEN != 0,
            has_empty_frames: how & HAS_EMPTY_FRAMES != 0,
            data: data.into(),
        }
    }
}
