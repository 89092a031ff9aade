//! `lro protocol check`: plays a recorded exchange against a description, through the layer itself.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use reqwest::Url;
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::{AddressErrorKind, Cause, Error, Event, LroLayer, OperationState, Outcome, Protocol, ResponseExt};

use crate::{
    Exit, hints,
    lines::print_line,
    progress,
    redact::{redacted, without_user},
    transcript::Exchange,
};

/// Where nothing says who was asked, and what for. A path, since addresses of monitors may be made of it.
const NOWHERE: &str = "https://service.example/path-of-the-start-request";

/// The rest of the transcript.
struct Player {
    exchanges: Mutex<VecDeque<Exchange>>,
    /// The address that was asked last.
    last: Mutex<Option<Uri>>,
    /// The request that the transcript has no answer to.
    missing: Mutex<Option<String>>,
    ended: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Player {
    /// The next response to that request. Where the transcript does not say what was asked, that is the next one.
    fn answer(&self, request: &Request<String>) -> Option<Response<Full<Bytes>>> {
        let mut exchanges = lock(&self.exchanges);
        let asked = request.uri().to_string();
        let answers = |exchange: &Exchange| {
            exchange.method.as_ref().is_none_or(|method| method == request.method())
                && exchange.url.as_ref().is_none_or(|url| url.as_str().split('#').next() == Some(asked.as_str()))
        };
        let index = exchanges.iter().position(answers)?;
        let response = exchanges.remove(index)?.response;
        print_line(format_args!("{} {} → {}", request.method(), redacted(request.uri()), response.status()));
        *lock(&self.last) = Some(request.uri().clone());
        Some(response.map(|body| Full::new(body.into())))
    }

    /// The requests that the remaining responses answer.
    fn unused(&self) -> Vec<String> {
        let describe = |Exchange { method, url, response }: &Exchange| {
            let method = method.as_ref().map_or("a request", Method::as_str);
            let url = url.as_ref().and_then(|url| url.as_str().parse().ok()).map(|url| format!(" {}", redacted(&url)));
            format!("{method}{} ({})", url.unwrap_or_default(), response.status())
        };
        lock(&self.exchanges).iter().map(describe).collect()
    }

    async fn respond(self: Arc<Self>, request: Request<String>) -> Result<Response<Full<Bytes>>, Infallible> {
        if let Some(response) = self.answer(&request) {
            return Ok(response);
        }
        *lock(&self.missing) = Some(format!("{} {}", request.method(), redacted(request.uri())));
        self.ended.notify_one();
        future::pending().await
    }
}

pub fn run(protocol: &Protocol, exchanges: Vec<Exchange>, method: &Method, url: Option<Url>) -> Result<Exit, String> {
    // Nobody waits for what has happened already.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(play(protocol, exchanges, method, url))
}

async fn play(
    protocol: &Protocol,
    exchanges: Vec<Exchange>,
    method: &Method,
    url: Option<Url>,
) -> Result<Exit, String> {
    let elsewhere = url.or_else(|| guessed(&exchanges));
    let exchanges = Mutex::new(exchanges.into());
    let (last, missing) = (Mutex::default(), Mutex::default());
    let player = Arc::new(Player { exchanges, last, missing, ended: Notify::new() });
    let layer = LroLayer::new().protocols([protocol.clone()]).jitter(0.0).on_event(explain);
    let mut exit = None;
    loop {
        let Some((method, url, recorded)) = next_start(&player, method, elsewhere.as_ref()) else { break };
        let uri = url.as_str().parse().map_err(|error| format!("an address that cannot be asked: {error}"))?;
        let mut request = Request::new(String::new());
        (*request.method_mut(), *request.uri_mut()) = (method.clone(), uri);
        let service = service_fn(|request| player.clone().respond(request));
        let outcome = tokio::select! {
            outcome = layer.layer(service).oneshot(request) => outcome,
            () = player.ended.notified() => {
                let missing = lock(&player.missing).take().unwrap_or_default();
                print_line(format_args!("\nNot at its end: the transcript has no answer to {missing}, which is asked next."));
                hints::of_unused(&player.unused());
                return Ok(Exit::DidNotComplete);
            }
        };
        match outcome {
            Ok(response) if response.operation().is_some() => {
                let last = lock(&player.last).take();
                exit = Some(ended(protocol, response, last).await);
            }
            Ok(_) => {
                print_line("    passes through: it starts no operation");
                hints::of_start(protocol, &method, &recorded);
                if exit.is_some() {
                    hints::of_leftover();
                }
            }
            Err(Error::Operation(error)) => {
                print_line(format_args!("\nThe operation would be lost: {error}"));
                match error.cause() {
                    Cause::Status(error) => hints::of_status(protocol, error.response()),
                    Cause::Address(error) if error.kind() == AddressErrorKind::Untrusted => hints::of_address(),
                    _ => {}
                }
                return Ok(Exit::DidNotComplete);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(exit.unwrap_or_else(|| {
        print_line("\nNo response of the transcript starts an operation.");
        Exit::NotAccepted
    }))
}

/// The next response that may start an operation, as it was recorded.
fn next_start(player: &Player, method: &Method, url: Option<&Url>) -> Option<(Method, Url, Response<Vec<u8>>)> {
    let exchanges = lock(&player.exchanges);
    let next = exchanges.front()?;
    let method = next.method.clone().unwrap_or_else(|| method.clone());
    let url = next.url.as_ref().or(url)?.clone();
    Some((method, url, next.response.clone()))
}

/// An address of the origin that the responses name, where no request says it.
fn guessed(exchanges: &[Exchange]) -> Option<Url> {
    let nowhere = Url::parse(NOWHERE).ok()?;
    let origin = exchanges.iter().find_map(|Exchange { response, .. }| {
        let mut headers = response.headers().values().filter_map(|value| value.to_str().ok());
        let body = String::from_utf8_lossy(response.body());
        // A string of its JSON, or an attribute.
        headers.find_map(address).or_else(|| body.split(['"', '\'']).find_map(address))
    });
    let guessed = origin.and_then(|origin| origin.join(nowhere.path()).ok()).map_or(nowhere, without_user);
    if exchanges.first().is_some_and(|first| first.url.is_none()) {
        print_line(format_args!(
            "The transcript does not say what was asked: the first request is taken for one to {guessed} (--url says otherwise)"
        ));
    }
    Some(guessed)
}

fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    ["http", "https"].contains(&url.scheme()).then_some(url)
}

fn explain(event: &Event<'_>) {
    // A response that passes through is explained, and so is the end of the transcript.
    if matches!(event, Event::Unmatched { .. } | Event::Finished { outcome: Outcome::Dropped, .. }) {
        return;
    }
    print_line(format_args!("    {}", progress::line(event)));
    match event {
        Event::Accepted { operation, .. } if operation.monitor().path() == "/" => hints::of_monitor(),
        Event::Polled { operation, is_unrecognized: true, .. } => {
            hints::of_word(operation.status().unwrap_or_default())
        }
        _ => {}
    }
}

/// The caller's result.
async fn ended(protocol: &Protocol, response: Response<tower_lro::LroBody<Full<Bytes>>>, last: Option<Uri>) -> Exit {
    let operation = response.operation().cloned();
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    print_line(format_args!("\nWhat the caller gets: {}, {} bytes", head.status, body.len()));
    let text = String::from_utf8_lossy(&body);
    let mut lines = text.lines();
    lines.by_ref().take(20).for_each(|line| print_line(format_args!("    {line}")));
    if lines.next().is_some() {
        print_line("    …");
    }
    let Some(operation) = operation else { return Exit::Good };
    if operation.is_success_assumed() {
        print_line("No response has said that it succeeded: it is taken to have, because the last one is no 202.");
    }
    hints::of_result(protocol, &operation, last.as_ref() != Some(operation.monitor()), &head.headers, &body);
    if operation.state() != OperationState::Succeeded {
        let why = operation.error().filter(|failure| failure.code().is_some() || failure.message().is_some());
        match why {
            Some(failure) => print_line(format_args!("Why it did not succeed: {failure}")),
            None => {
                print_line("Why it did not succeed: no reason was found in the response");
                hints::of_failure(protocol, &body);
            }
        }
    }
    match operation.cancel() {
        Some(cancel) => {
            print_line(format_args!("It would have been canceled by a {} request.", cancel.method()));
        }
        None => print_line(
            "It could not have been canceled: the description does not say how (cancel), or wants a name that the operation does not have.",
        ),
    }
    Exit::Good
}
