//! `Case`: one row of a table of faults, played through both integrations.

use std::sync::{Arc, Mutex};

use tower_lro::{DelayReason, Event, LroLayer, OwnedEvent, PollFailure};

use crate::{
    client::{Ended, INTEGRATIONS, Integration, Report, quick},
    server::{Script, Server},
    server_script::{Act, SUCCEEDED},
};

/// A server's behavior, and the outcome that it must have: unless something else is said, success after all polls of the script,
/// each of them seen by the server, with one start and no failed poll.
#[must_use]
pub struct Case {
    name: String,
    layer: LroLayer,
    script: Script,
    ended: Ended,
    failures: Option<Vec<PollFailure>>,
    /// How many polls the server sees.
    seen: Seen,
    /// How many it does not see, because it is down.
    unseen: usize,
    /// How many failures in a row it stays down.
    down_for: u32,
}

#[derive(Clone, Copy)]
enum Seen {
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
}

impl Case {
    pub fn new(name: impl Into<String>, polls: impl Into<Vec<Act>>) -> Self {
        let script = Script::new(polls);
        Self {
            name: name.into(),
            layer: quick(),
            seen: Seen::Exactly(script.polls.len()),
            script,
            ended: Ended::succeeded(SUCCEEDED),
            failures: Some(Vec::new()),
            unseen: 0,
            down_for: 0,
        }
    }

    pub fn start(mut self, act: Act) -> Self {
        self.script.start = act;
        self
    }

    /// After its polls, the script repeats this.
    pub fn forever(mut self, act: Act) -> Self {
        self.script.last = Some(act);
        self
    }

    pub fn layer(self, change: impl FnOnce(LroLayer) -> LroLayer) -> Self {
        Self { layer: change(self.layer), ..self }
    }

    pub fn ends(self, ended: Ended) -> Self {
        Self { ended, ..self }
    }

    /// The polls that fail.
    pub fn fails(self, failures: impl Into<Vec<PollFailure>>) -> Self {
        Self { failures: Some(failures.into()), ..self }
    }

    /// The first response without a status is the last, since no failed poll is repeated.
    pub fn without_a_status(self) -> Self {
        self.layer(|layer| layer.max_consecutive_failures(0)).fails([PollFailure::NoStatus])
    }

    /// Which polls fail depends on what the client sees first.
    pub fn may_fail(self) -> Self {
        Self { failures: None, ..self }
    }

    pub fn polls(self, seen: usize) -> Self {
        Self { seen: Seen::Exactly(seen), ..self }
    }

    pub fn polls_at_least(self, seen: usize) -> Self {
        Self { seen: Seen::AtLeast(seen), ..self }
    }

    pub fn polls_at_most(self, seen: usize) -> Self {
        Self { seen: Seen::AtMost(seen), ..self }
    }

    /// The server comes back after so many failures in a row, and does not see so many polls until then.
    pub fn down_for(self, failures: u32, unseen: usize) -> Self {
        Self { down_for: failures, unseen, ..self }
    }

    /// Plays it, checks it, and returns what is left of it.
    pub async fn play(&self, integration: Integration) -> Played {
        let name = format!("{}, {integration:?}", self.name);
        let server = Server::of(self.script.clone());
        let (layer, events) = self.watched(&server);
        let report = integration.send(layer, &server.url("/start")).await;
        let events = std::mem::take(&mut *events.lock().unwrap());
        let played = Played { report, server, events };

        assert_eq!(played.report.ended, self.ended, "{name}: {:#?}", played.report);
        assert_eq!(played.server.starts(), 1, "starts: {name}: {:#?}", played.report);
        let seen = played.server.polls();
        let is_right = match self.seen {
            Seen::Exactly(polls) => seen == polls,
            Seen::AtLeast(polls) => seen >= polls,
            Seen::AtMost(polls) => seen <= polls,
        };
        assert!(is_right, "{seen} polls: {name}: {:#?}", played.report);
        if let Some(failures) = &self.failures {
            assert_eq!(played.failures(), *failures, "failures: {name}: {:#?}", played.report);
        }
        if let (Some(operation), Some(_), Seen::Exactly(_)) = (&played.report.operation, &self.failures, self.seen) {
            assert_eq!(operation.polls() as usize, seen + self.unseen, "the operation's polls: {name}");
        }
        played
    }

    fn watched(&self, server: &Server) -> (LroLayer, Arc<Mutex<Vec<OwnedEvent>>>) {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (log, server, down_for) = (events.clone(), server.clone(), self.down_for);
        let layer = self.layer.clone().on_event(move |event| {
            match event {
                Event::Accepted { .. } => server.accepted(),
                Event::PollFailed { failures, .. } if *failures == down_for => server.up(),
                _ => {}
            }
            log.lock().unwrap().push(OwnedEvent::from(event));
        });
        (layer, events)
    }
}

/// The remains of a case that went as it should.
pub struct Played {
    pub report: Report,
    pub server: Server,
    pub events: Vec<OwnedEvent>,
}

impl Played {
    fn failures(&self) -> Vec<PollFailure> {
        self.events
            .iter()
            .filter_map(|event| match event.as_event() {
                Event::PollFailed { failure, .. } => Some(failure),
                _ => None,
            })
            .collect()
    }

    /// Why each delay was as long as it was.
    pub fn reasons(&self) -> Vec<DelayReason> {
        self.events
            .iter()
            .filter_map(|event| match event.as_event() {
                Event::Waiting { reason, .. } => Some(reason),
                _ => None,
            })
            .collect()
    }
}

/// Plays each case through both integrations.
pub async fn check(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        for integration in INTEGRATIONS {
            case.play(integration).await;
        }
    }
}
