//! `Backoff`, and the rules that turn it or a `Retry-After` into a delay.

use std::time::Duration;

/// The delays between polls if the service asks for none.
///
/// The default is exponential, 1 s × 1.5 up to 30 s: waiting adds at most half of the operation's own duration, and the number of
/// polls grows with the logarithm of that. A `Retry-After` always takes precedence, and does not advance the backoff.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_lro::{Backoff, LroLayer};
///
/// const PATIENT: Backoff = Backoff::exponential(Duration::from_secs(5), 2.0, Duration::from_secs(300));
/// const REGULAR: Backoff = Backoff::constant(Duration::from_secs(10));
/// let (exports, lookups) = (LroLayer::new().backoff(PATIENT), LroLayer::new().backoff(REGULAR));
/// # let _ = (exports, lookups);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    factor: f64,
    max: Duration,
}

impl Backoff {
    /// Returns a backoff with the same delay before every poll.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self { first: delay, factor: 1.0, max: delay }
    }

    /// Returns a backoff that begins with `first` and multiplies each delay by `factor`, up to `max`.
    ///
    /// A `factor` below 1 (or not a number) counts as 1, and a `first` above `max` as `max`.
    #[must_use]
    pub const fn exponential(first: Duration, factor: f64, max: Duration) -> Self {
        Self { first, factor, max }
    }

    /// The delay that comes after this one.
    fn next(&self, last: Option<Duration>) -> Duration {
        let Some(last) = last else { return self.first.min(self.max) };
        // The last delay of a stored operation may be anything; no delay is shorter than the first.
        let seconds = last.as_secs_f64() * self.factor.max(1.0);
        Duration::try_from_secs_f64(seconds).map_or(self.max, |next| next.max(self.first).min(self.max))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_secs(1), 1.5, Duration::from_secs(30))
    }
}

/// The reason for the length of a delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelayReason {
    /// The service asked for it, by `Retry-After` or its millisecond forms.
    RetryAfter,
    /// The service asked for nothing: [`Backoff`].
    Backoff,
}

/// A layer's settings for delays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DelayRules {
    pub(crate) backoff: Backoff,
    pub(crate) min_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) jitter: f64,
}

impl Default for DelayRules {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            min_delay: Duration::ZERO,
            max_delay: Duration::from_secs(3600),
            jitter: 0.1,
        }
    }
}

impl DelayRules {
    /// Computes the delay before the next poll. Without a `Retry-After` it advances the `backoff` of the operation.
    pub(crate) fn delay(
        &self,
        retry_after: Option<Duration>,
        backoff: &mut Option<Duration>,
        random: &mut Random,
    ) -> (Duration, DelayReason) {
        let (delay, reason) = match retry_after {
            Some(asked) => (asked.min(self.max_delay), DelayReason::RetryAfter),
            None => (*backoff.insert(self.backoff.next(*backoff)), DelayReason::Backoff),
        };
        let delay = delay.max(self.min_delay);
        (delay.saturating_add(self.jitter_of(delay, random)), reason)
    }

