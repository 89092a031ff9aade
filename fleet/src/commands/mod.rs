//! The commands of `fleet`, one file for each.

pub mod audit;
pub mod crew;
pub mod demo;
pub mod kill_test;
pub mod list;
pub mod measure;
pub mod serve;
pub mod start;
pub mod work;
