//! This crate against what else there is. `cargo run --release -- [scanning|operations|waiting]…` prints tables in Markdown,
//! and draws the plots into `benches/`.
//!
//! Each measured client runs in a process of its own: this program, called with a role.

mod clients;
mod operations;
mod plot;
mod process;
mod scanning;
mod server;
mod table;
mod waiting;

// Shared with the benches of the package.
#[path = "../../common/bodies.rs"]
#[allow(dead_code)]
mod bodies;
#[path = "../../common/by_hand.rs"]
mod by_hand;

use std::{env, error::Error};

type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        ["server", rest @ ..] => server::main(rest),
        ["client", rest @ ..] => clients::main(rest),
        ["wait", rest @ ..] => waiting::main(rest),
        sections => {
            let is_wanted = |section| sections.is_empty() || sections.contains(&section);
            if is_wanted("scanning") {
                scanning::report();
            }
            if is_wanted("operations") {
                operations::report()?;
            }
            if is_wanted("waiting") {
                waiting::report()?;
            }
            Ok(())
        }
    }
}
