//! Finishing: from a terminal status to the caller's response or error.

use std::time::Duration;

use http::{
    HeaderName, Method, StatusCode, Uri,
    header::{CONTENT_TYPE, LOCATION},
    response::Parts,
};

use crate::{
    address::{
        error::AddressError,
        policy::{Address, Credentials},
        resolver::header_text,
    },
    event::Outcome,
    json::{
        members::{Member, json_string, members, text_of},
        selector::Pointer,
    },
    limits::{ERROR_DETAILS_TIME, MAX_DETAILS_BYTES, MAX_DRAIN_BYTES, READY_DETAILS_TIME},
    operation::details::{self, Details},
    poller::{
        application_http,
        phases::{Action, Poller, Purpose, Reading},
        reason::{Io, Unusable},
        response::PartialResponse,
        result::{self, Document, Places},
        status_search::{StatusSearch, percent_in},
    },
    protocol::{
        final_response::{FinalResponse, ResourceRule},
        start_rule::By,
        state::OperationState,
        template::Known,
    },
    request::captured::Call,
};

const RESOURCE_LOCATION: HeaderName = HeaderName::from_static("resource-location");

/// The addresses that a final status response names.
pub(crate) struct Named {
    resource: Option<Uri>,
    location: Option<Uri>,
}

impl<T: Io> Reading<T> {
    /// The operation has ended.
    pub(crate) fn finish(mut self: Box<Self>, state: OperationState, now: Duration) -> Action<T> {
        self.poller.operation.state = state;
        self.poller.forget_redirects();
        let headers = &self.response.head.headers;
        let outcome =
            self.poller.status_rule().outcome_header.as_ref().and_then(|header| header_text(headers.get(header)?));
        let outcome = outcome.and_then(outcome_status);
        if let Some(outcome) = outcome {
            self.response.head.status = outcome;
            self.poller.operation.state = state_of(outcome);
            self.poller.operation.is_success_assumed = false;
        }
        if self.poller.status_rule().unwraps_messages && is_message(&self.response.head) {
            // Until the message gives the outcome.
            let operation = &mut self.poller.operation;
            let is_told = outcome.is_some() || operation.status.is_some();
            operation.is_success_assumed = operation.state == OperationState::Succeeded && !is_told;
            let mut seen = 0;
            if application_http::end_of_head(&self.response.frames.to_bytes(), &mut seen) {
                return self.unwrap_message(now);
            }
            self.purpose = Purpose::MessageHead { seen };
            self.until = self.poller.schedule.or_deadline(Duration::MAX);
            return Action::Read(self);
        }
        self.begin_details(now)
    }

    /// The operation has succeeded, whatever is in the body.
    pub(crate) fn succeed_by_head(mut self: Box<Self>, now: Duration) -> Action<T> {
        self.poller.note_success();
        self.finish(OperationState::Succeeded, now)
    }

    /// Reads the rest of the body for details as far as it arrives at once. Waits for it only if the result depends on it, or if the
    /// operation has failed.
    fn begin_details(mut self: Box<Self>, now: Duration) -> Action<T> {
        let is_failure = self.poller.operation.state != OperationState::Succeeded;
        if is_failure && self.poller.config().error_on_failure {
            let left = self.poller.config().max_status_bytes.saturating_sub(self.response.frames.bytes());
            return self.collect(Unusable::Failed, left, now);
        }
        if !self.is_over && self.response.frames.bytes() <= MAX_DETAILS_BYTES {
            self.search_on();
        }
        if self.is_over || self.has_enough() {
            return self.conclude(now);
        }
        self.until = if is_failure {
            self.poller.schedule.or_deadline(now.saturating_add(ERROR_DETAILS_TIME))
        } else if self.does_result_depend_on_body() {
            self.poller.schedule.or_deadline(Duration::MAX)
        } else {
            now
        };
        let ready_until = self.until.max(self.poller.schedule.or_deadline(now.saturating_add(READY_DETAILS_TIME)));
        self.purpose = Purpose::Details { ready_until };
        Action::Read(self)
    }

    /// Whether the rest of the body can have no more details.
    fn has_enough(&self) -> bool {
        // Nothing after the object counts.
        self.search.is_at_end() || self.response.frames.bytes() > MAX_DETAILS_BYTES
    }

    pub(crate) fn read_details(mut self: Box<Self>, data: &[u8], now: Duration) -> Action<T> {
        let (late_from, is_enough) = match &mut self.purpose {
            Purpose::MessageHead { seen } => {
                if application_http::end_of_head(data, seen) {
                    return self.unwrap_message(now);
                }
                (self.until, self.response.frames.bytes() > MAX_DETAILS_BYTES)
            }
            Purpose::Details { ready_until } => {
                let ready_until = *ready_until;
                self.search.read(data, self.poller.status_rule());
                (ready_until, self.has_enough())
            }
            _ => (self.until, true),
        };
        if self.is_over || is_enough {
            self.conclude(now)
        } else if now >= late_from {
            self.on_due(now)
        } else if self.response.is_stalled() {
            self.on_broken(now)
        } else {
            Action::Read(self)
        }
    }

