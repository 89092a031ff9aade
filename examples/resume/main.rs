//! Operations that outlive their process: each is stored when it is accepted, and a later run brings it to its end.
//!
//! `cargo run --example resume` shows it, with a simulated service: it kills a process that waits, and runs it again. The same
//! process against another service:
//!
//! ```text
//! SUBSCRIPTION_KEY=… cargo run --example resume -- run --endpoint URL --journal FOLDER [--operations N]
//! ```
//!
//! `journal.rs` is the part to take along. What it makes sure of:
//!
//! - What was polled was stored before. Killed at any time after that, the operation is found again, and no request that
//!   starts work is sent for it.
//! - Its record goes when its final response has been dealt with. Killed in between, the next run gets that response again:
//!   once at least, and now and then twice.
//!
//! One window stays, which no journal closes: killed after the service accepted the request and before
//! its 202 was read and stored, the operation goes on, and no client knows of it. Where that matters, give each request a name
//! of your own that the service knows again (`Operation-Id`, `Repeatability-Request-ID`), or ask it for its list of operations.

#[path = "../common/arguments.rs"]
mod arguments;
#[path = "../common/mod.rs"]
mod common;
mod demo;
#[path = "../common/errors.rs"]
mod errors;
mod journal;
#[path = "../common/printable.rs"]
mod printable;

