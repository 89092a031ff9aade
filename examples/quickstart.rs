//! Uploads a file to a service that answers 202, and gets the finished result back as if it had answered 200.
//!
//! `cargo run --example quickstart` runs against a simulated Azure Maps on a loopback port. To send the same to a real
//! service:
//!
//! ```text
//! cargo run --example quickstart -- --endpoint URL [--header 'name: value']… [--file PATH]
//! ```

mod common;
#[path = "common/errors.rs"]
mod errors;
#[path = "common/printable.rs"]
mod printable;

use std::{env, error::Error, fs, path::Path, process::ExitCode, time::Instant};

use reqwest::{
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use reqwest_middleware::ClientBuilder;
use tower_lro::{
    DelayReason, Event, LroLayer, Operation, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

/// How many failed polls in a row are repeated.
const MAX_FAILURES: u32 = 10;

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprintln!("  because {error}");
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), BoxError> {
    let Options { endpoint, headers, file } = Options::parse(env::args().skip(1))?;
    let endpoint = match endpoint {
        Some(endpoint) => endpoint,
        None => {
            let address = common::serve(simulator()).await?;
            println!("A simulated Azure Maps listens on {address}; `--endpoint URL` goes to a real service.");
            format!("http://{address}/mapData?api-version=2.0")
        }
    };
    // Cargo says where the package is, wherever it was started from.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let upload = fs::read(&file).or_else(|_| fs::read(Path::new(&package).join(&file)));
    let upload = upload.map_err(|error| format!("{file}: {error}"))?;
    println!("Uploading {file}, {} bytes:\n", upload.len());

    // The only line that an existing client needs is the one with `LroLayer`. The rest of it is for you to see it work.
    // Redirects of polls are the layer's to follow, within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let client = ClientBuilder::new(http)
        .with(LroLayer::new().max_consecutive_failures(MAX_FAILURES).on_event(print_events()))
        .build();
    let response = client.post(endpoint).headers(headers).body(upload).send().await.map_err(errors::without_url)?;

    println!("\nThe response that `send()` returned:\n\n{:?} {}", response.version(), response.status());
    for (name, value) in response.headers() {
        println!("{name}: {}", value.to_str().unwrap_or("(not text)"));
    }
    let polls = response.operation().map(polls);
    println!("\n{}\n", response.text().await.map_err(reqwest::Error::without_url)?);
    match polls {
        Some(polls) => println!(
            "The POST was answered 202; after {polls} the client returned the operation's final response, above."
        ),
        None => {
            println!("The answer to the POST started no operation that this layer knows: it passed through, above.")
        }
    }
    println!("Next: the README's common tasks, or your own service: `cargo run --example lro -- --help`.");
    Ok(())
}

fn polls(operation: &Operation) -> String {
    match operation.polls() {
        1 => "1 poll".to_owned(),
        polls => format!("{polls} polls"),
    }
}

/// Azure Maps as its documentation has it, but quicker.
fn simulator() -> Simulator {
    let moment = std::time::Duration::from_millis(600);
    let replies = [
        Reply::status("NotStarted").retry_after(moment),
        Reply::status("Running").retry_after(moment),
        Reply::status("Running").retry_after(moment),
        Reply::status("Succeeded").header("resource-location", "\"{origin}/resources/{id}\""),
    ];
    Simulator::new().script(Script::new(Reply::accepted().retry_after(moment)).polls(replies))
}

/// Prints each event, and when it happened.
fn print_events() -> impl Fn(&Event<'_>) {
    let began = Instant::now();
    move |event| {
        let line = match event {
            Event::Accepted { operation, .. } => {
                format!("accepted: 202, the operation is at {}", operation.monitor().path())
            }
            Event::Waiting { delay, reason, .. } => {
                let reason = if *reason == DelayReason::RetryAfter {
                    "as the service asks"
                } else {
                    "the service does not say how long"
                };
                format!("  waiting {:.1} s, {reason}", delay.as_secs_f64())
            }
            Event::Polled { operation, .. } => {
                format!("poll {}: {}", operation.polls(), operation.status().unwrap_or("running"))
            }
            Event::PollFailed { failure, failures, retry_in, .. } => match retry_in {
                Some(delay) => {
                    let delay = delay.as_secs_f64();
                    format!("  poll failed: {failure}, retrying in {delay:.1} s (failure {failures} of {MAX_FAILURES})")
                }
                None => format!("  poll failed: {failure}, giving up after {failures} failures in a row"),
            },
            Event::Moved { operation, .. } => format!("  the operation moved to {}", operation.monitor().path()),
            Event::Finished { operation, .. } => {
                format!("finished: {:?} after {}", operation.state(), polls(operation))
            }
            other => format!("{other:?}"),
        };
        println!("{:5.1} s  {}", began.elapsed().as_secs_f64(), printable::printable(&line));
    }
}

struct Options {
    endpoint: Option<String>,
    headers: HeaderMap,
    file: String,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let file = "examples/data/campus.geojson".to_owned();
        let mut options = Self { endpoint: None, headers: HeaderMap::new(), file };
        while let Some(option) = arguments.next() {
            if !["--endpoint", "--header", "--file"].contains(&option.as_str()) {
                return Err(format!("unknown option {option}: there are --endpoint, --header and --file").into());
            }
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            match option.as_str() {
                "--endpoint" => {
                    let url = reqwest::Url::parse(&value);
                    if !url.is_ok_and(|url| ["http", "https"].contains(&url.scheme())) {
                        // Not told: it may have a password.
                        return Err("--endpoint is not an address of http or https".into());
                    }
                    options.endpoint = Some(value);
                }
                "--file" => options.file = value,
                _ => {
                    let (name, value) = value.split_once(':').ok_or("a header is written as 'name: value'")?;
                    let mut value = HeaderValue::from_str(value.trim())?;
                    value.set_sensitive(true);
                    options.headers.append(HeaderName::from_bytes(name.trim().as_bytes())?, value);
                }
            }
        }
        Ok(options)
    }
}
