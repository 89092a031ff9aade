//! `fleet serve`: the test service in a process of its own.

use std::time::Duration;

use clap::Args;
use fleet::{
    BoxError,
    service::{Behavior, TestService},
    terminal::print,
};
use tokio::io::{AsyncReadExt, stdin};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// How many polls an operation takes
    #[arg(long, default_value_t = 3)]
    polls: u32,
    /// The delay that is asked for, in milliseconds
    #[arg(long, default_value_t = 300)]
    delay_ms: u64,
    /// Up to how much longer it is, in milliseconds
    #[arg(long, default_value_t = 0)]
    spread_ms: u64,
    /// How many operations there are from the beginning: /operations/0 and so on
    #[arg(long, default_value_t = 0)]
    operations: usize,
}

/// Runs until its standard input is closed: it ends with whatever has started it, however that ends.
pub async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let behavior = Behavior {
        polls: arguments.polls,
        delay: Duration::from_millis(arguments.delay_ms),
        spread: Duration::from_millis(arguments.spread_ms),
        ..Behavior::default()
    };
    let service = TestService::start(&arguments.listen, behavior).await?;
    service.add(arguments.operations);
    print(&format!("{}\n", service.endpoint()))?;
    stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
