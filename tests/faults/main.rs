//! A hostile and unlucky world: over real sockets, against servers that do what they should not.

mod act;
mod below;
mod bodies;
mod case;
mod connections;
mod door;
mod h2c;
mod http2;
mod moves;
mod restart;
mod server;
mod stalls;
mod start;
mod statuses;
