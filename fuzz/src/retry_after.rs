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
    let delay = internals::retry_after(&headers, wall);
    assert_ne!(delay, Some(Duration::ZERO), "{headers:?} ask for no delay");
    assert_eq!(delay, reference(&headers, wall), "{headers:?} at {wall:?}");
}

/// The first header with a value that can be read, milliseconds before seconds; of several values the largest.
pub fn reference(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let values = |name: &str| -> Vec<String> {
        let texts = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        texts.map(|text| text.trim().to_owned()).collect()
    };
    let millis = |name| {
        let values = values(name);
        let items = values.iter().flat_map(|value| value.split(','));
        items.filter_map(|item| count(item.trim())).map(Duration::from_millis).max()
    };
    let sent = headers.get("date").and_then(|value| httpdate::parse_http_date(value.to_str().ok()?.trim()).ok());
    // A proxy may have joined several values by commas, which dates have, too.
    let of_value = |value: &String| {
        let items: Vec<_> = value.split(',').collect();
        let pairs = items.windows(2).map(|pair| pair.join(","));
        let dates = items.iter().map(ToString::to_string).chain(pairs);
        let dates = dates.filter_map(|date| httpdate::parse_http_date(date.trim()).ok());
        let until = dates.filter_map(|date| date.duration_since(sent.unwrap_or(wall)).ok());
        let seconds = items.iter().filter_map(|item| seconds(item.trim()));
        until.filter(|delay| *delay > Duration::ZERO).chain(seconds).max()
    };
    millis("retry-after-ms")
        .or_else(|| millis("x-ms-retry-after-ms"))
        .or_else(|| values("retry-after").iter().filter_map(of_value).max())
}

/// `30`, `29.5`, `30s`, `PT30S`.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let Some(mut rest) = text.strip_prefix("PT") else {
        let number = text.strip_suffix('S').map_or(&*text, str::trim_end);
        return count(number).map(Duration::from_secs);
    };
    let mut total = 0_u64;
    for (unit, seconds) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            total = total.checked_add(count(number)?.checked_mul(seconds)?)?;
            rest = behind;
        }
    }
    (rest.is_empty() && total > 0).then_some(Duration::from_secs(total))
}

/// Digits, perhaps with a point between them; above zero, rounded up, and no more than fit in.
fn count(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut number = 0_u64;
    for byte in whole.bytes() {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_fraction {
        return None;
    }
    let is_exact = fraction.bytes().all(|byte| byte == b'0');
    number.checked_add(u64::from(!is_exact)).filter(|&number| number > 0)
}
