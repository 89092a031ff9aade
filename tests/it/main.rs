//! Tests through the public doors, in one binary to save on linking.

mod address;
mod builder;
mod deadline;
mod error;
mod event;
mod events;
mod final_body;
mod load;
mod lossless;
mod middleware;
mod pace;
mod planted;
mod poll;
mod protocols;
mod reqwest_service;
mod resume;
mod secret;
mod socket;
mod stack;
mod start_once;
mod status;
mod stored;
mod streaming;
mod support;
mod trigger;
