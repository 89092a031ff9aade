//! `World`: what has happened so far, and the rules on waiting.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Request};
use tokio::time::Instant;
use tower_lro::{Operation, Resume};
use url::Url;

use super::{
    events::Told,
    reply::Response,
    server::Payload,
    settings::{CARRIED, DROPPED, HOST, Marker, SECRET, Settings},
    tape::Tape,
};
use crate::{hint, origin::own};

/// What is read of a body that nobody needs, and what is kept of an error's.
pub const MIB: usize = 1 << 20;

/// What is read for details.
pub const DETAILS: usize = 64 << 10;

/// Timers are as exact as this.
pub const TICK: Duration = Duration::from_millis(1);

/// The longest wait.
pub const CENTURY: Duration = Duration::from_secs(100 * 365 * 86400);

pub const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

#[derive(Debug)]
pub struct World(Mutex<Scene>);

/// What the layer holds of the server's.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    Service,
    Readiness,
    Call,
    Body,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inner {
    Readiness,
    Call,
    Body,
}

/// One of the things that are [`Held`], as long as it lives.
#[derive(Debug)]
pub struct Holding {
    world: Arc<World>,
    held: Held,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// The caller readies the service.
    Starting,
    Running,
    /// The future is ready, or dropped.
    Over,
}

/// A request, and what came of it.
#[derive(Debug, Default)]
pub struct Exchange {
    pub answered_at: Option<Duration>,
    /// Nothing, where there is none yet, and where the connection was lost.
    pub response: Option<Response>,
    /// How much was read of the body, and the largest frame of it.
    pub read: usize,
    pub largest: usize,
}

#[derive(Debug)]
pub struct Scene {
    pub(super) tape: Tape,
    pub settings: Settings,
    epoch: Instant,
    broken: Vec<String>,
    pub(super) stage: Stage,
    pub(super) start: String,
    /// Where the caller's requests have gone to with all that was in them, and where without.
    pub(super) own: Vec<Url>,
    pub(super) shown_nothing: Vec<Url>,
    /// What polls repeat of the caller's headers, and whether they have the caller's extensions.
    pub(super) repeated: HeaderMap,
    pub(super) is_marked: bool,
    pub is_resumed: bool,
    pub exchanges: Vec<Exchange>,
    pub waiting: Option<(Inner, bool)>,
    /// Goes up with everything that is done to the server.
    pub activity: u32,
    pub(super) held: [usize; 4],
    /// Whether the future has always been polled as soon as it was woken.
    pub is_punctual: bool,
    /// Whether the server may have named the secret itself.
    pub(super) knows_secret: bool,
    /// Whether it has named it, where the tape does not.
    pub(super) echoes: bool,
    pub moves: u32,
    pub polls: u32,
    pub told: Told,
}

impl World {
    pub fn new(settings: Settings, tape: Tape) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Scene {
            knows_secret: tape.hints_at(SECRET),
            tape,
            settings,
            epoch: Instant::now(),
            broken: Vec::new(),
            stage: Stage::Starting,
            start: String::new(),
            own: Vec::new(),
            shown_nothing: Vec::new(),
            repeated: HeaderMap::new(),
            is_marked: false,
            is_resumed: false,
            exchanges: Vec::new(),
            waiting: None,
            activity: 0,
            held: [0; 4],
            is_punctual: true,
            echoes: false,
            moves: 0,
            polls: 0,
            told: Told::default(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hold(self: &Arc<Self>, held: Held) -> Holding {
        self.lock().held[held as usize] += 1;
        Holding { world: self.clone(), held }
    }

    /// Fails if a rule has been broken. Not where it was, since the layer catches the panics of observers.
    pub fn check(&self) {
        let scene = self.lock();
        let Some(rule) = scene.broken.first().cloned() else { return };
        let mut history = format!("{:#?}\nstart: {}", scene.settings, scene.start);
        for exchange in &scene.exchanges {
            history += &format!("\n{exchange:?}");
        }
        drop(scene);
        panic!("{rule}\n{history}");
    }
}

impl Holding {
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut scene = self.world.lock();
        scene.held[self.held as usize] -= 1;
        // What is gone is not waited for, even if it was pending a moment ago.
        let what = match self.held {
            Held::Call => Inner::Call,
            Held::Body => Inner::Body,
            Held::Service | Held::Readiness => return,
        };
        scene.waiting.take_if(|(waiting, _)| *waiting == what);
    }
}

impl Scene {
    pub fn broken(&mut self, rule: impl Into<String>) {
        self.broken.push(rule.into());
    }

