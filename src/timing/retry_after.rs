//! `Retry-After` in all its forms: the delay that a response asks for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header::DATE};

/// How long a response asks to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hint {
    pub(crate) delay: Duration,
    /// Whether it is a time of our clock, and the delay the time until then as of when the head arrived.
    is_by_clock: bool,
}

impl Hint {
    const fn of(delay: Duration) -> Self {
        Self { delay, is_by_clock: false }
    }

    /// What is left of it so long after the head arrived.
    pub(crate) fn after(self, passed: Duration) -> Duration {
        if self.is_by_clock { self.delay.saturating_sub(passed) } else { self.delay }
    }
}

/// How long the response asks to wait, if it does: the first of its hints that parses.
///
/// `wall` is the time of day, for an HTTP-date in a response without `Date`.
pub(crate) fn hint(headers: &HeaderMap, wall: SystemTime) -> Option<Hint> {
    let mut hints = [None; 3];
    // Through all of them once: that is a quarter of what three lookups cost.
    for (name, value) in headers {
        let (rank, is_milliseconds) = match name.as_str() {
            "retry-after-ms" => (0, true),
            "x-ms-retry-after-ms" => (1, true),
            "retry-after" => (2, false),
            _ => continue,
        };
        if hints[rank].is_some() {
            continue;
        }
        let Ok(text) = value.to_str() else { continue };
        hints[rank] = match is_milliseconds {
            true => positive_integer(text).map(|number| Hint::of(Duration::from_millis(number))),
            false => retry_after(text, headers, wall),
        };
    }
    hints.into_iter().flatten().next()
}

