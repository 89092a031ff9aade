//! Polls long-running HTTP operations to completion, as a layer for tower, hyper and reqwest clients.
//!
//! A service that starts long-running work answers `202 Accepted` and names, in `Operation-Location`, a status monitor that reports
//! its progress. [`LroLayer`] catches such a response, polls the monitor as often as the service
//! asks for it, and returns the final response in its place. All other responses pass through untouched.
//!
#![cfg_attr(doc, doc = include_str!("../docs/sequence.svg"))]
//!
//! # With reqwest
//!
//! Feature `reqwest-middleware`. The call sites do not change:
//!
//! ```no_run
//! use std::time::Duration;
//! use reqwest::{Client, redirect::Policy};
//! use reqwest_middleware::ClientBuilder;
//! use tower_lro::{LroLayer, ResponseExt};
//!
//! # #[derive(serde::Deserialize)]
//! # struct Report { pages: u32 }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! // The layer follows the redirects of polls, within the origins that may see the credentials.
//! let http = Client::builder().redirect(Policy::none()).build()?;
//! let client = ClientBuilder::new(http).with(LroLayer::new().timeout(Duration::from_secs(3600))).build();
//!
//! let response = client.post("https://service.example/reports").body("a file").send().await?;
//! let report: Report = response.error_for_operation()?.error_for_status()?.json().await?;
//! # let _ = report.pages;
//! # Ok(())
//! # }
//! ```
//!
//! # With tower
//!
//! Over any client of `http` types, such as hyper-util's, and, with feature `reqwest`, over a `reqwest::Client`:
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_lro::{LroLayer, OperationState, ResponseExt};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let http_client = service_fn(|request: Request<String>| async move {
//! #     Ok::<_, std::convert::Infallible>(match request.uri().path() {
//! #         "/reports" => Response::builder().status(202).header("operation-location", "/operations/1").body(String::new()),
//! #         _ => Response::builder().body(r#"{"status": "Succeeded"}"#.to_owned()),
//! #     }.unwrap())
//! # });
//! let client = ServiceBuilder::new().layer(LroLayer::new()).service(http_client);
//!
//! let request = Request::post("https://service.example/reports").body(String::new())?;
//! let response = client.oneshot(request).await?.error_for_operation()?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.operation().map(|operation| operation.state()), Some(OperationState::Succeeded));
//! # Ok(())
//! # }
//! ```
//!
//! # What the call returns
//!
//! - `Ok`: a response that passed through; or the operation has ended, in success or failure, and this is its final response, the
//!   body unchanged, with the [`Operation`] in its extensions ([`ResponseExt`]). (Some protocols replace its HTTP status with the
//!   status of the outcome: [`outcome_header`](StatusRule::outcome_header).)
//! - [`Error::Service`]: the start request failed. As far as the layer can tell it was not accepted.
//! - [`Error::Operation`]: the service accepted the request, but the operation did not complete; do not send the request
//!   again. The error has the [`Operation`], which can be [resumed](Operation::resume).
//! - [`Error::NoTimer`]: there is no timer to wait with. Nothing was sent.
//!
//! The layer never sends the first request twice, never clones a body, and never makes up a response. Dropping the future
//! stops the polling; the operation goes on at the service.
//!
//! # Where to read on
//!
//! The [`guide`] has a page for each of these questions:
//!
//! - [`outcomes`](guide::outcomes): what can a call return, and what do I do with each result?
//! - [`layering`](guide::layering): what goes above, what below, and what sends requests again?
//! - [`timeouts`](guide::timeouts): which timeout bounds which part of an operation?
//! - [`resuming`](guide::resuming): how do operations survive a restart, or move between workers?
//! - [`security`](guide::security): who gets the credentials, and what is printed and stored?
//! - [`protocols`](guide::protocols): which services are supported, and how do I describe another one?
//! - [`typed_clients`](guide::typed_clients): how do I use it behind generated clients, and what do compiler errors mean?
//! - [`testing`](guide::testing), [`observability`](guide::observability), [`stored_format`](guide::stored_format),
//!   [`limits`](guide::limits), [`dependencies`](guide::dependencies), [`wasm`](guide::wasm)
//!
//! The [`cookbook`] has a page for each of the best known services.
//!
//! Three settings that most programs want: a [`timeout`](LroLayer::timeout), because an unrecognized terminal status is
//! treated as running; [`trust_origin`](LroLayer::trust_origin), if the service answers from another host; and
//! [`on_event`](LroLayer::on_event) for progress and logs.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `reqwest`: [`Lro`] over `reqwest::Client` as a tower service.
//! - `reqwest-middleware`: [`LroLayer`] as a `reqwest_middleware::Middleware`; implies `reqwest`.
//! - `reqwest-0-12` and `reqwest-middleware-0-4`: the same for reqwest 0.12 and reqwest-middleware 0.4. Both versions may be on in
//!   one program. A client of one version has no use for the feature of the other: the compiler then says that `LroLayer` is no
//!   `Middleware`, or that [`Lro`] is not a `Service` of the client's `Request`.
//! - `serde`: [`Operation`] can be stored, and resumed by another process; [`Protocol`] can be read from a file.
//! - `tracing`: a span for each operation and each of its requests, and an event for everything that happens.
//! - `simulator`: a service of long-running operations, for tests.
//! - `full`: all of the above except the features for earlier reqwest versions.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(unreachable_pub)]

mod address;
mod config;
#[cfg(any(doc, doctest))]
pub mod cookbook;
mod error;
mod event;
#[cfg(any(doc, doctest))]
pub mod guide;
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
        Error,
        boxed::{BoxError, Boxed},
        failed::OperationFailed,
        find::ErrorChain,
        operation::{Cause, OperationError},
        status::{StatusError, StatusErrorKind},
    },
    event::{Event, Outcome, PollFailure, owned::OwnedEvent, stream::Events},
    layer::{LroLayer, overrides::LroOverrides},
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
    service::{
        Lro,
        body::LroBody,
        box_errors::{BoxErrors, BoxErrorsFuture},
        empty_body::EmptyBody,
        future::ResponseFuture,
        response_ext::ResponseExt,
    },
    timing::{
        backoff::{Backoff, DelayReason},
        timer::{Sleep, Timer},
    },
};

/// The examples of the README, to be compiled and run.
#[cfg(all(doctest, feature = "reqwest-middleware"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeDoctests;
