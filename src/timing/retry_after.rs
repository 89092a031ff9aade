//! `RetryAfter`: the delay that a response asks for, in any of its forms.

use std::{
    iter,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, header::DATE};

/// The delay that a response asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetryAfter {
    delay: Duration,
    /// Whether it was a time by our clock; the delay is then the time from the arrival of the head until that time.
    is_by_clock: bool,
}

impl RetryAfter {
    /// Reads the first of these headers that asks for a delay: `retry-after-ms`, `x-ms-retry-after-ms`, `Retry-After`. If a header has
    /// several values, the largest counts. Zero, negative, past and unreadable delays do not count.
    ///
    /// `wall` gives the time of day, for an HTTP-date in a response without `Date`.
    pub(crate) fn of(headers: &HeaderMap, wall: impl Fn() -> SystemTime) -> Option<Self> {
        let mut found: [Option<Self>; 3] = [None; 3];
        // One pass over all headers costs a quarter of three lookups.
        for (name, value) in headers {
            let rank = match name.as_str() {
                "retry-after-ms" => 0,
                "x-ms-retry-after-ms" => 1,
                "retry-after" => 2,
                _ => continue,
            };
            let Ok(text) = value.to_str() else { continue };
            let delay = match rank {
                2 => retry_after(text.trim(), headers, &wall),
                _ => largest(text, |item| number(item, Duration::from_millis(1))),
            };
            found[rank] = larger(found[rank], delay);
        }
        found.into_iter().flatten().next()
    }

    const fn new(delay: Duration) -> Self {
        Self { delay, is_by_clock: false }
    }

    /// The rest of the delay, `passed` after the head arrived.
    pub(crate) fn after(self, passed: Duration) -> Duration {
        if self.is_by_clock { self.delay.saturating_sub(passed) } else { self.delay }
    }
}

fn larger(a: Option<RetryAfter>, b: Option<RetryAfter>) -> Option<RetryAfter> {
    [a, b].into_iter().flatten().max_by_key(|it| it.delay)
}

/// The largest of the values, which a proxy may have joined.
fn largest(text: &str, read: impl Fn(&str) -> Option<Duration>) -> Option<RetryAfter> {
    text.split(',').filter_map(|item| read(item.trim())).max().map(RetryAfter::new)
}

/// Reads `Retry-After`: seconds or an HTTP-date ([RFC 9110, section 10.2.3]), and the other forms that services send: decimals,
/// `30s`, and durations of ISO 8601 (`PT30S`).
///
/// [RFC 9110, section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
fn retry_after(text: &str, headers: &HeaderMap, wall: impl Fn() -> SystemTime) -> Option<RetryAfter> {
    let Some(date) = dates(text).max() else { return largest(text, seconds) };
    // By the service's own clock, so that a wrong clock of ours does no harm.
    let sent = headers.get(DATE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?.trim()).ok());
    let until = date.duration_since(sent.unwrap_or_else(wall)).ok().filter(|delay| !delay.is_zero());
    let until = until.map(|delay| RetryAfter { delay, is_by_clock: sent.is_none() });
    // A proxy may have joined both forms.
    larger(until, largest(text, seconds))
}

/// The dates in a value, which a proxy may have joined from several. Most dates contain a comma themselves.
fn dates(text: &str) -> impl Iterator<Item = SystemTime> {
    let begins = iter::once(0).chain(text.match_indices(',').map(|(comma, _)| comma + 1));
    begins.flat_map(move |begin| {
        let ends = text[begin..].match_indices(',').map(move |(comma, _)| begin + comma).chain([text.len()]);
        ends.take(2).filter_map(move |end| httpdate::parse_http_date(text[begin..end].trim()).ok())
    })
}

fn seconds(text: &str) -> Option<Duration> {
    let second = Duration::from_secs(1);
    match text.get(..2).filter(|start| start.eq_ignore_ascii_case("pt")) {
        Some(_) => iso_8601(&text[2..]),
        None => number(text.strip_suffix(['s', 'S']).map_or(text, str::trim_end), second),
    }
}

/// Reads hours, minutes and seconds, after the `PT` of a duration.
fn iso_8601(mut text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for (unit, seconds) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((count, rest)) = text.split_once([unit, unit.to_ascii_lowercase()]) {
            total = total.checked_add(number(count, Duration::from_secs(seconds))?)?;
            text = rest;
        }
    }
    (text.is_empty() && !total.is_zero()).then_some(total)
}

