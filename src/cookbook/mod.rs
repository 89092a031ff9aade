//! Cookbook: a page for each of the best known services, with what there is to know about it.
//!
//! | page | protocol | what is special |
//! | --- | --- | --- |
//! | [`azure_maps`] | `operation_location`, `location` | keys in the query, hosts by geography |
//! | [`document_intelligence`] | `operation_location` | large results inside the last status response |
//! | [`translator`] | `operation_location` | success in part, statuses of its own |
//! | [`fabric`] | `fabric` | regional hosts, the result at an address of its own; Power BI |
//! | [`azure_resource_manager`] | `azure_resource_manager` | tokens that expire, start responses other than 202 |
//! | [`graph`] | `graph` | monitors elsewhere, which refuse a token |
//! | [`fhir`] | `fhir` | a `GET` that starts work, errors that are outcomes |
//! | [`typed_clients`] | of the service | octocrab, kube, generated clients: what to set, and how errors come out |
//! | [`your_own`] | [`Protocol::builder`](crate::Protocol::builder) | everything that a protocol can say |
//!
//! The first example of each page is the code that you need. The last one runs against the [`simulator`](crate::simulator) with the
//! service's own answers, and is a start for tests of your own code: without a network, an account, or time that passes. The functions
//! build a client each, to be complete; build yours once, and clone it.
//!
//! # What holds for all of them
//!
//! - **Responses that start no operation pass through**, errors above all: check the HTTP status of what you get as you did without the layer.
//!   [`ResponseExt::operation`](crate::ResponseExt::operation) says whether it is a final response or one that passed through.
//! - **An operation that failed is not an error**, unless you say so: once, by
//!   [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure), or where it matters, by
//!   [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation).
//! - **An [`OperationError`](crate::OperationError) means that the service accepted the request.** Do not send it again, and let nothing above
//!   the layer do so; [resume](crate::Operation::resume) the operation.
//! - **There is no deadline** unless you set one: [`LroLayer::timeout`](crate::LroLayer::timeout). The timeout of a reqwest client bounds
//!   each single request.
//! - **Credentials of the request are copied to its polls.** A token that expires, or a signature, is better added *below* the layer,
//!   to each request anew, as on the page of [`azure_resource_manager`].
//! - **A reqwest client follows redirects by itself**, before the layer can judge where they lead, and keeps headers that it
//!   does not know for secrets, such as a service's own key. `redirect(Policy::none())` leaves them to the layer,
//!   which follows those of polls. Those of the start request are then yours.

#[doc = include_str!("azure_maps.md")]
pub mod azure_maps {}

#[doc = include_str!("document_intelligence.md")]
pub mod document_intelligence {}

#[doc = include_str!("translator.md")]
pub mod translator {}

#[doc = include_str!("fabric.md")]
pub mod fabric {}

#[doc = include_str!("azure_resource_manager.md")]
pub mod azure_resource_manager {}

#[doc = include_str!("graph.md")]
pub mod graph {}

#[doc = include_str!("fhir.md")]
pub mod fhir {}

#[doc = include_str!("typed_clients.md")]
pub mod typed_clients {}

#[doc = include_str!("your_own.md")]
pub mod your_own {}
