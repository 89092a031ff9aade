//! Long-running operations for existing HTTP stacks, as a transparent layer.
//!
//! A service that starts work that takes its time answers `202 Accepted`, and names in `Operation-Location` an address,
//! the monitor, that tells how the work is going. [`LroLayer`] catches such a response, polls the monitor as the service
//! asks for it, and hands the caller the final status response. All other responses pass through untouched.
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_lro::{LroLayer, ResponseExt, OperationState};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let http_client = service_fn(|request: Request<String>| async move {
//! #     Ok::<_, std::convert::Infallible>(match request.uri().path() {
//! #         "/conversions" => Response::builder().status(202).header("operation-location", "/operations/1").body(String::new()),
//! #         _ => Response::builder().body(r#"{"status": "Succeeded"}"#.to_owned()),
//! #     }.unwrap())
//! # });
//! let client = ServiceBuilder::new().layer(LroLayer::new()).service(http_client);
//!
//! let request = Request::post("https://us.atlas.microsoft.com/conversions").body(String::new())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.operation().map(|operation| operation.state()), Some(OperationState::Succeeded));
//! # Ok(())
//! # }
//! ```
//!
//! The same layer goes into a `reqwest_middleware::ClientBuilder` with `.with(LroLayer::new())` (feature
//! `reqwest-middleware`), and over a `reqwest::Client` in a tower stack (feature `reqwest`).
//!
//! # What comes out
//!
//! - `Ok`: a response that passed through; or the operation has ended, in success or not, and this is the server's last
//!   answer, its head and its body byte for byte, with the [`Operation`] in its extensions ([`ResponseExt`]).
//! - [`Error::Service`]: the first request failed. Nothing was accepted.
//! - [`Error::Operation`]: the request **has happened**, but the operation could not be seen through. Nothing is lost: the
//!   error has the [`Operation`], which can be [resumed](Operation::resume). It must not be sent again.
//!
//! The layer never sends the first request twice, never clones a body, and never makes up a response.
//!
//! # Where to put it in a stack
//!
//! ```text
//!   your code
//!   ── above: nothing that sends a request again, or times out sooner than the operation ──
//!   LroLayer
//!   ── below: what is to be done for each poll, too: authorisation, signing, retries of single
//!      requests, decompression, tracing, limits, timeouts of single requests ──
//!   the client
//! ```
//!
//! While an operation waits, the layer holds no readied service, no response and no connection of those below.
//!
//! # Seen live
//!
//! Whoever wants to know how it goes gets [`Event`]s: by a callback ([`LroLayer::on_event`]), as a stream
//! ([`LroLayer::events`]), or in what is collected by `tracing` (feature `tracing`): under a span `operation`, one `poll` for each
//! request, which everything below the layer is in.
//!
//! # Which timeout bounds what
//!
//! - [`LroLayer::timeout`]: the operation, from acceptance to the head of the final response.
//! - One above the layer: all of it; it drops the future, and what is known of the operation with it.
//! - One below the layer, or that of a reqwest client or request: every single request. A poll that takes longer has failed,
//!   and is repeated.
//!
//! # Where polls go
//!
//! To the origin of the start request, and to those that are [allowed](LroLayer::allow_anonymous_origin) or
//! [trusted](LroLayer::trust_origin), and nowhere else: the address is written by the server, and the credentials of the
//! start request go with it. See the README's section on security.
//!
//! # Other protocols
//!
//! [`Protocol`] has a constructor for each of a dozen families of services, and a builder for yours. The `cookbook` module of this
//! documentation has a page for each of the best known services.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `reqwest`: [`Lro`] over `reqwest::Client` as a tower service.
//! - `reqwest-middleware`: [`LroLayer`] as a `reqwest_middleware::Middleware`.
//! - `serde`: [`Operation`] can be stored, and resumed by another process.
//! - `tracing`: a span for each operation and each of its requests, and an event for whatever happens.
//! - `simulator`: a service of long-running operations, for tests.
//! - `full`: all of them.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unreachable_pub)]

mod address;
mod config;
#[cfg(any(doc, doctest))]
pub mod cookbook;
mod error;
mod event;
#[cfg(feature = "__internals")]
#[doc(hidden)]
pub mod internals;
mod json;
mod layer;
mod limits;
mod operation;
mod poller;
mod protocol;
mod redact;
mod request;
mod service;
#[cfg(feature = "simulator")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulator")))]
pub mod simulator;
mod timing;

pub use self::{
    address::{
        error::{AddressError, AddressErrorKind},
        origin::{Origin, OriginError},
    },
    error::{
        BoxError, Boxed, Cause, Error, OperationError,
        failed::OperationFailed,
        find::ErrorChain,
        status::{StatusError, StatusErrorKind},
    },
    event::{Event, Outcome, PollFailure, owned::OwnedEvent, stream::Events},
    layer::{LroLayer, LroOverrides},
    operation::{
        Operation, Resume,
        cancel::{Cancel, Canceller},
        error_object::ErrorObject,
    },
    protocol::{
        Protocol,
        builder::ProtocolBuilder,
        cancel_rule::CancelRule,
        error::ProtocolError,
        final_response::FinalResponse,
        start_rule::StartRule,
        state::OperationState,
        status_rule::{MissingStatus, StatusRule},
    },
    service::{Lro, body::LroBody, future::ResponseFuture, response_ext::ResponseExt},
    timing::{
        backoff::{Backoff, DelayReason},
        timer::{Sleep, Timer},
    },
};

/// The examples of the README, to be compiled and run.
#[cfg(all(doctest, feature = "reqwest-middleware"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeDoctests;
