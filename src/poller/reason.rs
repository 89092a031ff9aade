//! `Reason`: why an operation did not complete.

use crate::{
    address::error::AddressError, error::status::StatusErrorKind, event::Outcome, poller::response::PartialResponse,
};

/// Why there is no final response. A pending operation is an `Action`, since nothing went wrong. The driver turns a reason into a
/// [`Cause`](crate::Cause), with the parts that only the driver has.
pub(crate) enum Reason<T: Io> {
    Timeout {
        /// How many requests had failed in a row.
        failures: u32,
    },
    /// There is no timer to wait with.
    NoTimer,
    Service(T::Error),
    /// The body of a status response broke off, or stalled.
    Body(Box<PartialResponse<T::Body>>),
    Address(Box<AddressError>),
    /// The protocol of a stored operation is not known.
    Protocol,
    /// There is a response, but it cannot be used.
    Response(Unusable, Box<PartialResponse<T::Body>>),
}

/// Types that the driver uses, and the machine only hands on.
pub(crate) trait Io {
    /// The rest of a response's body.
    type Body;
    /// The error of the service.
    type Error;
}

/// Why a response is an error for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It says nothing of the operation.
    Monitor,
    Status(StatusErrorKind),
    /// The operation has failed, and the caller wants an error then.
    Failed,
}

impl<T: Io> Reason<T> {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Timeout { .. } => Outcome::Timeout,
            Self::NoTimer => Outcome::NoTimer,
            Self::Service(_) => Outcome::Service,
            Self::Body(_) => Outcome::Body,
            Self::Address(_) => Outcome::Address,
            Self::Protocol => Outcome::Protocol,
            Self::Response(Unusable::Monitor, _) => Outcome::Monitor,
            Self::Response(Unusable::Status(_), _) => Outcome::Status,
            Self::Response(Unusable::Failed, _) => Outcome::Failed,
        }
    }
}