use std::{env, error::Error, io, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use futures_util::future::join_all;
use journal::{Entry, Journal, Left};
use printable::printable;
use reqwest::{Url, header::HeaderValue};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use tokio::{runtime::Runtime, task::spawn_blocking};
use tower_lro::{
    Backoff, Event, LroLayer, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// The key of the service. It is never stored, so that every run needs it.
const KEY: &str = "SUBSCRIPTION_KEY";

#[derive(Parser)]
#[command(about = "Operations that outlive their process; without a command, a demonstration")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a simulated Azure Maps on a loopback port, until its standard input ends
    Serve,
    /// Brings what an earlier run has left to its end, and then starts anew
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Where requests that start an operation are sent
    #[arg(long, value_name = "URL", value_parser = arguments::address)]
    endpoint: Url,
    /// Where operations are stored while they run; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    journal: PathBuf,
    /// How many to start, all at once, when those of earlier runs have ended
    #[arg(long, value_name = "N", default_value_t = 1)]
    operations: u32,
    /// How long to wait between two polls, instead of as long as the service asks
    #[arg(long, value_name = "N")]
    delay_ms: Option<u64>,
}

fn main() -> ExitCode {
    let outcome = match arguments::parse::<Arguments>(env::args_os()).command {
        None => demo::run(),
        Some(Command::Serve) => block_on(serve()),
        Some(Command::Run(run)) => block_on(run.run()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", with_sources(&*error));
            ExitCode::FAILURE
        }
    }
}

fn block_on(future: impl Future<Output = Result<(), BoxError>>) -> Result<(), BoxError> {
    Runtime::new()?.block_on(future)
}

impl Run {
    async fn run(self) -> Result<(), BoxError> {
        let name = self.journal.display();
        let journal = Journal::open(self.journal.clone()).map_err(|error| format!("{name}: {error}"))?;
        let Left { operations, unreadable } = journal.left()?;
        for (file, error) in unreadable {
            eprintln!("{} is not a record, and stays as it is: {error}", file.display());
        }
        let run = Running { client: client()?, layer: self.layer(), key: key()? };

        println!("stored operations to resume: {}", operations.len());
        let resumed = operations.iter().map(|(entry, operation)| {
            // To the service, with the credentials that belong there: the layer goes on to the stored monitor.
            let request = run.client.get(self.endpoint.clone()).with_extension(operation.resume());
            run.complete(request, entry, "resumed")
        });
        let resumed = join_all(resumed).await;

        println!("operations to start: {}", self.operations);
        let entries: Vec<_> = (1..=self.operations).map(|n| journal.entry(format!("drawing package {n}"))).collect();
        let started = entries.iter().map(|entry| {
            let request = run.client.post(self.endpoint.clone()).body("a drawing package");
            run.complete(request, entry, "accepted")
        });
        let started = join_all(started).await;

        match resumed.iter().chain(&started).filter(|&&is_done| !is_done).count() {
            0 => Ok(()),
            failed => Err(format!("{failed} did not come to an end; those that were accepted stay stored").into()),
        }
    }

    fn layer(&self) -> LroLayer {
        match self.delay_ms.map(Duration::from_millis) {
            Some(delay) => LroLayer::new().backoff(Backoff::constant(delay)).max_delay(delay),
            None => LroLayer::new(),
        }
    }
}

/// The parts that all requests share.
struct Running {
    client: ClientWithMiddleware,
    layer: LroLayer,
    key: Option<HeaderValue>,
}

impl Running {
    /// Whether it has come to its end. It stays stored if not.
    async fn complete(&self, request: RequestBuilder, entry: &Entry, beginning: &str) -> bool {
        let outcome = self.try_complete(request, entry, beginning).await;
        if let Err(error) = &outcome {
            eprintln!("{}: {}", entry.name(), with_sources(&**error));
        }
        outcome.is_ok()
    }

    async fn try_complete(&self, mut request: RequestBuilder, entry: &Entry, beginning: &str) -> Result<(), BoxError> {
        if let Some(key) = &self.key {
            request = request.header("subscription-key", key);
        }
        // First the journal: everything that is printed has been stored.
        let layer = self.layer.clone().on_event(entry.write_ahead()).on_event(tell(entry.name(), beginning));
        let response = request.with_extension(layer).send().await.map_err(errors::without_url)?;
        let Some(operation) = response.operation().cloned() else {
            return Err(format!("nothing was started: {}", response.status()).into());
        };
        let result = response.text().await.map_err(reqwest::Error::without_url)?;
        println!("{}", result.trim_end());
        let id = printable(operation.id().unwrap_or("without a name"));
        println!("{}: ended: {:?}, operation {id}", entry.name(), operation.state());
        entry.remove()?;
        Ok(())
    }
}

/// Prints what happens.
fn tell(name: &str, beginning: &str) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let (name, beginning) = (name.to_owned(), beginning.to_owned());
    move |event| match event {
        Event::Accepted { operation, .. } | Event::Resumed { operation, .. } => {
            println!("{name}: {beginning}: {}", printable(operation.monitor().path()));
        }
        Event::Waiting { delay, .. } => println!("{name}: waiting {:.1} s", delay.as_secs_f64()),
        Event::Polled { operation, .. } => {
            println!("{name}: {}", printable(operation.status().unwrap_or("no status yet")));
        }
        Event::PollFailed { failure, .. } => println!("{name}: a poll failed: {failure}"),
        _ => {}
    }
}

fn client() -> reqwest::Result<ClientWithMiddleware> {
    // So that redirects of polls go by the layer's rules.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    Ok(ClientBuilder::new(client).with(LroLayer::new()).build())
}

fn key() -> Result<Option<HeaderValue>, BoxError> {
    let Some(key) = env::var_os(KEY) else { return Ok(None) };
    let key = key.to_str().and_then(|key| HeaderValue::from_str(key).ok());
    let mut key = key.ok_or_else(|| format!("{KEY} is not the value of a header"))?;
    key.set_sensitive(true);
    Ok(Some(key))
}

async fn serve() -> Result<(), BoxError> {
    let moment = Duration::from_millis(400);
    let replies = ["NotStarted", "Running", "Running"].map(|word| Reply::status(word).retry_after(moment));
    let script = Script::new(Reply::accepted().retry_after(moment));
    let mut simulator = Simulator::new().script(script.polls(replies.into_iter().chain([Reply::status("Succeeded")])));
    if let Ok(key) = env::var(KEY) {
        simulator = simulator.subscription_key(key);
    }
    let address = common::serve(simulator.clone()).await?;
    println!("http://{address}/mapData?api-version=2.0");
    spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    println!("requests that start an operation: {}", simulator.started());
    Ok(())
}

fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(", because ")
}
