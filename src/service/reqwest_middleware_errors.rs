//! Errors of reqwest-middleware, which have those of reqwest in them.

pub(crate) use super::reqwest_middleware::Error as MiddlewareError;

/// Removes the secrets of the address from an error of reqwest. Errors of other middleware are left as they are.
pub(crate) fn redact_middleware(error: &mut MiddlewareError, redact_url: fn(&mut super::reqwest::Error)) {
    match error {
        MiddlewareError::Reqwest(error) => redact_url(error),
        MiddlewareError::Middleware(error) => error.downcast_mut().into_iter().for_each(redact_url),
    }
}
