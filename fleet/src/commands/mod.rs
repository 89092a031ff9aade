//! The commands of `fleet`, one file for each, and what their arguments may be.

use std::time::Duration;

/// A line of a report. Its reader may have gone: what is under way, with its workers and servers, ends all the same.
macro_rules! say {
    ($($text:tt)*) => {
        _ = fleet::terminal::print(&format!("{}\n", format_args!($($text)*)))
    };
}

pub mod audit;
pub mod crew;
pub mod demo;
pub mod kill_test;
pub mod list;
pub mod measure;
pub mod serve;
pub mod start;
pub mod work;

/// A number of which nothing would come if it were zero.
pub fn at_least_one<T: std::str::FromStr<Err: std::fmt::Display> + Default + PartialEq>(
    text: &str,
) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(number) if number == T::default() => Err("it is at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// A time in seconds, more than none.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it is a number of seconds, more than 0".to_owned()),
    }
}

/// A lease, within the limits of [`Options`](fleet::worker::Options).
pub fn lease(text: &str) -> Result<Duration, String> {
    let lease = seconds(text)?;
    fleet::worker::check_lease(lease).map(|()| lease)
}
