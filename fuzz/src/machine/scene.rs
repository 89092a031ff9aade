//! `Scene`: what has happened so far, and the rules on waiting.

use std::{
    fmt::{self, Write},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Request, Uri};
use tokio::time::Instant;
use tower_lro::{Operation, Outcome, Resume};
use url::Url;

use super::{
    payload::{Marker, Payload},
    reply::Response,
    settings::{BASE, CARRIED, DROPPED, HOST, SECRET, Settings},
    tape::Tape,
};
use crate::{origin::own, retry_after};

/// How much of an unneeded body is read, and how much of an error's body is kept.
pub const MIB: usize = 1 << 20;

/// How much is read for details.
pub const DETAILS: usize = 64 << 10;

/// Timers are as exact as this.
pub const TICK: Duration = Duration::from_millis(1);

/// The longest wait.
pub const CENTURY: Duration = Duration::from_secs(100 * 365 * 86400);

pub const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// The parts of the server that the layer holds.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    Service,
    Readiness,
    Call,
    Body,
}

/// The thing that it waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inner {
    Readiness,
    Call,
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// The caller readies the service.
    Starting,
    Running,
    /// The future is ready, or dropped.
    Over,
}

/// The purpose of the caller's request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Purpose {
    Starts,
    /// It resumes an operation of which nothing is known but its address.
    ResumesAt,
    Resumes,
    /// It resumes an operation that somebody has changed in the store.
    ResumesForged,
}

/// A request, and what came of it.
#[derive(Debug, Default)]
pub struct Exchange {
    pub answered_at: Option<Duration>,
    /// Nothing before the first, and where the connection was lost.
    pub response: Option<Response>,
    /// How much was read of the body, and the largest frame of it.
    pub read: usize,
    pub largest: usize,
}

/// The state of the operation by the events so far.
#[derive(Debug, Default)]
pub struct Reported {
    pub began_at: Option<Duration>,
    pub ended: Option<Ended>,
    /// When it was said that the next poll comes, and after what delay.
    pub waiting: Option<(Duration, Duration)>,
    /// How many requests there had been when it was reported that it has ended.
    pub ended_by: Option<usize>,
    pub elapsed: Duration,
    pub unrecognized: Vec<String>,
    /// Whether the final response of its protocol is not that of the server as it is.
    pub unwraps: bool,
}

/// How an operation ended, as far as this call is concerned.
#[derive(Clone, Debug)]
pub struct Ended {
    /// `None` where it was handed back.
    pub outcome: Option<Outcome>,
    /// As it is stored.
    pub operation: String,
    pub at: Duration,
}

#[derive(Debug)]
pub struct Scene {
    pub tape: Tape,
    pub settings: Settings,
    epoch: Instant,
    broken: Vec<String>,
    /// All that the caller, the server and the observer have seen.
    pub transcript: String,
    pub stage: Stage,
    pub start: String,
    pub purpose: Purpose,
    /// Where the caller's request goes to with all that is in it.
    pub own: Vec<Url>,
    /// Whether the stored operation says that it was started where the caller's request is not entitled to resume it.
    pub is_started_elsewhere: bool,
    /// The caller's headers that polls repeat, and whether polls have the caller's extensions.
    pub repeated: HeaderMap,
    pub is_marked: bool,
    pub exchanges: Vec<Exchange>,
    pub waiting: Option<(Inner, bool)>,
    /// Goes up with everything that is done to the server.
    pub activity: u32,
    pub held: [usize; 4],
    /// Whether the future has always been polled as soon as it was woken.
    pub is_punctual: bool,
    /// Whether the server may have named the secret itself.
    pub knows_secret: bool,
    /// Whether it has named it, where the tape does not.
    pub echoes: bool,
    pub moves: u32,
    pub polls: u32,
    /// When the operation is late.
    pub deadline: Option<Duration>,
    /// After what delay it is to be resumed.
    pub pending: Option<Duration>,
    /// Whether what is asked is the result, and no poll.
    pub fetches: bool,
    pub reported: Reported,
}

