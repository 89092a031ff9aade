//! Moment: a time in the life of an operation.

use std::time::{Duration, Instant};

/// Nanoseconds since the operation began, which take half the room of an `Instant`, and add up to 584 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// After all others.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    pub(crate) fn at(began: Instant, instant: Instant) -> Self {
        Self(nanos(instant.saturating_duration_since(began)))
    }

    /// Never, if that is later than can be said.
    pub(crate) fn instant(self, began: Instant) -> Option<Instant> {
        if self == Self::NEVER { None } else { began.checked_add(Duration::from_nanos(self.0)) }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(nanos(delay)))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub(crate) const fn nanos(self) -> u64 {
        self.0
    }
}

/// As many as there is room for.
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_said_is_never() {
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let later = Moment::at(began, began + second);
        assert_eq!(later.instant(began), Some(began + second));
        assert_eq!(later.after(second).since(later), second);
        assert_eq!((later.since(later.after(second)), later.nanos()), (Duration::ZERO, 1_000_000_000));
        // Of a clock that goes back.
        assert_eq!(Moment::at(began + second, began).instant(began), Some(began));
        for forever in [Duration::MAX, Duration::from_nanos(u64::MAX)] {
            assert_eq!(later.after(forever), Moment::NEVER);
        }
        assert_eq!(Moment::NEVER.after(second), Moment::NEVER);
        assert_eq!(Moment::NEVER.instant(began), None);
        let centuries = later.after(Duration::from_nanos(u64::MAX - 2_000_000_000));
        assert!(later < centuries && centuries < Moment::NEVER);
    }
}
