//! JSON as services send it: a scanner that finds members as they arrive, and lenient access to whole documents.

pub(crate) mod members;
pub(crate) mod scanner;
pub(crate) mod selector;
mod skip;
pub(crate) mod string;
mod swar;
