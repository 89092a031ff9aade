//! `BoxError` and `Boxed`: errors of services whose type is unknown.

use std::{error::Error as StdError, fmt};

/// A boxed error, as tower and hyper have it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// A boxed error that is an error itself; see [`Error::boxed`](crate::Error::boxed).
///
/// # Example
///
/// ```
/// use tower_lro::{BoxError, Error};
///
/// let refused = Error::Service(BoxError::from("the connection was refused"));
/// let Error::Service(boxed) = refused.boxed() else { unreachable!() };
/// assert_eq!(boxed.get_ref().to_string(), "the connection was refused");
/// let error: BoxError = boxed.into_inner();
/// # let _ = error;
/// ```
pub struct Boxed(pub(super) BoxError);

impl Boxed {
    /// Returns the error in the box.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }

    /// Returns the box.
    #[must_use]
    pub fn into_inner(self) -> BoxError {
        self.0
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
