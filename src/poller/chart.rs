//! The test of the machine's chart: it takes every arrow, and no other, without a future, a socket or a clock.

mod row;
mod rows;
mod settings;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, request};
use http_body::Frame;

use self::Happens::{
    After, Broken, Due, End, Flood, Frame as Data, Head, LastFrame as LastData, NoTimer, ServiceError, ServiceGone,
    Stall, Trailers, Unsendable,
};
use crate::{
    address::policy::{Address, Credentials},
    config::Config,
    limits::{MAX_DRAIN_BYTES, MAX_EMPTY_FRAMES},
    operation::Operation,
    poller::{
        chart::{
            row::{Begin, From as Origin, Happens, Headers, Row},
            rows::{ENDS, HEADS, STARTS, STATUSES, WAITS},
        },
        phases::{Action, Purpose, Reading, Sending, Waiting},
        reason::{Io, Reason},
        response::{Arrived, PartialResponse},
        resuming::resume,
        starting::{Beginning, Started, Starting},
    },
    request::captured::{CapturedRequest, Intent, RequestHead},
};

/// The chart in the documentation itself, so that it cannot be wrong.
const CHART: &str = include_str!("mod.rs");

/// Stands for bodies and for errors of services: the script says what they give.
struct NoIo;

impl Io for NoIo {
    type Body = ();
    type Error = &'static str;
}

enum Phase {
    Starting(Box<Starting<NoIo>>),
    NotAnOperation,
    Act(Action<NoIo>),
}

impl From<Started<NoIo>> for Phase {
    fn from(started: Started<NoIo>) -> Self {
        match started {
            Started::Reading(starting) => Self::Starting(starting),
            Started::Accepted(action) => Self::Act(action),
            Started::NotAnOperation(_) => Self::NotAnOperation,
        }
    }
}

impl Phase {
    fn name(&self) -> String {
        match self {
            Self::Starting(_) => "Starting".to_owned(),
            Self::NotAnOperation => "NotAnOperation".to_owned(),
            Self::Act(action) => match action {
                Action::Wait(_) => "Waiting".to_owned(),
                Action::Send(_) => "Sending".to_owned(),
                Action::Read(reading) => format!("Reading({})", purpose(reading)),
                Action::Done(..) => "Done".to_owned(),
                Action::Failed(reason, _) => format!("Failed: {:?}", reason.outcome()),
                Action::Pending(delay, _) => format!("Pending: {delay:?}"),
            },
        }
    }

    /// When it is due, if ever.
    fn due(&self) -> Option<Duration> {
        let due = match self {
            Self::Starting(_) => Some(Starting::<NoIo>::WAKE_AT),
            Self::Act(Action::Wait(waiting)) => Some(waiting.wake_at()),
            Self::Act(Action::Send(sending)) => sending.wake_at(),
            Self::Act(Action::Read(reading)) => Some(reading.wake_at()),
            Self::NotAnOperation | Self::Act(Action::Done(..) | Action::Failed(..) | Action::Pending(..)) => None,
        };
        due.filter(|due| *due != Duration::MAX)
    }

    fn shown(&self) -> String {
        self.due().map_or_else(|| self.name(), |due| format!("{}@{due:?}", self.name()))
    }

    /// The next phase; `None` if this cannot happen in this phase.
    fn after(self, happens: Happens, now: Duration) -> Option<Self> {
        if matches!(happens, Due) && self.due().is_none() {
            return None;
        }
        match self {
            Self::Starting(starting) => after_starting(starting, happens, now),
            Self::Act(Action::Wait(waiting)) => after_waiting(waiting, happens, now).map(Self::Act),
            Self::Act(Action::Send(sending)) => after_sending(sending, happens, now).map(Self::Act),
            Self::Act(Action::Read(reading)) => after_reading(reading, happens, now).map(Self::Act),
            Self::NotAnOperation | Self::Act(Action::Done(..) | Action::Failed(..) | Action::Pending(..)) => None,
        }
    }
}

fn purpose(reading: &Reading<NoIo>) -> &'static str {
    match reading.purpose {
        Purpose::Status => "Status",
        Purpose::Drain { .. } => "Drain",
        Purpose::DrainStatus { .. } => "DrainStatus",
        Purpose::MessageHead { .. } => "MessageHead",
        Purpose::Details { .. } => "Details",
        Purpose::Error { .. } => "Error",
    }
}

fn after_starting(starting: Box<Starting<NoIo>>, happens: Happens, now: Duration) -> Option<Phase> {
    Some(match happens {
        Data(data) => starting.on_frame(Frame::data(data.into()), now).into(),
        Stall => (0..=MAX_EMPTY_FRAMES).fold(Phase::Starting(starting), |phase, _| match phase {
            Phase::Starting(starting) => starting.on_frame(Frame::data(Bytes::new()), now).into(),
            over => over,
        }),
        Trailers => starting.on_frame(Frame::trailers(HeaderMap::new()), now).into(),
        End => starting.on_end(now).into(),
        Due | Broken | NoTimer => starting.on_due(now).into(),
        _ => return None,
    })
}

fn after_waiting(waiting: Waiting, happens: Happens, now: Duration) -> Option<Action<NoIo>> {
    match happens {
        Due => Some(waiting.on_due(now)),
        NoTimer => Some(waiting.into_poller().fail(Reason::NoTimer)),
        _ => None,
    }
}

