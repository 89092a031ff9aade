//! `Plan`: a random script for an operation, and what is to come of it.

use std::{collections::BTreeMap, time::Duration};

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tower_lro::{
    BoxError, Cause, Error, LroBody, OperationState, ResponseExt,
    simulator::{Fault, Reply, Script},
};

/// A small generator of numbers, the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % bound
    }
}

/// The outcome of a request that starts an operation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Succeeded,
    Failed,
    Canceled,
    /// The service closed the connection on the start request.
    NotSent,
    /// The service did not accept the start request.
    NotAccepted(StatusCode),
    /// The monitor refused an answer for good.
    Refused(StatusCode),
    NoStatus,
    ForeignAddress,
    /// Anything else, which no plan has.
    Unforeseen(String),
}

impl End {
    pub fn label(&self) -> String {
        match self {
            Self::Succeeded => "succeeded".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Canceled => "canceled".to_owned(),
            Self::NotSent => "start: connection closed".to_owned(),
            Self::NotAccepted(status) => format!("start: {}", status.as_u16()),
            Self::Refused(status) => format!("monitor: {}", status.as_u16()),
            Self::NoStatus => "monitor: no status".to_owned(),
            Self::ForeignAddress => "monitor: wrong address".to_owned(),
            Self::Unforeseen(_) => "unforeseen".to_owned(),
        }
    }
}

/// How an operation ended, or is to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub end: End,
    pub polls: u32,
    /// The length of the final response's body, where it is known beforehand.
    pub bytes: Option<usize>,
}

pub struct Plan {
    pub script: Script,
    pub outcome: Outcome,
    pub failures: u64,
}

const REFUSED_BY_MONITOR: StatusCode = StatusCode::FORBIDDEN;
const NOT_ACCEPTED: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

impl Plan {
    /// Plays an operation whose monitor is at `monitor`, and whose delays are some units long.
    pub fn random(random: &mut Random, monitor: &str, unit: Duration) -> Self {
        let start = Reply::http(202).header("operation-location", monitor);
        let start = match random.below(20) {
            0 => return Self::without_operation(start.fault(Fault::Refused), End::NotSent),
            1 => return Self::without_operation(start.code(503), End::NotAccepted(NOT_ACCEPTED)),
            _ => start,
        };
        let (mut replies, mut failures) = (Vec::new(), 0);
        let mut add = |reply: Reply, fails: bool| {
            replies.push(reply);
            failures += u64::from(fails);
            fails
        };
        let (mut is_first, mut has_status) = (true, false);
        for _ in 0..random.below(6) {
            let hint = unit * (1 + random.below(50));
            let running = || Reply::status("Running").retry_after(hint);
            // Each kind of fault has 5 % of the replies.
            let what = random.below(20);
            let (reply, fails) = match what {
                0 => (Reply::http(200).fault(Fault::Refused), true),
                1 => (Reply::status("Succeeded").fault(Fault::BrokenAfter(random.below(90) as usize)), true),
                2 => (Reply::http(503).retry_after(hint), true),
                3 => (Reply::http(429).retry_after(hint), true),
                4 if is_first => (Reply::http(404), true),
                5 => (Reply::http(307).header("location", monitor), false),
                6 => (running().delay(hint), false),
                7 => (Reply::http(202), false),
                _ => (running().chunks(1 + random.below(40) as usize), false),
            };
            // One failure in a row is survived, and not two.
            if add(reply, fails) {
                add(running(), false);
            }
            // A redirect has none.
            has_status |= what != 5;
            is_first = false;
        }
        let (last, end, bytes) = match random.below(20) {
            0 | 1 => (Reply::status("Failed"), End::Failed, None),
            2 | 3 => (Reply::status("Canceled"), End::Canceled, None),
            4 | 5 => (Reply::http(204), End::Succeeded, Some(0)),
            6 => (Reply::http(REFUSED_BY_MONITOR.as_u16()), End::Refused(REFUSED_BY_MONITOR), None),
            7 => (Reply::json("[]"), End::NoStatus, None),
            8 => (Reply::status("Running").header("operation-location", "ftp://x"), End::ForeignAddress, None),
            _ => {
                let result = random.below(5000) as usize;
                let bytes = r#"{"status": "Succeeded", "result": ""}"#.len() + result;
                (Reply::status_with_result("Succeeded", result), End::Succeeded, Some(bytes))
            }
        };
        // Once there was a status, a response without one is a failed poll, and survived once.
        if end == End::NoStatus && has_status {
            add(last.clone(), true);
            add(last, true);
        } else {
            add(last, false);
        }
        let polls = u32::try_from(replies.len()).unwrap_or(u32::MAX);
        Self { script: Script::new(start).polls(replies), outcome: Outcome { end, polls, bytes }, failures }
    }

    fn without_operation(start: Reply, end: End) -> Self {
        Self { script: Script::new(start), outcome: Outcome { end, polls: 0, bytes: None }, failures: 0 }
    }
}

impl Outcome {
    /// Reads what came out of the layer to its end.
    pub async fn of<B, E>(result: Result<Response<LroBody<B>>, Error<E>>) -> Self
    where
        B: http_body::Body<Error: Into<BoxError>>,
        E: std::fmt::Debug,
    {
        let response = match result {
            Ok(response) => response,
            Err(Error::Operation(error)) => {
                let end = match error.cause() {
                    Cause::Monitor(response) => End::Refused(response.status()),
                    Cause::Status(_) => End::NoStatus,
                    Cause::Address(_) => End::ForeignAddress,
                    cause => End::Unforeseen(format!("{cause:?}")),
                };
                return Self { end, polls: error.operation().polls(), bytes: None };
            }
            Err(Error::Service(_)) => return Self { end: End::NotSent, polls: 0, bytes: None },
            Err(error) => return Self { end: End::Unforeseen(format!("{error:?}")), polls: 0, bytes: None },
        };
        let operation = response.operation().map(|operation| (operation.state(), operation.polls()));
        let (end, polls) = match operation {
            Some((OperationState::Succeeded, polls)) => (End::Succeeded, polls),
            Some((OperationState::Failed, polls)) => (End::Failed, polls),
            Some((OperationState::Canceled, polls)) => (End::Canceled, polls),
            Some((state, polls)) => (End::Unforeseen(format!("{state:?} at the end")), polls),
            None => (End::NotAccepted(response.status()), 0),
        };
        match response.into_body().collect().await {
            Ok(body) => Self { end, polls, bytes: Some(body.to_bytes().len()) },
            Err(error) => {
                let error: BoxError = error.into();
                Self { end: End::Unforeseen(format!("the final body broke off: {error}")), polls, bytes: None }
            }
        }
    }

    fn is_as(&self, planned: &Self) -> bool {
        self.end == planned.end
            && self.polls == planned.polls
            && (planned.bytes.is_none() || self.bytes == planned.bytes)
    }
}

/// How operations ended so far.
#[derive(Default)]
pub struct Tally {
    pub ends: BTreeMap<String, u64>,
    pub polls: u64,
    pub wrong: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, number: usize, outcome: &Outcome, planned: &Outcome) {
        *self.ends.entry(outcome.end.label()).or_default() += 1;
        self.polls += u64::from(outcome.polls);
        if !outcome.is_as(planned) {
            self.wrong.push(format!("operation {number} was to end as {planned:?}, and ended as {outcome:?}"));
        }
    }

    pub fn operations(&self) -> u64 {
        self.ends.values().sum()
    }
}
