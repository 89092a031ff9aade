//! The integrations for reqwest, once for each supported version: the same source over another crate.

#[cfg(feature = "reqwest")]
#[path = "."]
mod v0_13 {
    use ::reqwest;
    #[cfg(feature = "reqwest-middleware")]
    use ::reqwest_middleware;

    #[cfg(feature = "reqwest-middleware")]
    #[path = "reqwest_middleware_errors.rs"]
    mod errors;
    #[path = "reqwest.rs"]
    mod integration;
    #[cfg(feature = "reqwest-middleware")]
    #[path = "reqwest_middleware.rs"]
    mod middleware;
    #[cfg(not(feature = "reqwest-middleware"))]
    use super::no_middleware as errors;
    #[cfg(all(feature = "reqwest-middleware", feature = "simulator"))]
    #[path = "../simulator/middleware.rs"]
    mod simulator;
}

#[cfg(feature = "reqwest-0-12")]
#[path = "."]
#[allow(clippy::duplicate_mod, reason = "the types of the two versions have nothing in common but their names")]
mod v0_12 {
    use ::reqwest_0_12 as reqwest;
    #[cfg(feature = "reqwest-middleware-0-4")]
    use ::reqwest_middleware_0_4 as reqwest_middleware;

    #[cfg(feature = "reqwest-middleware-0-4")]
    #[path = "reqwest_middleware_errors.rs"]
    mod errors;
    #[path = "reqwest.rs"]
    mod integration;
    #[cfg(feature = "reqwest-middleware-0-4")]
    #[path = "reqwest_middleware.rs"]
    mod middleware;
    #[cfg(not(feature = "reqwest-middleware-0-4"))]
    use super::no_middleware as errors;
    #[cfg(all(feature = "reqwest-middleware-0-4", feature = "simulator"))]
    #[path = "../simulator/middleware.rs"]
    mod simulator;
}

/// Stands for the errors of a middleware that is not there.
#[allow(dead_code, reason = "each version has its own middleware")]
mod no_middleware {
    pub(crate) type MiddlewareError = std::convert::Infallible;

    pub(crate) fn redact_middleware<E>(_: &mut MiddlewareError, _: fn(&mut E)) {}
}
