//! `TestService`: long-running operations in memory, and a record of what workers do to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::{
    BoxError,
    http_server::{Answer, Server},
};

/// The header with the key.
pub const KEY_HEADER: &str = "api-key";

/// A service that starts operations by `POST` and honors `Repeatability-Request-ID`.
#[derive(Debug)]
pub struct TestService {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// The behavior of the service.
#[derive(Clone, Debug)]
pub struct Behavior {
    /// The key that it wants.
    pub key: String,
    /// How many polls an operation takes.
    pub polls: u32,
    /// How long it asks to wait: at least so long.
    pub delay: Duration,
    /// And up to so much longer, differently for each operation.
    pub spread: Duration,
    /// How long it takes to answer.
    pub latency: Duration,
    /// Whether it takes requests and never answers.
    pub hangs: bool,
    /// How many of a hundred polls are answered 503.
    pub percent_503: u32,
    /// Whether a start that is sent again starts nothing.
    pub honors_repeatability: bool,
}

impl Default for Behavior {
    fn default() -> Self {
        Self {
            key: "key-of-acme".to_owned(),
            polls: 3,
            delay: Duration::from_millis(300),
            spread: Duration::ZERO,
            latency: Duration::ZERO,
            hangs: false,
            percent_503: 0,
            honors_repeatability: true,
        }
    }
}

/// Counts of what has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Operations that were started.
    pub started: u64,
    /// Starts that had been sent before.
    pub repeated: u64,
    /// Polls of the right operation with the right key.
    pub polls: u64,
    /// Those that came before the time that the service had asked for.
    pub early: u64,
    /// By how much, at worst.
    pub earliest_us: u64,
    /// Polls that were answered 503.
    pub unavailable: u64,
    /// Requests without the right key.
    pub unauthorized: u64,
    /// Requests that were never answered.
    pub hanging: u64,
    /// Operations whose end was told.
    pub ended: u64,
}

#[derive(Debug)]
struct State {
    behavior: Behavior,
    seen: Seen,
    operations: Vec<Operation>,
    by_request: HashMap<String, usize>,
    random: u64,
}

#[derive(Debug)]
struct Operation {
    polls: u32,
    not_before: Instant,
}

impl TestService {
    /// Starts it on an address of this host.
    pub async fn start(address: &str, behavior: Behavior) -> Result<Self, BoxError> {
        let state = Arc::new(Mutex::new(State::new(behavior)));
        let of_server = state.clone();
        let server = Server::start(address, move |request| answer(of_server.clone(), request)).await?;
        Ok(Self { server, state })
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/", self.server.address())
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.state).seen
    }

    /// Operations that nobody has started.
    pub fn add(&self, count: usize) {
        let not_before = Instant::now();
        lock(&self.state).operations.extend((0..count).map(|_| Operation { polls: 0, not_before }));
    }

    /// Changes what it does from now on.
    pub fn change(&self, change: impl FnOnce(&mut Behavior)) {
        change(&mut lock(&self.state).behavior);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    // Read, so that the connection can be used again.
    _ = body.collect().await;
    let (latency, hangs) = {
        let Behavior { latency, hangs, .. } = lock(&state).behavior;
        (latency, hangs)
    };
    if hangs {
        lock(&state).seen.hanging += 1;
        return std::future::pending().await;
    }
    let answer = lock(&state).answer(&head);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    answer
}

impl State {
    fn new(behavior: Behavior) -> Self {
        let (operations, by_request) = (Vec::new(), HashMap::new());
        Self { behavior, seen: Seen::default(), operations, by_request, random: 0x9e37_79b9_7f4a_7c15 }
    }

    fn answer(&mut self, head: &Parts) -> Answer {
        if head.headers.get(KEY_HEADER).is_none_or(|key| key != self.behavior.key.as_str()) {
            self.seen.unauthorized += 1;
            return plain(StatusCode::UNAUTHORIZED, "no key");
        }
        if head.method == Method::POST {
            let request_id = head.headers.get("repeatability-request-id").and_then(|id| id.to_str().ok());
            return self.start(request_id);
        }
        let number = head.uri.path().strip_prefix("/operations/").and_then(|number| number.parse().ok());
        number.and_then(|number| self.poll(number)).unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "no such operation"))
    }

    fn start(&mut self, request_id: Option<&str>) -> Answer {
        let known = request_id.and_then(|id| self.by_request.get(id)).copied();
        let known = known.filter(|_| self.behavior.honors_repeatability);
        let number = known.unwrap_or(self.operations.len());
        let delay = self.delay_of(number);
        if known.is_some() {
            self.seen.repeated += 1;
        } else {
            self.seen.started += 1;
            self.operations.push(Operation { polls: 0, not_before: Instant::now() });
            if let Some(id) = request_id {
                self.by_request.insert(id.to_owned(), number);
            }
        }
        let operation = &mut self.operations[number];
        operation.not_before = operation.not_before.max(Instant::now() + delay);
        answer_with(StatusCode::ACCEPTED, delay)
            .header("operation-location", format!("/operations/{number}"))
            .header("repeatability-result", "accepted")
            .body(Full::default())
            .expect("its parts are valid")
    }

    fn poll(&mut self, number: usize) -> Option<Answer> {
        let now = Instant::now();
        let delay = self.delay_of(number);
        let is_unavailable = self.next_random() % 100 < u64::from(self.behavior.percent_503);
        let operation = self.operations.get_mut(number)?;
        self.seen.polls += 1;
        let early = operation.not_before.saturating_duration_since(now);
        if !early.is_zero() {
            self.seen.early += 1;
            self.seen.earliest_us = self.seen.earliest_us.max(early.as_micros() as u64);
        }
        operation.not_before = now + delay;
        if is_unavailable {
            self.seen.unavailable += 1;
            return answer_with(StatusCode::SERVICE_UNAVAILABLE, delay).body(Full::default()).ok();
        }
        operation.polls += 1;
        if operation.polls < self.behavior.polls {
            let body = format!(r#"{{"id":"{number}","status":"Running"}}"#);
            return answer_with(StatusCode::OK, delay).body(Full::from(body)).ok();
        }
        self.seen.ended += u64::from(operation.polls == self.behavior.polls);
        let body = format!(r#"{{"id":"{number}","status":"Succeeded","result":{number}}}"#);
        Some(Response::new(Full::from(body)))
    }

    /// Equal for all polls of an operation, so that a repeated poll asks for the same.
    fn delay_of(&self, number: usize) -> Duration {
        let Behavior { delay, spread, .. } = self.behavior;
        delay + spread * (number as u32 * 37 % 100) / 100
    }

    /// Xorshift.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 16
    }
}

fn answer_with(status: StatusCode, delay: Duration) -> http::response::Builder {
    let delay_ms = delay.as_millis().to_string();
    Response::builder().status(status).header("content-type", "application/json").header("retry-after-ms", delay_ms)
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::from(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}
