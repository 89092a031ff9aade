//! Protocols as files have them, made of bytes: what the builder takes is written and read again without a loss, and whatever a
//! server answers to a layer that speaks it, requests go where they may.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use serde_json::{Map, Value, json};
use tower_lro::{Error, Lro, LroLayer, Operation, Protocol, ResponseExt, simulator::SimulatorBody};
use tower_service::Service;

use crate::machine::tape::Tape;

const START: &str = "https://api.test/v1/jobs?key=1";
const TRUSTED: &str = "https://region.test";
const ALLOWED: &str = "https://status.test";

const POINTERS: [&str; 6] = ["/status", "/a/b", "/list/0/x", "/done", "/error", "/x"];
const OF_MONITOR: [&str; 4] = ["{monitor}/result", "/jobs/{name}", "{monitor}:cancel", "/fixed?x={+name}"];
const OF_NAME: [&str; 4] = ["/jobs/{name}", "{path}/{+name}", "/{first}/{name}", "{+name}"];
const OF_START: [&str; 4] = ["{parent}", "{path}/status", "/{first}/jobs", "/fixed"];
const HEADERS: [&str; 4] = ["location", "operation-location", "x-job", "asyncresult"];
const WORDS: [&str; 6] = ["Done", "Lost", "30", "null", "done", "Running"];
/// The members that have HTTP statuses, made so that no status is in two of them.
const CODES: [(&str, &[&str]); 4] = [
    ("statuses", &["200-204", "200-202", "202", "201"]),
    ("final_error_statuses", &["400-403", "410", "505"]),
    ("success_statuses", &["203", "404", "409"]),
    ("retryable_statuses", &["429", "500-503"]),
];
const ADDRESSES: [&str; 8] = [
    "/jobs/1",
    "https://api.test/jobs/2?sig=x",
    "https://region.test/jobs/3",
    "https://status.test/jobs/4",
    "https://evil.test/jobs/5",
    "http://api.test/jobs/6",
    "7",
    "//evil.test/8",
];
const STATUSES: [u16; 16] = [200, 202, 200, 201, 204, 302, 303, 307, 400, 404, 409, 410, 429, 500, 503, 200];

/// No server answers more often before the deadline.
const MOST_REQUESTS: usize = 200;

/// How far a tape came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Played {
    /// The builder did not take it.
    NoProtocol,
    PassedThrough,
    Ended,
    DidNotComplete,
}

/// A protocol, and what its server answers.
pub fn check(bytes: &[u8]) -> Played {
    let mut tape = Tape::new(bytes);
    let file = protocol(&mut tape);
    let Ok(protocol) = serde_json::from_value::<Protocol>(file) else { return Played::NoProtocol };
    let written = serde_json::to_string(&protocol).expect("a protocol can be written");
    let read: Protocol = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(serde_json::to_string(&read).expect("it can be written again"), written);
    play(&read, tape, &written)
}

/// Puts a member in, or leaves it out.
fn member(tape: &mut Tape, of: &mut Map<String, Value>, name: &str, value: impl FnOnce(&mut Tape) -> Value) {
    if tape.byte() & 1 == 1 {
        let value = value(tape);
        of.insert(name.to_owned(), value);
    }
}

fn pointer(tape: &mut Tape) -> Value {
    tape.pick(&POINTERS).into()
}

fn header(tape: &mut Tape) -> Value {
    tape.pick(&HEADERS).into()
}

fn codes(tape: &mut Tape, of: &str) -> Value {
    let code = |code: &str| code.parse::<u16>().map_or_else(|_| Value::from(code), Value::from);
    let (_, all) = CODES.iter().find(|(name, _)| *name == of).expect("it has statuses");
    let chosen = tape.choose(all);
    // A start rule without any is refused.
    let chosen = if chosen.is_empty() && of == "statuses" { &all[..1] } else { &chosen };
    chosen.iter().copied().map(code).collect()
}

fn list(tape: &mut Tape, mut element: impl FnMut(&mut Tape) -> Value) -> Value {
    let count = tape.byte() % 3 + 1;
    (0..count).map(|_| element(tape)).collect()
}