    fn jitter_of(&self, delay: Duration, random: &mut Random) -> Duration {
        // Anything but a positive number, NaN included, means none.
        if self.jitter > 0.0 && self.jitter.is_finite() {
            let seconds = delay.as_secs_f64() * self.jitter * random.next();
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number in 0..1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn exact() -> DelayRules {
        DelayRules { jitter: 0.0, ..DelayRules::default() }
    }

    fn first_delay(rules: DelayRules, retry_after: Option<Duration>) -> Duration {
        rules.delay(retry_after, &mut None, &mut Random::new(1)).0
    }

    #[test]
    fn backoff_grows_to_its_maximum_and_retry_after_does_not_advance_it() {
        let (mut backoff, mut random) = (None, Random::new(0));
        let mut next = |retry_after: Option<u64>| {
            exact().delay(retry_after.map(Duration::from_secs), &mut backoff, &mut random).0.as_millis()
        };
        assert_eq!([next(None), next(None), next(None)], [1000, 1500, 2250]);
        assert_eq!([next(Some(7)), next(Some(7))], [7000, 7000]);
        assert_eq!(next(None), 3375);
        let rest: Vec<_> = (0..8).map(|_| next(None)).collect();
        assert_eq!(rest[4..7], [25628, 30000, 30000]);
    }

    #[test]
    fn odd_backoffs_are_tamed() {
        for factor in [0.5, 0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
            let backoff = Backoff::exponential(SECOND, factor, SECOND * 9);
            assert_eq!(backoff.next(Some(SECOND)), SECOND, "{factor}");
        }
        assert_eq!(Backoff::exponential(SECOND * 9, 2.0, SECOND).next(None), SECOND);
        for (backoff, expected) in [
            (Backoff::exponential(Duration::ZERO, f64::INFINITY, SECOND), [Duration::ZERO, SECOND, SECOND]),
            (Backoff::exponential(Duration::ZERO, 2.0, SECOND), [Duration::ZERO; 3]),
            (Backoff::exponential(SECOND, f64::INFINITY, Duration::MAX), [SECOND, Duration::MAX, Duration::MAX]),
            (Backoff::constant(Duration::MAX), [Duration::MAX; 3]),
        ] {
            let rules = DelayRules { backoff, ..exact() };
            let mut position = None;
            let delays = [(); 3].map(|()| rules.delay(None, &mut position, &mut Random::new(0)).0);
            assert_eq!(delays, expected, "{backoff:?}");
        }
    }

    #[test]
    fn retry_after_is_bounded_by_the_settings_alone() {
        let rules = DelayRules { min_delay: SECOND * 2, max_delay: SECOND * 10, ..exact() };
        let delay = |seconds| first_delay(rules, Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([delay(1), delay(5), delay(60), delay(u64::MAX)], [2, 5, 10, 10]);
        assert_eq!(first_delay(rules, None).as_secs(), 2);
        let crossed = DelayRules { min_delay: SECOND * 20, ..rules };
        assert_eq!(first_delay(crossed, Some(SECOND)), SECOND * 20);
    }

    #[test]
    fn jitter_that_is_no_positive_number_is_none() {
        for jitter in [0.0, -0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(first_delay(DelayRules { jitter, ..exact() }, Some(SECOND * 7)), SECOND * 7, "{jitter}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(0);
        for number in [0xE220_A839_7B1D_CDAF_u64, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F] {
            assert_eq!(random.next(), (number >> 11) as f64 / 2_f64.powi(53));
        }
    }

    proptest! {
        #[test]
        fn delays_never_overflow_nor_come_before_retry_after(
            retry_after: Option<Duration>, first: Duration, factor: f64, max: Duration, min_delay: Duration, jitter: f64,
            seed: u64,
        ) {
            let backoff = Backoff::exponential(first, factor, max);
            let rules = DelayRules { backoff, min_delay, max_delay: Duration::MAX, jitter };
            let (mut position, mut random) = (None, Random::new(seed));
            for _ in 0..4 {
                let (delay, reason) = rules.delay(retry_after, &mut position, &mut random);
                prop_assert!(delay >= min_delay.max(retry_after.unwrap_or_default()));
                prop_assert_eq!(reason == DelayReason::RetryAfter, retry_after.is_some());
            }
        }

        #[test]
        fn jitter_stays_within_its_fraction(seconds in 1_u64..100_000, jitter in 0.0..1.0_f64, seed: u64) {
            let rules = DelayRules { jitter, max_delay: Duration::MAX, ..exact() };
            let asked = Duration::from_secs(seconds);
            let (delay, _) = rules.delay(Some(asked), &mut None, &mut Random::new(seed));
            prop_assert!(delay >= asked && delay <= asked.mul_f64(1.0 + jitter));
        }
    }
}
