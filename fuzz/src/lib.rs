//! What the fuzz targets check. `tests/invariants.rs` of the crate checks the same.

pub mod address;
pub mod hint;
pub mod machine;
pub mod origin;
pub mod scanner;
