//! Workers that poll long-running operations out of a queue, one request at a time.
//!
//! A waiting operation is a row or a message, and no process: a worker takes it when it is due, asks once, and puts it back for
//! as long as the service asked. Deploys, crashes and limits cost nothing but time.
//!
//! | module | what |
//! | --- | --- |
//! | [`job`] | the envelope: `{tenant, operation}` |
//! | [`queue`] | the trait [`Queue`](queue::Queue), over SQLite, Postgres and NATS JetStream |
//! | [`tenant`] | endpoints and credentials, which no queue holds |
//! | [`step`] | one request for one job |
//! | [`worker`] | claims, steps, puts back |
//! | [`service`] | a service to try it with |
//! | [`terminal`] | what is printed, without control characters |
//! | [`local`] | private servers of Postgres and NATS, for tests and demos |

pub mod clock;
pub mod http_server;
pub mod job;
pub mod local;
pub mod metrics;
pub mod process;
pub mod queue;
pub mod service;
pub mod step;
mod stop;
pub mod table;
pub mod tenant;
pub mod terminal;
pub mod worker;

/// A boxed error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