fn after_sending(mut sending: Sending, happens: Happens, now: Duration) -> Option<Action<NoIo>> {
    Some(match happens {
        Head(status, headers) => {
            _ = sending.request();
            sending.on_response(arrived(status, headers, now), now)
        }
        Due => sending.on_due(now),
        ServiceError => {
            _ = sending.request();
            sending.on_service_error("refused", now)
        }
        ServiceGone => sending.on_service_gone("closed", now),
        Unsendable => sending.on_unsendable(),
        NoTimer => sending.into_poller().fail(Reason::NoTimer),
        _ => return None,
    })
}

fn after_reading(reading: Box<Reading<NoIo>>, happens: Happens, now: Duration) -> Option<Action<NoIo>> {
    Some(match happens {
        Data(text) => reading.on_frame(Frame::data(text.into()), now),
        LastData(text) => reading.on_last_frame(Frame::data(text.into()), now),
        Flood => reading.on_frame(Frame::data(vec![b' '; MAX_DRAIN_BYTES + 1].into()), now),
        Stall => (0..=MAX_EMPTY_FRAMES).fold(Action::Read(reading), |action, _| match action {
            Action::Read(reading) => reading.on_frame(Frame::data(Bytes::new()), now),
            over => over,
        }),
        Trailers => reading.on_frame(Frame::trailers(HeaderMap::new()), now),
        End => reading.on_end(now),
        Broken => reading.on_broken(now),
        Due => reading.on_due(now),
        NoTimer => reading.poller.fail(Reason::NoTimer),
        _ => return None,
    })
}

fn arrived(status: u16, headers: Headers, now: Duration) -> Box<PartialResponse<()>> {
    let (mut head, body) = Response::new(()).into_parts();
    head.status = StatusCode::from_u16(status).expect("a status");
    for &(name, value) in headers {
        head.headers.append(name, value.parse().expect("a value"));
    }
    let arrived = Arrived { head, body, is_empty: false, effective_uri: None };
    PartialResponse::new(arrived, now, || SystemTime::UNIX_EPOCH + now)
}

/// The origin of a row, and its first phase.
fn begin(Begin { from, settings }: Begin) -> (&'static str, Phase) {
    let mut config = Config::default();
    config.delays.jitter = 0.0;
    settings(&mut config);
    let config = Arc::new(config);
    let beginning = Beginning { wall: SystemTime::UNIX_EPOCH, seed: 0 };
    match from {
        Origin::Answer(status, headers) => {
            let response = arrived(status, headers, Duration::ZERO);
            let captured = captured(Request::post("https://example.com/start"));
            ("Response", Starting::begin(config, captured, response, beginning).into())
        }
        Origin::Stored(monitor) => {
            let address = Address { uri: Uri::from_static(monitor), credentials: Credentials::Send };
            let operation = Operation::new(address, config.protocols[0].clone(), 0);
            let mut request = Request::get("https://example.com/").body(()).expect("a request");
            let template = config.resuming(RequestHead::of(&mut request, Intent::Resume), request.headers());
            ("Request", Phase::Act(resume(config, template, operation.resume(), beginning)))
        }
    }
}

fn captured(request: request::Builder) -> CapturedRequest {
    let mut request = request.body(()).expect("a request");
    CapturedRequest::new(RequestHead::of(&mut request, Intent::Send), request.headers())
}

/// The path of a row.
fn walk(from: Begin, script: &[Happens]) -> Vec<String> {
    let (origin, mut phase) = begin(from);
    let mut path = vec![origin.to_owned(), phase.shown()];
    let mut now = Duration::ZERO;
    for &happens in script {
        match happens {
            After(time) => {
                now += time;
                continue;
            }
            // A timer may fire late, but never early.
            Due => now = phase.due().map_or(now, |due| due.max(now)),
            _ => {}
        }
        let Some(next) = phase.after(happens, now) else {
            path.push(format!("{happens:?} cannot happen here"));
            break;
        };
        // Most frames are read and change nothing.
        if path.last().is_none_or(|last| *last != next.shown()) {
            path.push(next.shown());
        }
        phase = next;
    }
    path
}

/// A phase without its times and reasons.
fn node(shown: &str) -> &str {
    shown.split(['@', ':']).next().unwrap_or_default()
}

#[test]
fn every_arrow_is_taken_and_no_other() {
    let mut wrong = Vec::new();
    let mut taken = BTreeSet::new();
    for &Row(name, from, script, expected) in [STARTS, WAITS, HEADS, STATUSES, ENDS].into_iter().flatten() {
        let path = walk(from, script);
        taken.extend(path.windows(2).map(|pair| (node(&pair[0]).to_owned(), node(&pair[1]).to_owned())));
        let path = path.join(" ► ");
        if path != expected {
            wrong.push(format!("{name}:\n  went     {path}\n  expected {expected}"));
        }
    }
    let lines = CHART.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(" ► "));
    let arrows = lines.flat_map(|(from, to)| to.split(", ").map(|to| (from.to_owned(), to.to_owned())));
    let drawn: BTreeSet<_> = arrows.collect();
    wrong.extend(drawn.difference(&taken).map(|(from, to)| format!("no row goes from {from} to {to}")));
    wrong.extend(taken.difference(&drawn).map(|(from, to)| format!("the chart has no arrow from {from} to {to}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