    /// Whether the result, or the place where it is, may be in the part of the body that has not come.
    pub(crate) fn may_result_follow(&self) -> bool {
        let has_succeeded = self.poller.operation.state == OperationState::Succeeded;
        match self.purpose {
            Purpose::MessageHead { .. } => has_succeeded,
            Purpose::Details { .. } => {
                let body = || self.response.frames.first(MAX_DETAILS_BYTES);
                let names_result = |text: &str| self.resource_in(&members(text), self.base()).is_some();
                has_succeeded
                    && !self.has_enough()
                    && self.does_result_depend_on_body()
                    && !names_result(&text_of(&body()))
            }
            _ => false,
        }
    }

    /// The head of the response in the body has been read: goes on with that response.
    fn unwrap_message(mut self: Box<Self>, now: Duration) -> Action<T> {
        let body = self.response.frames.to_bytes();
        self.search = StatusSearch::new(self.poller.status_rule());
        let mut rest = 0;
        if let Some((length, status, headers)) = application_http::head(&body) {
            self.response.frames.skip(length);
            self.response.head.status = status;
            self.response.head.headers = headers;
            self.poller.operation.state = state_of(status);
            self.poller.operation.is_success_assumed = false;
            rest = length;
        }
        self.search.read(&body[rest..], self.poller.status_rule());
        self.begin_details(now)
    }

    fn does_result_depend_on_body(&self) -> bool {
        let headers = &self.response.head.headers;
        let has_resource_header = self.poller.header_address(&RESOURCE_LOCATION, headers, self.base()).is_some();
        let body_may_name_it =
            !has_resource_header && self.poller.rules().resource.iter().any(ResourceRule::reads_body);
        match self.poller.final_response() {
            FinalResponse::Resource => body_may_name_it,
            FinalResponse::Auto => body_may_name_it || self.poller.may_status_response_be_result(),
            _ => false,
        }
    }

    /// The final status response has been read as far as is needed. Returns it, or fetches the result.
    pub(crate) fn conclude(mut self: Box<Self>, now: Duration) -> Action<T> {
        if self.poller.operation.state != OperationState::Succeeded && self.poller.config().error_on_failure {
            return self.unusable(Unusable::Failed);
        }
        let named = self.note_details();
        if self.poller.operation.state == OperationState::Succeeded {
            match self.result_address(named) {
                Some(Ok(address)) if !self.is_here(&address.uri) => {
                    // A status lies between the monitor's moves and the result's.
                    self.poller.operation.progress.moves = 0;
                    self.poller.fetch(address, now);
                    return self.drain(Purpose::Drain { left: MAX_DRAIN_BYTES }, now);
                }
                Some(Err(error)) if !self.may_result_be_missing() => return self.poller.fail_address(error),
                _ => {}
            }
        }
        let Self { mut poller, response, .. } = *self;
        poller.emit_polled();
        poller.done(response)
    }

    /// Whether an address is that of the response which has just been read.
    fn is_here(&self, uri: &Uri) -> bool {
        *uri == self.poller.operation.monitor || *uri == self.poller.target_address().uri
    }

    /// Whether the caller gets the final status response where the result cannot be fetched.
    fn may_result_be_missing(&self) -> bool {
        // With `Auto` nobody has asked for it, and the operation's `resource` says where it is.
        self.poller.final_response() == FinalResponse::Auto || self.poller.status_rule().result_may_be_missing
    }

    /// Where the final response is, if it is not the final status response.
    fn result_address(&self, named: Named) -> Option<Result<Address, AddressError>> {
        let poller = &self.poller;
        let choice = poller.final_response();
        if choice == FinalResponse::Status {
            return None;
        }
        let full = || poller.full.as_ref()?.location.as_ref();
        let given = || full().or(poller.operation.more.as_ref()?.location.as_ref()).cloned();
        let by = &poller.operation.start_rule().by;
        let places = Places {
            method: poller.start_method(),
            by,
            resource: named.resource,
            location: named.location.or_else(given),
            original: &|| poller.original().filter(|_| !matches!(by, By::RequestUri)),
            document: self.document(),
        };
        let place = result::place(choice, places)?;
        // The caller wrote this address.
        if poller.context.call == Call::Starts && poller.context.template.caller.is(&place) {
            return Some(Ok(Address { uri: place, credentials: Credentials::Send }));
        }
        Some(poller.resolver().check(&place))
    }

    /// What kind of document the final status response is, if that matters.
    fn document(&self) -> Document {
        let bytes = self.response.frames.bytes();
        if bytes == 0 || !self.poller.may_status_response_be_result() {
            return Document::OfStatus;
        }
        let body = self.response.frames.first(MAX_DETAILS_BYTES);
        let text = text_of(&body);
        let has_status =
            |at: Pointer| at.find(&members(&text)).and_then(json_string).is_some_and(|status| !status.is_empty());
        // No document about an operation is longer.
        let is_of_status = bytes <= MAX_DETAILS_BYTES && Pointer::parse("/status").is_some_and(has_status);
        if is_of_status { Document::OfStatus } else { Document::OfResource }
    }

