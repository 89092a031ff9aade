//! The examples, run through their own binaries.

mod axum_sse;
#[path = "../../examples/common/mod.rs"]
mod common;
mod custom_protocol;
mod gateway;
mod lro;
mod lro_check;
mod lro_interrupted;
mod lro_protocol;
mod lro_terminal;
mod metrics;
mod per_request;
mod progress;
mod proxy;
mod refused;
mod resume;
mod run;
mod small;
mod soak;
mod with_auth;
mod with_retry;
