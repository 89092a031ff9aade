//! Starting: does this response start an operation?

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Uri};
use http_body::Frame;

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        policy::{Address, Credentials},
        resolver::{Resolver, header_text},
        uri::without_secrets,
    },
    config::Config,
    event::{Event, tracing::Spans},
    limits::{MAX_DETAILS_BYTES, MAX_ID_BYTES, START_BODY_TIME},
    operation::Operation,
    poller::{
        addresses::{remember_start, split},
        considered::{Body, Considered, by_media_type, reference},
        phases::{Action, Context, FullAddresses, Poller},
        reason::Io,
        response::PartialResponse,
        schedule::Schedule,
        unmatched,
    },
    protocol::{
        Candidate,
        start_rule::{By, StartRule},
        template::Known,
    },
    request::captured::{Call, CapturedRequest, FollowedRequest},
};

const OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");
const X_MS_OPERATION_ID: HeaderName = HeaderName::from_static("x-ms-operation-id");

/// A response that may start an operation and whose body is being read to find out. There is no operation yet.
pub(crate) struct Starting<T: Io> {
    config: Arc<Config>,
    captured: CapturedRequest,
    response: Box<PartialResponse<T::Body>>,
    candidates: Vec<Considered>,
    beginning: Beginning,
}

/// The driver's facts at the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    /// The time of day.
    pub(crate) wall: SystemTime,
    /// For the jitter.
    pub(crate) seed: u64,
}

/// Whether a response has started an operation.
#[must_use]
pub(crate) enum Started<T: Io> {
    /// Not known yet: read on in the body of the response, and report the next frame, its end or its failure.
    Reading(Box<Starting<T>>),
    Accepted(Action<T>),
    /// It started none: give the caller this response, and the rest of its body, unchanged.
    NotAnOperation(Box<PartialResponse<T::Body>>),
}

impl<T: Io> Starting<T> {
    /// When [`on_due`](Self::on_due) is to be reported, if the body gives nothing before.
    pub(crate) const WAKE_AT: Duration = START_BODY_TIME;

    /// A response that [may start](Config::may_start_operation) an operation. Time begins with it.
    pub(crate) fn begin(
        config: Arc<Config>,
        captured: CapturedRequest,
        response: Box<PartialResponse<T::Body>>,
        beginning: Beginning,
    ) -> Started<T> {
        let head = &response.head;
        let mut candidates = config.candidates(&captured.head.method, head.status, &head.headers);
        let first = match candidates.next() {
            // Most operations are announced by a head alone.
            Some(first) if first.rule().is_decided_by_head() => {
                drop(candidates);
                return Started::Accepted(accept(config, captured, response, first, beginning, Duration::ZERO));
            }
            first => first,
        };
        let json = by_media_type(&head.headers);
        let candidates = first.into_iter().chain(candidates);
        let candidates = candidates.filter_map(|candidate| Considered::new(candidate, &head.headers, json)).collect();
        Box::new(Self { config, captured, response, candidates, beginning }).decide(Duration::ZERO)
    }

    pub(crate) fn body(&mut self) -> &mut T::Body {
        &mut self.response.body
    }

    /// The next frame of the body.
    pub(crate) fn on_frame(mut self: Box<Self>, frame: Frame<Bytes>, now: Duration) -> Started<T> {
        if frame.is_trailers() {
            // Nothing comes after trailers.
            self.response.frames.push(frame);
            return self.on_end(now);
        }
        let Some(data) = frame.data_ref().cloned() else { return Started::Reading(self) };
        let before = self.response.frames.bytes();
        self.response.frames.push(frame);
        self.response.count_empty(&data);
        if now >= Self::WAKE_AT || self.response.is_stalled() {
            return self.on_due(now);
        }
        let max_bytes = self.config.max_status_bytes;
        for considered in &mut self.candidates {
            let within = data.len().min(max_bytes.saturating_sub(before));
            considered.read(&data[..within], &self.response);
            let bytes = self.response.frames.bytes();
            if bytes > max_bytes {
                considered.close(&self.response, Body::Part);
            } else if bytes > MAX_DETAILS_BYTES {
                considered.decide_name(&self.response);
            }
        }
        self.decide(now)
    }

    /// The body is at its end.
    pub(crate) fn on_end(mut self: Box<Self>, now: Duration) -> Started<T> {
        self.candidates.iter_mut().for_each(|considered| considered.close(&self.response, Body::Whole));
        self.decide(now)
    }

    /// The body was read for long enough, or broke off: decides by what was read.
    pub(crate) fn on_due(mut self: Box<Self>, now: Duration) -> Started<T> {
        self.candidates.iter_mut().for_each(|considered| considered.close(&self.response, Body::Part));
        self.decide(now)
    }

