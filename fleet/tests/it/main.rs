//! Tests of the fleet, on every queue that can be had here.

mod contract;
mod crew;
mod hostile;
#[cfg(feature = "postgres")]
mod outage;
mod worker;
