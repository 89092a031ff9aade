//! `Backoff`, and where one operation stands in it.

use std::time::Duration;

use crate::{config::Settings, timing::moment::nanos};

/// The delays between polls where the server gives no hint.
///
/// The default is exponential, 1 s × 1.5 up to 30 s: at most half of the operation's own length is lost waiting, with a
/// number of polls that grows with its logarithm. A hint of the server (`Retry-After`) always goes before, and does not
/// advance the backoff.
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
    /// The same delay before every poll.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self { first: delay, factor: 1.0, max: delay }
    }

    /// `first`, then each delay `factor` times the one before, up to `max`.
    ///
    /// A `factor` below 1 (or not a number) counts as 1, and a `first` above `max` as `max`.
    #[must_use]
    pub const fn exponential(first: Duration, factor: f64, max: Duration) -> Self {
        Self { first, factor, max }
    }

    pub(crate) fn first(&self) -> Duration {
        self.first.min(self.max)
    }

    pub(crate) fn after(&self, delay: Duration) -> Duration {
        let seconds = delay.as_secs_f64() * self.factor.max(1.0);
        Duration::try_from_secs_f64(seconds).map_or(self.max, |next| next.min(self.max))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_secs(1), 1.5, Duration::from_secs(30))
    }
}

/// Why a delay is as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelayReason {
    /// The server asked for it, by `Retry-After` or its millisecond forms.
    RetryAfter,
    /// The server gave no hint: [`Backoff`].
    Backoff,
}

const NONE_YET: u64 = u64::MAX;

/// Where one operation stands in its backoff, and its randomness.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The last delay of the backoff, in nanoseconds, because a `Duration` is twice as long; or [`NONE_YET`].
    backoff: u64,
    random: u64,
}

impl Pace {
    pub(crate) fn new(seed: u64) -> Self {
        Self { backoff: NONE_YET, random: seed }
    }

    /// The delay before the next poll, given the hint of the response before it.
    pub(crate) fn delay(&mut self, hint: Option<Duration>, settings: &Settings) -> (Duration, DelayReason) {
        let (delay, reason) = match hint {
            Some(hint) => (hint.min(settings.max_delay), DelayReason::RetryAfter),
            None => {
                let delay = match self.backoff {
                    NONE_YET => settings.backoff.first(),
                    last => settings.backoff.after(Duration::from_nanos(last)),
                };
                self.backoff = nanos(delay).min(NONE_YET - 1);
                (delay, DelayReason::Backoff)
            }
        };
        let delay = delay.max(settings.min_delay);
        (delay.saturating_add(self.jitter(delay, settings.jitter)), reason)
    }

    fn jitter(&mut self, delay: Duration, fraction: f64) -> Duration {
        // Anything but a positive number, NaN included, means none.
        if fraction > 0.0 && fraction.is_finite() {
            let seconds = delay.as_secs_f64() * fraction * self.random();
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        }
    }

    /// The next number in 0..1, by SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    pub(crate) fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}