fn protocol(tape: &mut Tape) -> Value {
    let mut file = Map::from_iter([("name".to_owned(), "random".into())]);
    for (index, class) in ["succeeded", "failed", "canceled", "running"].into_iter().enumerate() {
        // No word has two meanings.
        let own: Vec<_> = WORDS.into_iter().skip(index).step_by(4).collect();
        member(tape, &mut file, class, |tape| tape.choose(&own).into());
    }
    member(tape, &mut file, "needs_respond_async", |_| true.into());
    member(tape, &mut file, "final_response", |tape| {
        tape.pick(&["auto", "resource", "location", "original-uri"]).into()
    });
    member(tape, &mut file, "resource_at", |tape| {
        list(tape, |tape| match tape.byte() % 3 {
            0 => pointer(tape),
            1 => json!({"link": "results"}),
            _ => json!({"template": tape.pick(&OF_MONITOR)}),
        })
    });
    member(tape, &mut file, "allows", |_| ALLOWED.into());
    member(tape, &mut file, "trusts", |_| json!([{"from": "https://api.test", "to": TRUSTED}]));
    member(tape, &mut file, "cancel", |tape| json!({"method": "DELETE", "template": tape.pick(&OF_MONITOR)}));
    file.insert("announced".to_owned(), list(tape, start));
    file.into()
}

fn start(tape: &mut Tape) -> Value {
    let mut rule = Map::new();
    let (by, what) = match tape.byte() % 7 {
        0 => ("by_header", header(tape)),
        1 => ("by_name_header", json!({"header": header(tape), "template": tape.pick(&OF_NAME)})),
        2 => ("by_link", pointer(tape)),
        3 => ("by_body", json!({"pointer": pointer(tape), "template": tape.pick(&OF_NAME)})),
        4 => ("by_relation", "results".into()),
        5 => ("at", tape.pick(&OF_START).into()),
        _ => ("at_request_uri", true.into()),
    };
    rule.insert(by.to_owned(), what);
    member(tape, &mut rule, "statuses", |tape| codes(tape, "statuses"));
    if tape.byte() % 8 == 7 {
        rule.insert("requires_header".to_owned(), header(tape));
    }
    // More than one, and hardly anything starts.
    let conditions = ["unless_terminal", "unless_terminal_or_missing", "unless_present", "unless_true"];
    if let Some(name) = conditions.get(usize::from(tape.byte() % 16)) {
        rule.insert((*name).to_owned(), pointer(tape));
    }
    rule.insert("status".to_owned(), status(tape));
    rule.into()
}

fn status(tape: &mut Tape) -> Value {
    let mut rule = Map::new();
    member(tape, &mut rule, "status_header", header);
    member(tape, &mut rule, "status_at", |tape| {
        list(tape, |tape| match tape.byte() % 5 {
            0 => pointer(tape),
            1 => json!({"scalar": pointer(tape)}),
            2 => json!({"true": pointer(tape)}),
            3 => json!({"present": pointer(tape)}),
            _ => json!({"absent": pointer(tape)}),
        })
    });
    for name in ["http_status_only", "result_may_be_missing", "unwrap_application_http"] {
        member(tape, &mut rule, name, |_| true.into());
    }
    let meanings = ["error", "succeeded", "succeeded-after-accepted", "running"];
    member(tape, &mut rule, "when_status_missing", |tape| tape.pick(&meanings).into());
    for name in ["final_error_statuses", "success_statuses", "retryable_statuses"] {
        member(tape, &mut rule, name, |tape| codes(tape, name));
    }
    if tape.byte() & 1 == 1 {
        rule.insert("fixed_uri".to_owned(), true.into());
    } else {
        member(tape, &mut rule, "relocated_by", |tape| json!({"header": header(tape)}));
    }
    member(tape, &mut rule, "outcome_header", header);
    member(tape, &mut rule, "percent_at", |tape| json!({"fraction": pointer(tape)}));
    member(tape, &mut rule, "failure_at", pointer);
    let ends = ["status_header", "status_at", "http_status_only"];
    if !ends.iter().any(|name| rule.contains_key(*name)) {
        rule.insert("status_at".to_owned(), json!("/status"));
    }
    rule.into()
}