    pub fn rule(&mut self, holds: bool, rule: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(rule());
        }
    }

    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// A request of the caller's is about to be sent, which may take an operation up.
    pub fn begin(&mut self, request: &Request<Payload>, resumed: Option<&Operation>) {
        self.stage = Stage::Starting;
        self.start = request.uri().to_string();
        let here = own(&self.start, Some(HOST));
        let stored = resumed.map(|operation| serde_json::to_value(operation).expect("operations are written"));
        let stored = stored.unwrap_or_default();
        (self.own, self.shown_nothing) = match stored["anonymous"] == true {
            true => (Vec::new(), here),
            false => (here, Vec::new()),
        };
        // Where it was started, if that is remembered.
        self.own.extend(stored["start"]["uri"].as_str().and_then(|first| Url::parse(first).ok()));
        self.repeated = request.headers().clone();
        DROPPED.iter().for_each(|(name, _)| _ = self.repeated.remove(*name));
        self.is_marked = request.extensions().get::<Marker>().is_some();
        self.is_resumed = request.extensions().get::<Resume>().is_some();
        self.exchanges.clear();
        self.is_punctual = true;
        self.moves = 0;
        self.polls = resumed.map_or(0, Operation::polls);
        // Even if it had been seen to end, it is looked at again.
        self.told = Told::default();
        self.settings.origins.protocol.clear();
    }

    pub fn run(&mut self) {
        self.stage = Stage::Running;
    }

    pub fn end(&mut self) {
        self.stage = Stage::Over;
    }

    /// Whether secrets of the start request have nothing to do in what is said of the operation.
    pub fn secret_is_safe(&self) -> bool {
        !self.knows_secret
    }

    /// Whether what goes by the query is carried, and the start request has it.
    pub fn carries_the_secret(&self) -> bool {
        let has_it = has_subscription_key(&self.start);
        self.settings.carried == CARRIED[0] && has_it
    }

    pub fn last(&self) -> Option<&Exchange> {
        self.exchanges.last()
    }

    pub fn last_response(&self) -> Option<&Response> {
        self.last()?.response.as_ref()
    }

    pub fn last_hint(&self) -> Option<Duration> {
        self.last_hint_at(SystemTime::now())
    }

    pub fn last_hint_at(&self, wall: SystemTime) -> Option<Duration> {
        hint::reference(&self.last_response()?.headers, wall)
    }

    /// The delay that comes of a hint.
    pub fn bounded(&self, hint: Duration) -> Duration {
        hint.min(self.settings.max_delay).max(self.settings.min_delay)
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
        let is_delayed = self.told.waiting.is_some_and(|(told_at, delay)| told_at.saturating_add(delay) > now);
        let is_accepted = self.told.accepted_at.is_some();
        let has_timeout = self.settings.timeout.is_some_and(|timeout| timeout < CENTURY);
        let status = self.last_response().map(|response| response.status.as_u16());
        let is_start = self.exchanges.len() == 1 && !self.is_resumed;
        let is_unread = |status| REDIRECTS.contains(&status) || [429, 502, 503, 504].contains(&status);
        let needs_no_body = is_start || status.is_some_and(is_unread);
        let waiting = self.waiting;
        self.rule(!(is_accepted && has_timeout), || format!("the timeout does not hold: {waiting:?}"));
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
