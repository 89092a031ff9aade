//! TODO
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unreachable_pub)]

mod body;
mod error;
mod event;
mod exchange;
mod failure;
mod future;
#[cfg(feature = "__internals")]
#[doc(hidden)]
pub mod internals;
mod layer;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod operation;
mod origin;
mod poller;
mod protocol;
mod redact;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;

pub use self::{
    body::LroBody,
    error::{
        AddressError, AddressErrorKind, BoxError, Boxed, Cause, Error, OperationError, StatusError, StatusErrorKind,
    },
    event::{Event, Outcome, PollFailure},
    failure::{Failure, OperationFailed},
    future::ResponseFuture,
    layer::LroLayer,
    operation::{Operation, ResponseExt, Resume, State},
    origin::{Origin, OriginError},
    poller::{Backoff, DelayReason},
    protocol::Protocol,
    service::Lro,
};