/// Reads a number of units, rounded up to a whole one.
fn number(text: &str, unit: Duration) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    // `u64::from_str` takes a sign.
    if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rounds_up = fraction.bytes().any(|digit| digit != b'0');
    let count = whole.parse::<u64>().ok()?.checked_add(rounds_up.into())?;
    let (seconds, millis) = (unit.as_secs().checked_mul(count)?, u64::from(unit.subsec_millis()).checked_mul(count)?);
    let delay = Duration::from_secs(seconds).checked_add(Duration::from_millis(millis))?;
    (!delay.is_zero()).then_some(delay)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, header::RETRY_AFTER};
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    /// Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
    fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn delay(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        RetryAfter::of(&headers(pairs), wall).map(|it| it.delay)
    }

    const fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    const fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn the_first_header_that_can_be_read_counts() {
        for (pairs, expected) in [
            (&[][..], None),
            (&[("retry-after", "30")], seconds(30)),
            (&[("retry-after", "30"), ("retry-after-ms", "1500")], millis(1500)),
            (&[("retry-after", "30"), ("x-ms-retry-after-ms", "250")], millis(250)),
            (&[("x-ms-retry-after-ms", "250"), ("retry-after-ms", "1500")], millis(1500)),
            (&[("retry-after-ms", "soon"), ("x-ms-retry-after-ms", "0"), ("retry-after", "5")], seconds(5)),
        ] {
            assert_eq!(delay(pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn seconds_are_read_in_the_forms_that_services_send() {
        for (value, expected) in [
            (" 030 ", seconds(30)),
            ("299.997", seconds(300)),
            ("0.1", seconds(1)),
            ("30.0", seconds(30)),
            ("30.", seconds(30)),
            ("30s", seconds(30)),
            ("30 S", seconds(30)),
            ("1.5s", seconds(2)),
            ("PT30S", seconds(30)),
            ("pt1m30s", seconds(90)),
            ("PT2H", seconds(7200)),
            ("PT0.5S", seconds(1)),
            ("5, 10", seconds(10)),
            ("10,5", seconds(10)),
            ("0, junk, 7", seconds(7)),
            ("18446744073709551615", seconds(u64::MAX)),
        ] {
            assert_eq!(delay(&[("retry-after", value)]), expected, "{value:?}");
        }
        assert_eq!(delay(&[("retry-after-ms", "0.2")]), millis(1));
        assert_eq!(delay(&[("retry-after-ms", "5, 1500")]), millis(1500));
    }

    #[test]
    fn the_largest_of_several_headers_counts() {
        assert_eq!(delay(&[("retry-after", "0"), ("retry-after", "7"), ("retry-after", "5")]), seconds(7));
        let date = ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(delay(&[("retry-after", "30"), date]), seconds(60));
        assert_eq!(delay(&[date, ("retry-after", "90")]), seconds(90));
        for (joined, expected) in [
            ("Sun, 06 Nov 1994 08:50:37 GMT, Sun, 06 Nov 1994 08:50:38 GMT", 61),
            ("30, Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sunday, 06-Nov-94 08:50:37 GMT,90", 90),
            ("Sun Nov  6 08:50:37 1994, Sun, 06 Nov 1994 08:49:30 GMT", 60),
            ("Sun, 06 Nov 1994 08:49:30 GMT, 5", 5),
        ] {
            assert_eq!(delay(&[("retry-after", joined)]), seconds(expected), "{joined}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_delay() {
        for junk in [
            "",
            "0",
            "00",
            "0.0",
            "-1",
            "+30",
            ".5",
            "1.2.3",
            "\"30\"",
            "0x1e",
            "1e3",
            "18446744073709551616",
            "18446744073709551615.1",
            "٣٠",
            "soon",
            "s",
            "30 m",
            "PT",
            "PTS",
            "PT1X",
            "PT5S1M",
            "P1D",
            "PT18446744073709551615H",
            ",",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:36 GMT",
        ] {
            assert_eq!(delay(&[("retry-after", junk)]), None, "{junk:?}");
            assert_eq!(delay(&[("retry-after-ms", junk)]), None, "{junk:?}");
        }
        let mut not_text = HeaderMap::new();
        not_text.insert(RETRY_AFTER, HeaderValue::from_bytes(b"\xff30").unwrap());
        assert_eq!(RetryAfter::of(&not_text, || SystemTime::UNIX_EPOCH), None);
    }

    #[test]
    fn dates_are_read_against_the_services_clock() {
        let minute = seconds(60);
        assert_eq!(delay(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]), minute);
        assert_eq!(delay(&[("retry-after", "Sunday, 06-Nov-94 08:50:37 GMT")]), minute);
        assert_eq!(delay(&[("retry-after", "Sun Nov  6 08:50:37 1994")]), minute);
        let late = "Fri, 31 Dec 2027 23:59:00 GMT";
        assert_eq!(delay(&[("retry-after", "Sat, 01 Jan 2028 00:00:00 GMT"), ("date", late)]), minute);
        assert_eq!(delay(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", late)]), None);
        assert_eq!(delay(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "today")]), minute);
    }

    #[test]
    fn a_date_by_our_clock_comes_no_later_for_a_slow_body() {
        let date = ("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT");
        let after = |pairs: &[(&'static str, &str)], passed| {
            RetryAfter::of(&headers(pairs), wall).map(|it| it.after(Duration::from_secs(passed)))
        };
        assert_eq!([after(&[date], 1), after(&[date], 3), after(&[date], 4)], [seconds(2), seconds(0), seconds(0)]);
        let dated = [date, ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!([after(&dated, 4), after(&[("retry-after", "3")], 4)], [seconds(3), seconds(3)]);
    }

    proptest! {
        #[test]
        fn any_header_value_is_read_without_panic(value in prop::collection::vec(0x20_u8..=0xff, 0..40), date: Option<i64>) {
            let mut headers = HeaderMap::new();
            for name in ["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "date"] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(name, value);
                }
            }
            if let Some(date) = date {
                headers.append(RETRY_AFTER, HeaderValue::from_str(&date.to_string()).unwrap());
            }
            prop_assert!(RetryAfter::of(&headers, SystemTime::now).is_none_or(|it| !it.delay.is_zero()));
        }

        #[test]
        fn what_looks_like_a_delay_is_read_without_panic(value in "(PT|pt)?[0-9]{0,22}[.,HMSs ]{0,2}[0-9]{0,22}[HMSs]?") {
            _ = delay(&[("retry-after", &value), ("retry-after-ms", &value)]);
        }
    }
}
