//! Request bodies, and how a connection is lost.

use std::fmt;

/// The body of requests.
#[derive(Debug, Default)]
pub enum Payload {
    Callers,
    #[default]
    Layers,
}

/// The connection was lost.
#[derive(Debug)]
pub struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection lost")
    }
}

impl std::error::Error for Lost {}

/// In the extensions of the start request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marker;
