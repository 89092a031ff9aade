//! Errors, as they may be printed.

/// Addresses may have a key in their query.
pub fn without_url(error: reqwest_middleware::Error) -> reqwest_middleware::Error {
    match error {
        reqwest_middleware::Error::Reqwest(error) => error.without_url().into(),
        other @ reqwest_middleware::Error::Middleware(_) => other,
    }
}
