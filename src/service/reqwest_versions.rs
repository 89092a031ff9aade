//! The integrations for reqwest, once for each supported version: the same source over another crate.

#[cfg(feature = "reqwest")]
#[path = "."]
mod v0_13 {
    use ::reqwest;
    #[cfg(feature = "reqwest-middleware")]
    use ::reqwest_middleware;

    #[path = "reqwest.rs"]
    mod integration;
    #[cfg(feature = "reqwest-middleware")]
    #[path = "reqwest_middleware.rs"]
    mod middleware;
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

    #[path = "reqwest.rs"]
    mod integration;
    #[cfg(feature = "reqwest-middleware-0-4")]
    #[path = "reqwest_middleware.rs"]
    mod middleware;
    #[cfg(all(feature = "reqwest-middleware-0-4", feature = "simulator"))]
    #[path = "../simulator/middleware.rs"]
    mod simulator;
}
