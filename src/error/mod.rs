//! `Error`: the error of a call, before an operation was accepted and after.

pub(crate) mod boxed;
pub(crate) mod failed;
pub(crate) mod find;
pub(crate) mod operation;
pub(crate) mod status;

use std::{error::Error as StdError, fmt, time::Duration};

use http::Uri;

use self::{
    boxed::{BoxError, Boxed},
    operation::OperationError,
};
use crate::{operation::Operation, redact::Redacted};

/// The error of [`Lro`](crate::Lro), over the error `E` of the inner service.
///
/// The variant decides whether the request may be sent again:
///
/// | error | the start request | a retry layer outside |
/// | --- | --- | --- |
/// | `Service` | as far as we know was not accepted | may send it again under its usual rules |
/// | `NoTimer` | was not sent | |
/// | `Operation` | was accepted | must not; it can [resume](crate::Operation::resume) |
///
/// `Display` of `Service` is that of the inner error.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{Cause, Error, LroLayer, simulator::{Reply, Script, Simulator, SimulatorBody}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let script = Script::azure_maps().polls([Reply::http(403)]);
/// let client = LroLayer::new().layer(Simulator::new().script(script));
/// let request = Request::post("https://atlas.microsoft.com/mapData").body(SimulatorBody::default())?;
/// match client.oneshot(request).await {
///     Err(Error::Operation(error)) => {
///         assert!(matches!(error.cause(), Cause::Monitor(response) if response.status() == 403));
///         println!("accepted, but not completed: {:?}", error.operation());
///     }
///     Err(error) => println!("nothing was accepted: {error}"),
///     Ok(response) => println!("{}", response.status()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The first request failed. As far as we know it was not accepted. (A connection may have broken after the service had done
    /// its work; that is as it is without this layer.)
    Service(E),
    /// The service accepted the request, but the operation did not complete.
    Operation(OperationError<E>),
    /// There is no timer to wait with: the future was first polled outside of a tokio runtime, or in one without time
    /// (`enable_time`). Nothing was sent: the inner service was not called.
    ///
    /// Tokio can be asked only by trying: a panic that is caught, but whose message is printed; with `panic = "abort"` the program
    /// ends there. A thread that once had a tokio runtime with time is assumed to have it still; if it has not, the operation ends
    /// with [`Cause::NoTimer`](crate::Cause::NoTimer), after it was accepted, and can be resumed.
    NoTimer,
}

impl<E> Error<E> {
    /// Returns the operation, if one was accepted. One that another layer of this crate below has polled is in that one's error:
    /// [`OperationError::find`] finds it.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::Error;
    ///
    /// fn may_be_sent_again<E>(error: &Error<E>) -> bool {
    ///     error.operation().is_none()
    /// }
    /// assert!(may_be_sent_again(&Error::Service("the connection was refused")));
    /// ```
    #[must_use]
    pub fn operation(&self) -> Option<&Operation> {
        match self {
            Self::Service(_) | Self::NoTimer => None,
            Self::Operation(error) => Some(error.operation()),
        }
    }

    /// Returns the operation, and how long to wait before it is resumed, if its next delay is longer than
    /// [`LroLayer::max_wait`](crate::LroLayer::max_wait).
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let client = LroLayer::new().jitter(0.0).max_wait(Duration::ZERO).layer(Simulator::new());
    /// let error = client.oneshot(request).await.unwrap_err();
    /// let (operation, delay) = error.pending().expect("it has only just been accepted");
    /// assert_eq!((operation.polls(), delay), (0, Duration::from_secs(1)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pending(&self) -> Option<(&Operation, Duration)> {
        match self {
            Self::Operation(error) => error.pending(),
            Self::Service(_) | Self::NoTimer => None,
        }
    }

    /// Returns the same error over another error of the inner service.
    ///
    /// # Example
    ///
    /// ```
    /// use std::io;
    /// use tower_lro::Error;
    ///
    /// let error = Error::Service(io::ErrorKind::TimedOut).map_service(io::Error::from);
    /// assert_eq!(error.to_string(), "timed out");
    /// ```
    pub fn map_service<F>(self, map: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::NoTimer => Error::NoTimer,
            Self::Service(error) => Error::Service(map(error)),
            Self::Operation(error) => Error::Operation(error.map_service(map)),
        }
    }

    /// Returns the same error over a [`Boxed`] error of the inner service, for services whose error is a [`BoxError`], such as
    /// those of tower's `Buffer` and `Timeout`: unlike `Box<dyn Error>`, a [`Boxed`] error is a [`std::error::Error`].
    ///
    /// # Example
    ///
    /// ```
    /// use tower::{BoxError, ServiceBuilder, service_fn};
    /// use tower_lro::{Error, LroLayer};
    /// # use http::{Request, Response};
    /// # use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let client = ServiceBuilder::new()
    ///     .buffer(8) // wants errors that go into a `BoxError`
    ///     .map_err(Error::boxed)
    ///     .layer(LroLayer::new())
    ///     .timeout(Duration::from_secs(30)) // has `BoxError` for its error
    ///     .service(service_fn(|_: Request<String>| async { Ok::<_, BoxError>(Response::new(String::new())) }));
    /// # let _ = client;
    /// # }
    /// ```
    pub fn boxed(self) -> Error<Boxed>
    where
        E: Into<BoxError>,
    {
        self.map_service(|error| Boxed(error.into()))
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Operation(error) => DidNotComplete(error.operation().monitor()).fmt(f),
            Self::NoTimer => f.write_str(
                "there is no timer to wait for operations with: run in a tokio runtime with time enabled, or set LroLayer::timer; \
                 nothing was sent",
            ),
        }
    }
}

/// The message about an operation that did not complete; its source says why.
pub(crate) struct DidNotComplete<'a>(pub(crate) &'a Uri);

impl fmt::Display for DidNotComplete<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the operation {} did not complete", Redacted(self.0))
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Service(error) => error.source(),
            Self::Operation(error) => Some(error),
            Self::NoTimer => None,
        }
    }
}
