//! Eight operations at once, a progress bar for each: `LroLayer::events` gives a request its own stream of events, and the
//! bar follows `percent_complete` and the status.
//!
//! `cargo run --example progress`; where standard output is no terminal, it prints lines instead.

mod common;

use std::{
    error::Error,
    io::{self, IsTerminal},
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{join, try_join_all},
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower_lro::{
    Event, LroLayer, OperationState, ResponseExt,
    simulator::{Reply, Script, Simulator},
};

const FILES: [&str; 8] = ["atrium", "basement", "canteen", "garage", "library", "lobby", "offices", "roof"];

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Redirects of polls are the layer's to follow, within the origins that it may go to.
    let http = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let client = ClientBuilder::new(http).with(LroLayer::new()).build();
    let bars = MultiProgress::with_draw_target(match io::stdout().is_terminal() {
        true => ProgressDrawTarget::stdout(),
        false => ProgressDrawTarget::hidden(),
    });
    let mut operations = Vec::new();
    for (number, file) in (0..).zip(FILES) {
        // A service each, so that it is known which of the operations fails.
        let address = common::serve(Simulator::new().script(conversion(number))).await?;
        let line = Line { bar: bars.add(bar(file)?), file, is_plain: bars.is_hidden() };
        operations.push(convert(client.clone(), format!("http://{address}/conversions/{file}"), line));
    }
    let states = try_join_all(operations).await?;
    let succeeded = states.iter().filter(|&&state| state == OperationState::Succeeded).count();
    if !bars.is_hidden() {
        // The cursor is still behind the last of the bars.
        println!();
    }
    println!("{succeeded} of {} operations succeeded", states.len());
    Ok(())
}

async fn convert(client: ClientWithMiddleware, url: String, line: Line) -> Result<OperationState, BoxError> {
    let (settings, events) = LroLayer::new().events();
    let request = client.post(url).body("a drawing package").with_extension(settings);
    // The stream ends with the request.
    let (response, ()) = join(request.send(), events.for_each(async |event| line.show(&event.as_event()))).await;
    Ok(response?.operation().ok_or("the service did not start an operation")?.state())
}

struct Line {
    bar: ProgressBar,
    file: &'static str,
    is_plain: bool,
}

impl Line {
    fn show(&self, event: &Event<'_>) {
        let Some(operation) = event.operation() else { return };
        let message = match event {
            Event::Accepted { .. } => "accepted".to_owned(),
            Event::Polled { .. } => operation.status().unwrap_or("running").to_owned(),
            Event::PollFailed { failure, retry_in: Some(delay), .. } => {
                format!("poll failed: {failure}, retrying in {:.1} s", delay.as_secs_f64())
            }
            Event::PollFailed { failure, .. } => format!("poll failed: {failure}"),
            Event::Finished { .. } => match operation.error() {
                Some(failure) => failure.to_string(),
                None => format!("done, {} polls", operation.polls()),
            },
            // The bar need not show that it waits.
            _ => return,
        };
        if let Some(percent) = operation.percent_complete() {
            self.bar.set_position(percent as u64);
        }
        if self.is_plain {
            println!("{:>8} {:3} % {message}", self.file, self.bar.position());
        }
        match event {
            Event::Finished { .. } => self.bar.abandon_with_message(message),
            _ => self.bar.set_message(message),
        }
    }
}

fn bar(file: &'static str) -> Result<ProgressBar, BoxError> {
    let style = ProgressStyle::with_template("{prefix:>8} {bar:32} {pos:>3} % {msg}")?;
    Ok(ProgressBar::new(100).with_style(style).with_prefix(file))
}

/// An operation of three to six polls; that of the garage fails, and the service of the roof is away for a moment.
fn conversion(number: u64) -> Script {
    let moment = Duration::from_millis(150 + 40 * number);
    let polls = 3 + number % 4;
    let status = |poll: u64| match poll * 100 / polls {
        100 => Reply::json(r#"{"status": "Succeeded", "percentComplete": 100}"#),
        percent => Reply::json(format!(r#"{{"status": "Running", "percentComplete": {percent}}}"#)),
    };
    let mut replies: Vec<Reply> = (1..=polls).map(status).collect();
    match FILES[number as usize] {
        "garage" => {
            let error = r#"{"code": "NoGeometry", "message": "There is nothing in it."}"#;
            replies[1] = Reply::json(format!(r#"{{"status": "Failed", "error": {error}}}"#));
        }
        "roof" => replies.insert(1, Reply::http(503)),
        _ => {}
    }
    Script::new(Reply::accepted().retry_after(moment)).polls(replies.into_iter().map(|reply| reply.retry_after(moment)))
}
