//! `curl` for long-running operations: sends a request, polls the operation to completion, and prints the final response.
//!
//! ```text
//! lro [-X METHOD] URL [-H 'name: value']… [-d DATA | -d @FILE | -d @-] [--protocol NAME|FILE]… [--timeout 10m] [--json] …
//! lro protocol list
//! lro protocol show [--json] NAME|FILE
//! lro protocol check NAME|FILE --transcript FILE [--url URL] [-X METHOD]
//! ```
//!
//! It shows what a program of your own would do with the layer: progress from its events, an exit code from how the
//! operation ended, and, where it did not complete (a timeout, Ctrl-C), the operation stored in a file for
//! `lro --resume FILE URL`.
//!
//! `cargo run --example lro` runs against a simulated service, `cargo run --example lro -- --help` lists the options.

#[path = "../common/arguments.rs"]
mod arguments;
mod check;
#[path = "../common/mod.rs"]
mod common;
mod curl;
mod demo;
#[path = "../common/description.rs"]
mod description;
#[path = "../common/errors.rs"]
mod errors;
mod hints;
mod lines;
mod options;
mod output;
#[path = "../common/printable.rs"]
mod printable;
mod progress;
mod protocols;
mod redact;
mod store;
mod transcript;

use std::{
    env,
    future::{self, Future, poll_fn},
    io,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use clap::{CommandFactory, error::ErrorKind};
use reqwest::{Response, StatusCode, redirect::Policy};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use tokio::time::timeout;
use tower_lro::{Event, Operation, OperationError, OperationState, ResponseExt};

use self::{errors::without_url, lines::tell, options::Options};

/// How it ended, as the exit code says it; 2 is a mistake on the command line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    Good = 0,
    Failed = 1,
    NotAccepted = 3,
    DidNotComplete = 4,
    Interrupted = 130,
    Terminated = 143,
}

/// How long a second Ctrl-C is waited for, where it would cancel the operation.
const SECOND_CTRL_C: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    _ = arguments.next();
    if arguments.next().is_some_and(|first| first == "protocol") {
        return ExitCode::from(protocols::main(arguments) as u8);
    }
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(poll()),
        Err(error) => exit_code(Err(error.to_string())),
    }
}

async fn poll() -> ExitCode {
    let options = match env::args_os().len() {
        0 | 1 => demo::options().await,
        _ => Ok(arguments::parse(env::args_os())),
    };
    let outcome = match options {
        Ok(options) => run(&options).await,
        Err(error) => Err(error.to_string()),
    };
    exit_code(outcome)
}

fn exit_code(outcome: Result<Exit, String>) -> ExitCode {
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(mistake) => arguments::exit(&Options::command().error(ErrorKind::ValueValidation, mistake)),
    }
}

/// An error is a mistake on the command line: nothing was sent.
async fn run(options: &Options) -> Result<Exit, String> {
    let latest = Latest::default();
    let layer = options.layer().on_event(progress::lines()).on_event(latest.keep());
    // Redirects are left to the layer, which follows them within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(Policy::none()).user_agent("lro").build();
    let client = ClientBuilder::new(http.map_err(|error| error.to_string())?).with(layer).build();
    let request = options.request(&client)?;

    let exit = tokio::select! {
        // First, so that the signal is listened for before anything is sent.
        biased;
        Ok(()) = tokio::signal::ctrl_c() => Exit::Interrupted,
        () = terminated() => Exit::Terminated,
        exit = complete(request, options) => exit,
    };
    if matches!(exit, Exit::Interrupted | Exit::Terminated) {
        let operation = latest.get();
        // Listened for from here on, so that one that follows at once counts.
        let mut second = Box::pin(tokio::signal::ctrl_c());
        poll_fn(|context| Poll::Ready(_ = second.as_mut().poll(context))).await;
        let text = match operation {
            Some(_) => "interrupted",
            None => "interrupted, and not known whether the service accepts the request",
        };
        let kept = operation.as_ref().map(|operation| store::keep(operation, options));
        output::print_error(options.format(), operation.as_ref(), text);
        kept.into_iter().for_each(tell);
        // An operation that has ended is not canceled: some services would delete its result.
        let goes_on = operation.filter(|operation| !operation.state().is_terminal());
        // Who terminates a program does not wait for it.
        if let Some(operation) = goes_on.filter(|_| exit == Exit::Interrupted) {
            cancel_on(second, &operation, options, &client).await?;
        }
    }
    Ok(exit)
}

/// As by `timeout`, containers and CI, before they kill.
async fn terminated() {
    #[cfg(unix)]
    if let Ok(mut signal) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        _ = signal.recv().await;
        return;
    }
    future::pending().await
}

/// Cancels the operation at the service on a second Ctrl-C, if its protocol knows how.
async fn cancel_on(
    second: impl Future<Output = io::Result<()>>,
    operation: &Operation,
    options: &Options,
    client: &ClientWithMiddleware,
) -> Result<(), String> {
    let Some(cancel) = operation.cancel() else { return Ok(()) };
    tell(format_args!("Ctrl-C within {} seconds cancels it.", SECOND_CTRL_C.as_secs()));
    if !matches!(timeout(SECOND_CTRL_C, second).await, Ok(Ok(()))) {
        return Ok(());
    }
    tell(match options.cancel_request(client, cancel)?.send().await {
        Ok(response) if response.status().is_success() => {
            format!("The service was asked to cancel it: {}. Resume it to see how it ends.", response.status())
        }
        Ok(response) => format!("The service did not cancel it: {}", response.status()),
        Err(error) => format!("It is not known to be canceled: {}", output::error_text(without_url(error))),
    });
    Ok(())
}

/// The operation, as of the last event.
#[derive(Clone, Default)]
struct Latest(Arc<Mutex<Option<Operation>>>);

impl Latest {
    fn keep(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let latest = self.clone();
        move |event| {
            let Some(operation) = event.operation() else { return };
            *latest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(operation.clone());
        }
    }

    fn get(&self) -> Option<Operation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn complete(request: RequestBuilder, options: &Options) -> Exit {
    let format = options.format();
    match request.send().await {
        Ok(response) => hand_over(response, options).await,
        Err(error) => match OperationError::find(&error) {
            Some(error) => {
                let kept = store::keep(error.operation(), options);
                output::print_operation_error(format, error);
                tell(kept);
                Exit::DidNotComplete
            }
            None => {
                output::print_error(format, None, &output::error_text(without_url(error)));
                Exit::NotAccepted
            }
        },
    }
}

async fn hand_over(response: Response, options: &Options) -> Exit {
    let http = response.status();
    let is_error = http.is_client_error() || http.is_server_error();
    let operation = response.operation().cloned();
    let state = operation.as_ref().map(Operation::state);
    let exit = match state {
        Some(OperationState::Failed | OperationState::Canceled) => Exit::Failed,
        Some(_) => Exit::Good,
        None if is_error => Exit::NotAccepted,
        // Work has begun that nobody waits for.
        None if http == StatusCode::ACCEPTED => Exit::DidNotComplete,
        None => Exit::Good,
    };
    if state.is_none() {
        tell(format_args!("{http}: no operation that the chosen protocols know"));
    }
    let Err(error) = output::print_response(options.format(), response).await else { return exit };
    let kept = operation.map(|operation| store::keep(&operation, options));
    let exit = if kept.is_some() { Exit::DidNotComplete } else { Exit::NotAccepted };
    tell(format_args!("the response could not be passed on: {error}"));
    kept.into_iter().for_each(tell);
    exit
}
