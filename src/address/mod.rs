//! Addresses that services name: resolving them, and deciding who sees credentials.

pub(crate) mod error;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod resolver;
pub(crate) mod seen;
pub(crate) mod uri;