/// `Retry-After`, in seconds or as an HTTP-date ([RFC 9110, section 10.2.3]).
///
/// [RFC 9110, section 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
fn retry_after(text: &str, headers: &HeaderMap, wall: SystemTime) -> Option<Hint> {
    if let Some(seconds) = positive_integer(text) {
        return Some(Hint::of(Duration::from_secs(seconds)));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    // The server's own clock, so that a wrong one of ours does no harm.
    let sent = headers.get(DATE).and_then(|value| httpdate::parse_http_date(value.to_str().ok()?.trim()).ok());
    let delay = date.duration_since(sent.unwrap_or(wall)).ok().filter(|delay| !delay.is_zero())?;
    Some(Hint { delay, is_by_clock: sent.is_none() })
}

fn positive_integer(text: &str) -> Option<u64> {
    let text = text.trim();
    // `u64::from_str` takes a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number > 0)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, header::RETRY_AFTER};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        config::Settings,
        timing::backoff::{Backoff, DelayReason, Pace},
    };

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn hint_of(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        // Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
        hint(&headers(pairs), SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)).map(|hint| hint.delay)
    }

    #[test]
    fn the_first_hint_that_parses_counts() {
        let seconds = |s| Some(Duration::from_secs(s));
        let millis = |ms| Some(Duration::from_millis(ms));
        assert_eq!(hint_of(&[]), None);
        assert_eq!(hint_of(&[("retry-after", "30")]), seconds(30));
        assert_eq!(hint_of(&[("retry-after", " 030 ")]), seconds(30));
        assert_eq!(hint_of(&[("retry-after", "30"), ("retry-after-ms", "1500")]), millis(1500));
        assert_eq!(hint_of(&[("retry-after", "30"), ("x-ms-retry-after-ms", "250")]), millis(250));
        assert_eq!(hint_of(&[("x-ms-retry-after-ms", "250"), ("retry-after-ms", "1500")]), millis(1500));
        assert_eq!(
            hint_of(&[("retry-after-ms", "soon"), ("x-ms-retry-after-ms", "0"), ("retry-after", "5")]),
            seconds(5)
        );
        assert_eq!(hint_of(&[("retry-after", "0"), ("retry-after", "7")]), seconds(7));
    }

    #[test]
    fn what_is_no_hint() {
        for junk in [
            "",
            "0",
            "00",
            "-1",
            "+30",
            "1.5",
            "30s",
            "30, 60",
            "\"30\"",
            "0x1e",
            "18446744073709551616",
            "٣٠",
            "soon",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:36 GMT",
        ] {
            assert_eq!(hint_of(&[("retry-after", junk)]), None, "{junk:?}");
            assert_eq!(hint_of(&[("retry-after-ms", junk)]), None, "{junk:?}");
        }
        let mut not_text = HeaderMap::new();
        not_text.insert(RETRY_AFTER, HeaderValue::from_bytes(b"\xff30").unwrap());
        assert!(hint(&not_text, SystemTime::UNIX_EPOCH).is_none());
    }

    #[test]
    fn dates_are_read_against_the_servers_clock() {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(hint_of(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]), minute);
        assert_eq!(hint_of(&[("retry-after", "Sunday, 06-Nov-94 08:50:37 GMT")]), minute);
        assert_eq!(hint_of(&[("retry-after", "Sun Nov  6 08:50:37 1994")]), minute);
        let late = "Fri, 31 Dec 2027 23:59:00 GMT";
        assert_eq!(hint_of(&[("retry-after", "Sat, 01 Jan 2028 00:00:00 GMT"), ("date", late)]), minute);
        assert_eq!(hint_of(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", late)]), None);
        assert_eq!(hint_of(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), ("date", "today")]), minute);
    }

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        settings.jitter = 0.0;
        change(&mut settings);
        settings
    }

    #[test]
    fn the_backoff_grows_to_its_maximum_and_hints_do_not_advance_it() {
        let settings = settings(|_| {});
        let mut pace = Pace::new(0);
        let mut next = |hint: Option<u64>| pace.delay(hint.map(Duration::from_secs), &settings).0.as_millis();
        assert_eq!([next(None), next(None), next(None)], [1000, 1500, 2250]);
        assert_eq!([next(Some(7)), next(Some(7))], [7000, 7000]);
        assert_eq!(next(None), 3375);
        let rest: Vec<_> = (0..8).map(|_| next(None)).collect();
        assert_eq!(rest[4..7], [25628, 30000, 30000]);
    }

    #[test]
    fn odd_backoffs_are_tamed() {
        let second = Duration::from_secs(1);
        for factor in [0.5, 0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            let backoff = Backoff::exponential(second, factor, second * 9);
            assert_eq!(backoff.after(backoff.first()), second, "{factor}");
        }
        assert_eq!(Backoff::exponential(second, f64::INFINITY, second * 9).after(second), second * 9);
        assert_eq!(Backoff::exponential(second * 9, 2.0, second).first(), second);
        assert_eq!(Backoff::exponential(Duration::ZERO, f64::INFINITY, second).after(Duration::ZERO), second);
        let constant = Backoff::constant(Duration::MAX);
        assert_eq!(constant.after(constant.first()), Duration::MAX);
    }

    #[test]
    fn a_backoff_goes_on_from_whatever_it_begins_with() {
        let second = Duration::from_secs(1);
        for (backoff, expected) in [
            (Backoff::exponential(Duration::ZERO, f64::INFINITY, second), [Duration::ZERO, second, second]),
            (Backoff::exponential(Duration::ZERO, 2.0, second), [Duration::ZERO; 3]),
            (Backoff::exponential(second, f64::INFINITY, Duration::MAX), [second, Duration::MAX, Duration::MAX]),
        ] {
            let settings = settings(|s| s.backoff = backoff);
            let mut pace = Pace::new(0);
            assert_eq!([(); 3].map(|()| pace.delay(None, &settings).0), expected, "{backoff:?}");
        }
    }

    #[test]
    fn a_date_by_our_clock_comes_no_later_for_a_slow_body() {
        let second = Duration::from_secs(1);
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let date = ("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT");
        let after = |pairs: &[(&'static str, &str)], passed| hint(&headers(pairs), wall).map(|hint| hint.after(passed));
        assert_eq!(after(&[date], second), Some(second * 2));
        assert_eq!(
            (after(&[date], second * 3), after(&[date], second * 4)),
            (Some(Duration::ZERO), Some(Duration::ZERO))
        );
        let dated = [date, ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(
            (after(&dated, second * 4), after(&[("retry-after", "3")], second * 4)),
            (Some(second * 3), Some(second * 3))
        );
    }

    #[test]
    fn hints_are_bounded_by_the_settings_alone() {
        let settings = settings(|s| {
            s.min_delay = Duration::from_secs(2);
            s.max_delay = Duration::from_secs(10);
        });
        let delay = |hint| Pace::new(0).delay(Some(Duration::from_secs(hint)), &settings).0.as_secs();
        assert_eq!([delay(1), delay(5), delay(60), delay(u64::MAX)], [2, 5, 10, 10]);
        assert_eq!(Pace::new(0).delay(None, &settings).0.as_secs(), 2);
    }

    #[test]
    fn a_jitter_that_is_no_positive_number_is_none() {
        for jitter in [0.0, -0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let settings = settings(|s| s.jitter = jitter);
            let delay = Pace::new(1).delay(Some(Duration::from_secs(7)), &settings).0;
            assert_eq!(delay, Duration::from_secs(7), "{jitter}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut pace = Pace::new(0);
        for number in [0xE220_A839_7B1D_CDAF_u64, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F] {
            assert_eq!(pace.random(), (number >> 11) as f64 / 2_f64.powi(53));
        }
    }

    proptest! {
        #[test]
        fn delays_never_overflow_nor_come_before_the_hint(
            hint: Option<Duration>, first: Duration, factor: f64, max: Duration, min: Duration, jitter: f64, seed: u64,
        ) {
            let settings = settings(|s| {
                s.backoff = Backoff::exponential(first, factor, max);
                s.min_delay = min;
                s.max_delay = Duration::MAX;
                s.jitter = jitter;
            });
            let mut pace = Pace::new(seed);
            for _ in 0..4 {
                let (delay, reason) = pace.delay(hint, &settings);
                prop_assert!(delay >= min);
                prop_assert_eq!(reason == DelayReason::RetryAfter, hint.is_some());
                if let Some(hint) = hint {
                    prop_assert!(delay >= hint);
                }
            }
        }

        #[test]
        fn the_jitter_stays_within_its_fraction(seconds in 1_u64..100_000, jitter in 0.0..1.0_f64, seed: u64) {
            let settings = settings(|s| { s.jitter = jitter; s.max_delay = Duration::MAX; });
            let hint = Duration::from_secs(seconds);
            let (delay, _) = Pace::new(seed).delay(Some(hint), &settings);
            prop_assert!(delay >= hint && delay <= hint.mul_f64(1.0 + jitter));
        }

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
            prop_assert!(hint(&headers, SystemTime::now()).is_none_or(|hint| !hint.delay.is_zero()));
        }
    }
}
