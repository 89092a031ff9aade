//! Addresses that services name: resolving them, and deciding who sees credentials.

pub(crate) mod error;
pub(crate) mod origin;
mod plain;
pub(crate) mod resolver;
