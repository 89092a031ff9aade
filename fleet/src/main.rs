//! `fleet`: starts, polls and lists long-running operations in a queue. Without arguments, a demonstration.

mod commands;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use fleet::{BoxError, job::JobId, terminal};

#[derive(Debug, Parser)]
#[command(about = "Polls the long-running operations in a queue", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put requests that start operations into the queue
    Start(commands::start::Arguments),
    /// Work: poll what is due, until SIGTERM
    Work(commands::work::Arguments),
    /// Print a table of the operations
    List {
        #[command(flatten)]
        queue: QueueArguments,
        /// How many at most
        #[arg(long, default_value_t = 1000)]
        limit: usize,
    },
    /// Print one operation with its result
    Show {
        #[command(flatten)]
        queue: QueueArguments,
        /// Its id
        id: JobId,
    },
    /// The demonstration: a service, a few workers, one of which is killed
    Demo {
        /// sqlite, postgres or nats
        #[arg(long, default_value = "sqlite")]
        queue: fleet::local::Kind,
    },
    /// Kill workers while they work, and count what was lost
    KillTest(commands::kill_test::Arguments),
    /// Measure polls per CPU second and memory
    Measure(commands::measure::Arguments),
    /// Run the test service by itself
    Serve(commands::serve::Arguments),
}

#[derive(Args, Debug)]
struct QueueArguments {
    /// Its address: sqlite:PATH, postgres://…, or nats://HOST:PORT
    #[arg(long, env = "FLEET_QUEUE")]
    queue: String,
}

#[derive(Args, Debug)]
struct TenantArguments {
    /// A file of tenants' endpoints, and of the names of the variables that have their keys
    #[arg(long, env = "FLEET_TENANTS")]
    tenants: PathBuf,
}

// One thread: a worker waits for others most of the time, and there are several workers.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Demo { queue: fleet::local::Kind::Sqlite });
    match run(command).await {
        Ok(code) => code,
        Err(error) => {
            terminal::log(&format!("fleet: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, BoxError> {
    match command {
        Command::Start(arguments) => commands::start::run(arguments).await?,
        Command::Work(arguments) => commands::work::run(arguments).await?,
        Command::List { queue, limit } => commands::list::list(&queue.queue, limit).await?,
        Command::Show { queue, id } => return commands::list::show(&queue.queue, &id).await,
        Command::Demo { queue } => commands::demo::run(queue).await?,
        Command::KillTest(arguments) => return commands::kill_test::run(arguments).await,
        Command::Measure(arguments) => commands::measure::run(arguments).await?,
        Command::Serve(arguments) => commands::serve::run(arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
