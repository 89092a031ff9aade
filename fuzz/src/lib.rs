//! The checks of the fuzz targets. `tests/invariants.rs` of the crate makes the same checks.

pub mod address;
pub mod machine;
pub mod origin;
pub mod protocol;
pub mod retry_after;
pub mod scanner;