/// Answers by the tape, and looks at what is asked.
#[derive(Clone)]
struct Server(Arc<Mutex<State>>);

struct State {
    tape: Tape,
    requests: usize,
    /// The protocol, as it is written.
    written: String,
}

impl Service<Request<String>> for Server {
    type Response = Response<SimulatorBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.look_at(&request);
        ready(Ok(state.answer()))
    }
}

impl State {
    fn look_at(&mut self, request: &Request<String>) {
        self.requests += 1;
        let written = &self.written;
        assert!(self.requests <= MOST_REQUESTS, "{written}: no end");
        let is_first = self.requests == 1;
        assert_eq!(request.method() == "POST", is_first, "{written}: the start is sent once");
        let origin = format!(
            "{}://{}",
            request.uri().scheme_str().unwrap_or_default(),
            request.uri().authority().map_or("", |authority| authority.as_str())
        );
        let has_token = request.headers().contains_key(AUTHORIZATION);
        let expected = match origin.as_str() {
            "https://api.test" => true,
            TRUSTED if written.contains(TRUSTED) => true,
            ALLOWED if written.contains(ALLOWED) => false,
            _ => panic!("{written}: {origin} is asked"),
        };
        assert_eq!(has_token, expected, "{written}: {origin}");
    }

    fn answer(&mut self) -> Response<SimulatorBody> {
        let tape = &mut self.tape;
        let status = tape.pick(&STATUSES);
        let address = tape.pick(&ADDRESSES);
        let word = tape.pick(&WORDS);
        let body = match tape.byte() % 6 {
            0 => String::new(),
            1 => format!(r#"{{"status": "{word}"}}"#),
            2 => format!(r#"{{"done": true, "status": "{address}", "error": {{"code": "x"}}}}"#),
            3 => {
                format!(r#"{{"a": {{"b": "{address}"}}, "list": [{{"x": 30}}], "links": {{"results": "{address}"}}}}"#)
            }
            4 => r#"{"status": null, "done": false, "list": [{"x": "Done"}]}"#.to_owned(),
            _ => "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
        };
        // One of them at least, most of the time.
        let mut headers = tape.choose(&HEADERS);
        headers.push(HEADERS[0]);
        let mut response = Response::new(SimulatorBody::from(body));
        *response.status_mut() = StatusCode::from_u16(status).expect("it is one");
        for name in headers {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(address));
        }
        let content_type = tape.pick(&["application/json", "application/http", "text/html"]);
        response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        response
    }
}

fn play(protocol: &Protocol, tape: Tape, written: &str) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("there is a runtime");
    let state = State { tape, requests: 0, written: written.to_owned() };
    let server = Server(Arc::new(Mutex::new(state)));
    // A deadline, so that whatever runs for ever ends.
    let layer = LroLayer::new().protocols([protocol.clone()]).jitter(0.0).timeout(Duration::from_secs(120));
    let mut service = Lro::new(server, layer);
    let request = Request::post(START).header("authorization", "Bearer token").body(String::new());
    let outcome = runtime.block_on(service.call(request.expect("it is a request")));
    let operation = match &outcome {
        Ok(response) => response.operation().cloned(),
        Err(Error::Operation(error)) => Some(error.operation().clone()),
        Err(_) => None,
    };
    let Some(operation) = operation else { return Played::PassedThrough };
    if outcome.is_ok() {
        assert!(operation.state().is_terminal(), "{written}: {operation:?}");
    }
    _ = operation.cancel();
    let stored = serde_json::to_string(&operation).expect("an operation can be stored");
    let restored: Operation = serde_json::from_str(&stored).expect("and restored");
    assert_eq!(restored.monitor(), operation.monitor());
    if outcome.is_ok() { Played::Ended } else { Played::DidNotComplete }
}
