//! Guide: how to use the layer, page by page.
//!
//! | page | answers |
//! | --- | --- |
//! | [`outcomes`] | What can a call return, and what do I do with each result? |
//! | [`layering`] | What goes above the layer, what below, and what sends requests again? Cookies, base addresses, existing clients. |
//! | [`timeouts`] | Which timeout bounds which part of an operation? |
//! | [`resuming`] | How do operations survive a restart, or move between workers? |
//! | [`security`] | Who gets the credentials, and what is printed and stored? |
//! | [`protocols`] | Which services are supported, and how do I describe another one? |
//! | [`typed_clients`] | How do I use the layer behind generated or typed clients? |
//! | [`testing`] | How do I test code that uses the layer? |
//! | [`observability`] | How do I get progress, logs, traces and metrics? |
//! | [`stored_format`] | Which members does a stored operation have? |
//! | [`limits`] | What is bounded, by how much, and why? |
//! | [`dependencies`] | Which crates come with the layer, and how do I reduce them? |
//! | [`wasm`] | How does it work in browsers, WebAssembly and other runtimes? |
//!
//! The [`cookbook`](crate::cookbook) has a page for each of the best known services.
//!
//! All code in the guide is compiled and, unless it says otherwise, run with the crate's tests.

#[doc = include_str!("outcomes.md")]
pub mod outcomes {}

#[doc = include_str!("layering.md")]
pub mod layering {}

#[doc = include_str!("timeouts.md")]
pub mod timeouts {}

#[doc = include_str!("resuming.md")]
pub mod resuming {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("protocols.md")]
pub mod protocols {}

#[doc = include_str!("typed_clients.md")]
pub mod typed_clients {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("observability.md")]
pub mod observability {}

#[doc = include_str!("stored_format.md")]
pub mod stored_format {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("dependencies.md")]
pub mod dependencies {}

#[doc = include_str!("wasm.md")]
pub mod wasm {}
