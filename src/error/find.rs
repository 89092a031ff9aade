//! `OperationError::find`: the error of an operation, whatever wrapped it.

use std::{error::Error as StdError, io, sync::Arc};

use crate::error::{
    Error,
    boxed::{BoxError, Boxed},
    operation::OperationError,
};

/// An error that may wrap an [`OperationError`]: where [`OperationError::find`] looks.
///
/// Implemented for [`Error`], [`Boxed`], trait objects of [`std::error::Error`], boxed or not, [`Arc`]s, [`std::io::Error`], and, with
/// feature `reqwest-middleware`, `reqwest_middleware::Error` and `anyhow::Error`. Pass any other error as `&dyn Error`.
#[diagnostic::on_unimplemented(
    message = "`OperationError::find` cannot look into `{Self}`",
    label = "is not one of the errors that it knows",
    note = "pass any other error as a trait object: `OperationError::<E>::find(&error as &(dyn std::error::Error + 'static))`, where `E` is the error of the service below the layer"
)]
pub trait ErrorChain<E> {
    /// The error of the operation, if there is one among this error and its sources.
    fn operation_error(&self) -> Option<&OperationError<E>>;
}

impl<E> OperationError<E> {
    /// Finds the error of an operation, whatever wrapped it: a [`BoxError`], as behind tower's `Buffer` and `Timeout`, the error
    /// of a `reqwest_middleware` client, or an error of your own, by its [sources](StdError::source).
    ///
    /// Call it before sending a request again: if it returns an error, the service accepted the request; do not send it again. If
    /// the error is still an [`Error`], [`Error::operation`] is the same check.
    ///
    /// `E` is the error of the service below the layer. **A wrong `E` is not detected: `find` then returns `None`, though the service accepted
    /// the request.** For a `reqwest_middleware::Error` the compiler knows it; in a trait object
    /// it has to be named, and has to be right: over hyper-util's client it is `hyper_util::client::legacy::Error`, over reqwest's
    /// `reqwest::Error`, and as a middleware `reqwest_middleware::Error`, not reqwest's; above [`Error::boxed`] and
    /// [`LroLayer::box_errors`](crate::LroLayer::box_errors), which a service with a `BoxError` needs, it is [`Boxed`].
    ///
    /// # Example
    ///
    /// ```
    /// use tower::BoxError;
    /// use tower_lro::OperationError;
    ///
    /// fn may_be_sent_again(error: &BoxError) -> bool {
    ///     OperationError::<std::io::Error>::find(error).is_none()
    /// }
    /// # assert!(may_be_sent_again(&"nothing was accepted".into()));
    /// ```
    #[must_use]
    pub fn find<C: ErrorChain<E> + ?Sized>(error: &C) -> Option<&Self> {
        error.operation_error()
    }
}

impl<E: StdError + 'static> ErrorChain<E> for dyn StdError + 'static {
    fn operation_error(&self) -> Option<&OperationError<E>> {
        std::iter::successors(Some(self), |&error| next(error)).find_map(|error| {
            if let Some(boxed) = plain::<Boxed>(error) {
                return boxed.get_ref().operation_error();
            }
            if let Some(Error::Service(boxed)) = plain::<Error<Boxed>>(error) {
                return boxed.get_ref().operation_error();
            }
            plain(error).or_else(|| match plain::<Error<E>>(error)? {
                Error::Operation(error) => Some(error),
                Error::Service(_) | Error::NoTimer => None,
            })
        })
    }
}

/// An error of that type, also in a box or an `Arc`: as an error each of those stands for its content, and has the same source.
fn plain<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let boxed = || error.downcast_ref::<Box<T>>().map(|error| &**error);
    let shared = || error.downcast_ref::<Arc<T>>().map(|error| &**error);
    error.downcast_ref().or_else(boxed).or_else(shared)
}

/// The error within, or the source: an I/O error or a shared error returns the source of its content, and not the content itself.
fn next<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let of_io = || Some(plain::<io::Error>(error)?.get_ref()? as &'a (dyn StdError + 'static));
    let shared = || Some(&**error.downcast_ref::<Arc<dyn StdError + Send + Sync>>()? as &'a (dyn StdError + 'static));
    of_io().or_else(shared).or_else(|| error.source())
}

macro_rules! as_dyn_error {
    ($([$($parameter:ident)?] $error:ty),* $(,)?) => {
        $(
            impl<E: StdError + 'static $(, $parameter: StdError + 'static)?> ErrorChain<E> for $error {
                fn operation_error(&self) -> Option<&OperationError<E>> {
                    (self as &(dyn StdError + 'static)).operation_error()
                }
            }
        )*
    };
}

// A blanket implementation for errors would leave the compiler no way to infer `E` from a `reqwest_middleware::Error`.
as_dyn_error! {
    [] dyn StdError + Send + 'static,
    [] dyn StdError + Send + Sync + 'static,
    [] Boxed,
    [F] Error<F>,
    [] io::Error,
}

impl<E: StdError + 'static, F: StdError + 'static> ErrorChain<E> for Arc<F> {
    fn operation_error(&self) -> Option<&OperationError<E>> {
        (&**self as &(dyn StdError + 'static)).operation_error()
    }
}

impl<E: StdError + 'static> ErrorChain<E> for Box<dyn StdError> {
    fn operation_error(&self) -> Option<&OperationError<E>> {
        (**self).operation_error()
    }
}

impl<E: StdError + 'static> ErrorChain<E> for BoxError {
    fn operation_error(&self) -> Option<&OperationError<E>> {
        (**self).operation_error()
    }
}

#[cfg(any(feature = "reqwest-middleware", feature = "reqwest-middleware-0-4"))]
impl<E: StdError + Send + Sync + 'static> ErrorChain<E> for anyhow::Error {
    fn operation_error(&self) -> Option<&OperationError<E>> {
        self.downcast_ref().or_else(|| self.chain().find_map(|error| error.operation_error()))
    }
}
