//! JSON as services send it: a scanner that finds members as they arrive, and lenient access to whole documents.

pub(crate) mod members;
pub(crate) mod scanner;
mod skip;
mod string;
mod swar;