impl Scene {
    pub fn new(settings: Settings, tape: Tape) -> Self {
        Self {
            knows_secret: tape.hints_at(SECRET),
            tape,
            settings,
            epoch: Instant::now(),
            broken: Vec::new(),
            transcript: String::new(),
            stage: Stage::Starting,
            start: String::new(),
            purpose: Purpose::Starts,
            own: Vec::new(),
            is_started_elsewhere: false,
            repeated: HeaderMap::new(),
            is_marked: false,
            exchanges: Vec::new(),
            waiting: None,
            activity: 0,
            held: [0; 4],
            is_punctual: true,
            echoes: false,
            moves: 0,
            polls: 0,
            deadline: None,
            pending: None,
            fetches: false,
            reported: Reported::default(),
        }
    }

    pub fn broken(&mut self, rule: impl Into<String>) {
        self.broken.push(rule.into());
    }

    pub fn record(&mut self, what: impl fmt::Display) {
        let now = self.now();
        _ = writeln!(self.transcript, "{now:?} {what}");
    }

    pub fn rule(&mut self, holds: bool, rule: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(rule());
        }
    }

    /// The first rule that was broken, with all that has happened.
    pub fn failure(&self) -> Option<String> {
        let rule = self.broken.first()?;
        let mut history = format!("{rule}\n{:#?}\n{:?} at {}", self.settings, self.purpose, self.start);
        for exchange in &self.exchanges {
            history += &format!("\n{exchange:?}");
        }
        Some(history)
    }

    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub fn resumes(&self) -> bool {
        self.purpose != Purpose::Starts
    }

    /// A request of the caller's is about to be sent, which may resume an operation.
    pub fn begin(&mut self, request: &Request<Payload>, purpose: Purpose, resumed: Option<&Operation>) {
        self.stage = Stage::Starting;
        self.purpose = purpose;
        self.start = request.uri().to_string();
        self.own = self.own_of(request.uri());
        let stored = resumed.map(|operation| serde_json::to_value(operation).expect("operations can be stored"));
        let stored = stored.unwrap_or_default();
        let started = stored["start"]["uri"].as_str().and_then(|first| Url::parse(first).ok());
        self.is_started_elsewhere = started.is_some_and(|started| !self.may_resume(&started, &stored["protocol"]));
        self.repeated = request.headers().clone();
        DROPPED.iter().for_each(|(name, _)| _ = self.repeated.remove(*name));
        self.is_marked = request.extensions().get::<Marker>().is_some() && !self.settings.omits_marker();
        let has_resume = request.extensions().get::<Resume>().is_some();
        assert_eq!(has_resume, self.resumes());
        self.exchanges.clear();
        self.is_punctual = true;
        self.moves = stored["moves"].as_u64().map_or(0, |moves| moves as u32);
        self.polls = resumed.map_or(0, Operation::polls);
        self.fetches = stored["result"].is_object();
        self.reported = Reported::default();
        self.settings.origins.protocol.clear();
    }

    fn own_of(&self, uri: &Uri) -> Vec<Url> {
        match self.settings.has_base() {
            true if uri.authority().is_none() => own(BASE, None),
            _ => own(&uri.to_string(), Some(HOST)),
        }
    }

    /// An operation is resumed from where it was started, or from an origin that is trusted from there.
    fn may_resume(&self, started: &Url, protocol: &serde_json::Value) -> bool {
        let protocol = protocol.as_str().filter(|name| self.settings.speaks(name)).unwrap_or_default();
        let origins = crate::origin::Origins { protocol: protocol.to_owned(), ..self.settings.origins.clone() };
        let from = std::slice::from_ref(started);
        self.own.iter().any(|own| origins.trust(from, own) == crate::origin::Trust::Credentials)
    }

    pub fn run(&mut self) {
        self.stage = Stage::Running;
    }

    pub fn end(&mut self) {
        self.stage = Stage::Over;
    }

    /// Whether nothing that is said of the operation may have a secret of the caller's in it.
    pub fn secret_is_safe(&self) -> bool {
        // The address of a monitor that the caller wrote is the operation's.
        !self.knows_secret && !self.echoes && self.purpose == Purpose::Starts
    }

    /// Whether what is propagated with the query has the secret, and the caller's request has it.
    pub fn propagates_the_secret(&self) -> bool {
        let has_it = has_subscription_key(&self.start);
        self.settings.carried == CARRIED[0] && has_it
    }

    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last()
    }

    pub fn last_response(&self) -> Option<&Response> {
        self.last()?.response.as_ref()
    }

    pub fn last_retry_after(&self) -> Option<Duration> {
        self.last_retry_after_at(Self::wall())
    }

    pub fn last_retry_after_at(&self, wall: SystemTime) -> Option<Duration> {
        retry_after::reference(&self.last_response()?.headers, wall)
    }

    /// The time of day, which goes on with the time of the runtime.
    pub fn wall() -> SystemTime {
        let ahead = Instant::now().into_std().saturating_duration_since(std::time::Instant::now());
        SystemTime::now() + ahead
    }

    /// The delay that comes of a `Retry-After`.
    pub fn bounded(&self, asked: Duration) -> Duration {
        asked.min(self.settings.max_delay).max(self.settings.min_delay)
    }

    pub fn waits_for(&mut self, what: Inner, is_endless: bool) {
        self.waiting = Some((what, is_endless));
    }

    pub fn before_poll(&mut self) {
        self.waiting = None;
        self.activity = 0;
    }

    /// The future is pending.
    pub fn after_pending(&mut self, is_woken: bool) {
        self.rule(!is_woken || self.activity > 0, || "the future wakes itself, and does nothing else".to_owned());
        if self.waiting.is_none() && !is_woken {
            let [_, rest @ ..] = self.held;
            self.rule(rest == [0; 3], || {
                format!("what is held while waiting: readied services, calls, bodies: {rest:?}")
            });
        }
    }

    /// The future is pending, and nothing wakes it.
    pub fn on_stuck(&mut self) {
        let now = self.now();
        let is_delayed = self.reported.waiting.is_some_and(|(said_at, delay)| said_at.saturating_add(delay) > now);
        let is_accepted = self.reported.began_at.is_some();
        let is_bounded = self.deadline.is_some_and(|deadline| deadline < CENTURY);
        let status = self.last_response().map(|response| response.status.as_u16());
        let is_start = self.exchanges.len() == 1 && !self.resumes();
        let is_unread = |status| REDIRECTS.contains(&status) || [429, 502, 503, 504].contains(&status);
        let needs_no_body = is_start || status.is_some_and(is_unread);
        let waiting = self.waiting;
        self.rule(!(is_accepted && is_bounded), || format!("the timeout does not hold: {waiting:?}"));
        match waiting {
            None => self.rule(is_delayed, || "the future is pending, and waits for nothing".to_owned()),
            Some((what, false)) => self.broken(format!("a wake-up got lost: of the {what:?}")),
            Some((Inner::Body, true)) => {
                self.rule(!needs_no_body, || "a body that nobody needs is waited for, and never comes".to_owned())
            }
            Some((Inner::Readiness | Inner::Call, true)) => {}
        }
    }

    /// The future is gone, and so is the service.
    pub fn after_drop(&mut self) {
        let [services, readied, calls, _] = self.held;
        self.rule([services, readied, calls] == [0; 3], || {
            format!("what is left of services, readied ones, calls: {:?}", [services, readied, calls])
        });
    }

    pub fn bodies(&self) -> usize {
        self.held[Held::Body as usize]
    }
}

/// Whether the query of an address has the parameter that Azure Maps takes for a credential.
pub fn has_subscription_key(address: &str) -> bool {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let mut names = query.split('&').filter_map(|parameter| Some(parameter.split_once('=')?.0));
    names.any(|name| name.eq_ignore_ascii_case("subscription-key"))
}
