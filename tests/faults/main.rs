//! Faults: over real sockets, against servers that misbehave.

mod bodies;
mod client;
mod connections;
mod h2c;
mod http2;
mod inner_layers;
mod redirects;
mod restart;
mod server;
mod server_script;
mod stalls;
mod start;
mod statuses;
mod table;
