//! `Retry-After` and its millisecond forms, against a parser that is as simple as can be.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_lro::internals;

/// The headers that lines stand for, by their first byte.
pub const HEADERS: [(u8, &str); 4] =
    [(b's', "retry-after"), (b'm', "retry-after-ms"), (b'x', "x-ms-retry-after-ms"), (b'd', "date")];

/// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
const WALL: u64 = 784_111_777;

/// A line for each header: a byte that says which, and its value. A line `w` has the time of day, in seconds.
pub fn check(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut wall = WALL;
    for line in bytes.split(|&byte| byte == b'\n') {
        let Some((which, value)) = line.split_first() else { continue };
        if *which == b'w' {
            let seconds = std::str::from_utf8(value).ok().and_then(|seconds| seconds.parse::<u32>().ok());
            wall = seconds.map_or(wall, u64::from);
            continue;
        }
        let Some((_, name)) = HEADERS.iter().find(|(byte, _)| byte == which) else { continue };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(wall);
    let hint = internals::hint(&headers, wall);
    assert_ne!(hint, Some(Duration::ZERO), "a hint of nothing, of {headers:?}");
    assert_eq!(hint, reference(&headers, wall), "the hint of {headers:?} at {wall:?}");
}

/// The first hint that parses: milliseconds before seconds, and seconds as they come.
pub fn reference(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let values = |name: &str| -> Vec<String> {
        let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        texts.map(|text| text.trim().to_owned()).collect()
    };
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        for value in values(name) {
            if let Some(millis) = number(&value) {
                return Some(Duration::from_millis(millis));
            }
        }
    }
    let sent = headers.get("date").and_then(|value| httpdate::parse_http_date(value.to_str().ok()?.trim()).ok());
    for value in values("retry-after") {
        if let Some(seconds) = number(&value) {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(&value).ok();
        match date.and_then(|date| date.duration_since(sent.unwrap_or(wall)).ok()) {
            Some(delay) if delay > Duration::ZERO => return Some(delay),
            _ => {}
        }
    }
    None
}

/// Nothing but digits, above zero, and no more than fit in.
fn number(text: &str) -> Option<u64> {
    let mut number = 0_u64;
    for byte in text.bytes() {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (number > 0).then_some(number)
}