    /// Fills in the details that the final status response gives of the operation; returns the addresses that it names.
    pub(crate) fn note_details(&mut self) -> Named {
        let base = self.base();
        let is_failure = self.poller.operation.state != OperationState::Succeeded;
        let body = self.response.frames.first(MAX_DETAILS_BYTES);
        let text = text_of(&body);
        let document = members(&text);
        let headers = &self.response.head.headers;
        let poller = &self.poller;
        let location = poller.header_address(&LOCATION, headers, base);
        let resource =
            poller.header_address(&RESOURCE_LOCATION, headers, base).or_else(|| self.resource_in(&document, base));
        let is_created = self.response.head.status == StatusCode::CREATED;
        if let Some(location) = location.as_ref().filter(|_| !poller.operation.start_rule().by.is_location()) {
            self.poller.note_location(location);
        }
        if let Some(resource) = resource.as_ref().or(location.as_ref().filter(|_| is_created)) {
            self.poller.operation.more_mut().resource = Some(self.poller.remembered(resource));
        }
        // Only a part of a large result was read; that part may still have the reason for a failure.
        let is_read = is_failure || self.response.frames.bytes() <= MAX_DETAILS_BYTES;
        let document = if is_read { document } else { Vec::new() };
        self.note_final_percent(&document);
        let mut details = Details::of(&document, &self.poller.status_rule().failure);
        let names = &self.poller.config().propagate_query;
        details.id = details.id.map(|id| self.poller.resolver().name_without_propagated(names, id));
        self.poller.operation.note_details(details);
        Named { resource, location }
    }

    /// After success, the percentage of an earlier poll no longer counts.
    fn note_final_percent(&mut self, document: &[Member<'_>]) {
        if self.poller.operation.state == OperationState::Succeeded {
            self.poller.operation.percent = None;
        }
        // Of a large result, only what came before the status counts.
        let is_whole = self.response.frames.bytes() <= MAX_DETAILS_BYTES;
        let of_document = if is_whole { percent_in(document, self.poller.status_rule()) } else { None };
        self.note_percent(of_document.or_else(|| self.search.percent()));
    }

    /// The resource that the response names in the places that the protocol defines.
    fn resource_in(&self, document: &[Member<'_>], base: &Uri) -> Option<Uri> {
        let poller = &self.poller;
        let operation = &poller.operation;
        let reference = |rule: &ResourceRule| match rule {
            ResourceRule::Member(pointer) => details::string_at(document, pointer),
            ResourceRule::Link(relation) => details::link(&self.response.head.headers, document, relation),
            ResourceRule::Template(template) => {
                let request = poller.context.template.caller.uri();
                let start = operation.start().map(|(_, start)| start).or(request.as_ref());
                template.expand(&Known { monitor: Some(&operation.monitor), start, name: operation.id() })
            }
        };
        let address = |rule| poller.resolver().locate(&reference(rule)?, base);
        let resource = poller.rules().resource.iter().find_map(address)?;
        Some(poller.full_address(&resource))
    }
}

impl Poller {
    fn final_response(&self) -> FinalResponse {
        result::choice(self.config().final_response, self.rules().final_response)
    }

    /// Gives the caller the response.
    pub(crate) fn done<T: Io>(self: Box<Self>, response: Box<PartialResponse<T::Body>>) -> Action<T> {
        Action::Done(response, self.end(Outcome::Response))
    }

    /// The method of the start request, which is remembered wherever it matters.
    fn start_method(&self) -> &Method {
        self.operation.start().map_or(&Method::GET, |(method, _)| method)
    }

    /// The address of the start request, if that is known.
    fn original(&self) -> Option<Uri> {
        match self.context.call {
            Call::Starts => self.context.template.caller.uri(),
            Call::Resumes => self.operation.start().map(|(_, uri)| uri.clone()),
        }
    }

    /// Whether the SDKs take the last response of the monitor for the result of a `PUT` or `PATCH`, provided that it is not a
    /// document about an operation.
    fn may_status_response_be_result(&self) -> bool {
        result::may_be_status_response(self.start_method(), &self.operation.start_rule().by)
    }
}

/// Whether the body is an HTTP message, by its media type.
fn is_message(head: &Parts) -> bool {
    let media_type =
        head.headers.get(CONTENT_TYPE).filter(|_| head.status != StatusCode::NO_CONTENT).and_then(header_text);
    media_type.is_some_and(|text| text.trim_start().to_ascii_lowercase().starts_with("application/http"))
}

/// The HTTP status at the beginning of a header's value, such as `404 Not Found`.
fn outcome_status(text: &str) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(text.as_bytes().get(..3)?).ok()?;
    let is_whole = !text.as_bytes().get(3).is_some_and(u8::is_ascii_alphanumeric);
    (is_whole && (200..=599).contains(&status.as_u16())).then_some(status)
}

fn state_of(outcome: StatusCode) -> OperationState {
    let is_error = outcome.is_client_error() || outcome.is_server_error();
    if is_error { OperationState::Failed } else { OperationState::Succeeded }
}
