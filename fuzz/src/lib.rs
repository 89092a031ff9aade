//! What the fuzz targets check. `tests/invariants.rs` of the crate checks the same.

pub mod address;
pub mod machine;
pub mod origin;
pub mod protocol;
pub mod retry_after;
pub mod scanner;