    /// Accepts the operation by the first rule that may still apply, once it certainly does.
    fn decide(mut self: Box<Self>, now: Duration) -> Started<T> {
        self.candidates.retain(|considered| considered.verdict() != Some(false));
        if self.candidates.first().is_some_and(|considered| considered.verdict().is_none()) {
            return Started::Reading(self);
        }
        let Self { config, captured, response, mut candidates, beginning } = *self;
        if candidates.is_empty() {
            unmatched::report(&config, &captured.head, response.head.status, &response.head.headers);
            return Started::NotAnOperation(response);
        }
        let candidate = candidates.swap_remove(0).candidate;
        Started::Accepted(accept(config, captured, response, candidate, beginning, now))
    }
}

/// The response starts an operation.
fn accept<T: Io>(
    config: Arc<Config>,
    captured: CapturedRequest,
    response: Box<PartialResponse<T::Body>>,
    candidate: Candidate,
    beginning: Beginning,
    now: Duration,
) -> Action<T> {
    let request = captured.into_followed(config.template_rules());
    let (operation, full, refusal) = operation(&config, &request, &response, &candidate, beginning.wall);
    let FollowedRequest { method, uri, template } = request;
    let spans = Spans::begin(Call::Starts, &method, &uri, &operation);
    let schedule = Schedule::new(config.timeout, beginning.seed);
    let context = Context { config, method, template, call: Call::Starts, age: Duration::ZERO };
    let full = full.map(|target| Box::new(FullAddresses { target: Some(target), location: None }));
    let mut poller = Box::new(Poller { context, spans, operation, schedule, full, unrecognized: None });
    poller.record_elapsed(now);
    if let Some(location) = poller.location(&response.head.headers, &uri) {
        poller.note_location(&location);
    }
    poller.emit(|operation| Event::Accepted { operation });
    if let Some(error) = refusal {
        return poller.fail_address(error);
    }
    poller.delay(response.retry_after(now), now);
    poller.drain(response, now)
}

/// Makes the operation that was accepted. Also returns the monitor's full address, if that is more than it may hold, and the error
/// if the monitor must not be asked.
fn operation<B>(
    config: &Config,
    request: &FollowedRequest,
    response: &PartialResponse<B>,
    candidate: &Candidate,
    wall: SystemTime,
) -> (Operation, Option<Uri>, Option<AddressError>) {
    let rule = candidate.rule();
    let headers = &response.head.headers;
    let body = if rule.by.reads_body() { response.frames.to_bytes() } else { Bytes::new() };
    let resolver = config.resolver(&request.template.caller, &candidate.protocol);
    let name = reference(rule, headers, &body);
    let (address, refusal) = match monitor_address(rule, name.as_deref(), headers, &request.uri, &resolver) {
        Ok(address) => (address, None),
        Err(error) => {
            let uri = error.uri().cloned().unwrap_or_else(|| without_secrets(&request.uri));
            (Address { uri, credentials: Credentials::Withhold }, Some(error))
        }
    };
    let (uri, full) = split(&resolver, config, Call::Starts, &address.uri);
    let mut operation = Operation::new(Address { uri, ..address }, candidate.protocol.clone(), candidate.start_rule);
    if refusal.as_ref().is_some_and(|error| error.uri().is_none()) {
        operation.more_mut().has_no_monitor = true;
    }
    // What the other rules look for is a link, not a name.
    let name = name.filter(|_| matches!(rule.by, By::Name { .. } | By::NameHeader { .. }));
    let id = id(headers).or(name).map(|id| resolver.name_without_propagated(&config.propagate_query, id));
    operation.id = id.map(Box::from);
    operation.accepted_at = Some(wall);
    operation.progress.deadline = config.timeout.and_then(|timeout| wall.checked_add(timeout));
    remember_start(config, &mut operation, &request.method, &request.uri);
    (operation, full, refusal)
}

/// Finds the address of the monitor.
fn monitor_address(
    rule: &StartRule,
    name: Option<&str>,
    headers: &HeaderMap,
    start: &Uri,
    resolver: &Resolver<'_>,
) -> Result<Address, AddressError> {
    let missing = |header| AddressError::new(AddressErrorKind::Missing, header, None);
    let known = Known { monitor: None, start: Some(start), name };
    match &rule.by {
        By::Header(header) => {
            resolver.resolve_header(header, headers, start).unwrap_or_else(|| Err(missing(Some(header.clone()))))
        }
        By::Link(_) | By::Relation(_) => resolver.resolve(name.ok_or_else(|| missing(None))?, start),
        By::Name { template, .. } | By::NameHeader { template, .. } | By::Template(template) => {
            resolver.resolve(&template.expand(&known).ok_or_else(|| missing(None))?, start)
        }
        By::RequestUri => resolver.check(start),
    }
}

fn id(headers: &HeaderMap) -> Option<String> {
    let is_id = |id: &&str| !id.is_empty() && id.len() <= MAX_ID_BYTES;
    let of = |header| header_text(headers.get(header)?).filter(is_id);
    [OPERATION_ID, X_MS_OPERATION_ID].iter().find_map(of).map(str::to_owned)
}
