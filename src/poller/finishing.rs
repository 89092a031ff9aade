//! Conclude: from a terminal status to what is handed over.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{
    HeaderName, Method, StatusCode, Uri,
    header::{CONTENT_TYPE, LOCATION},
};

use crate::{
    address::{
        error::AddressError,
        resolver::{Address, Trust, text},
    },
    event::{Event, Outcome},
    json::{members::members, scanner::Scanner},
    operation::{OperationState, details, details::Unread},
    poller::{
        Phase, Poller,
        action::{Answer, GiveUp, Next},
        application_http as message,
    },
    protocol::{FinalResponse, start_rule::By},
    timing::moment::Moment,
};

const RESOURCE_LOCATION: HeaderName = HeaderName::from_static("resource-location");

/// How long the rest of a failed operation's last response is waited for, for its error object.
const DETAILS_TIME: Duration = Duration::from_secs(1);

impl Poller {
    pub(crate) fn final_response(&self) -> FinalResponse {
        let of_protocol = self.operation.protocol.spec().final_response;
        match self.layer.settings().final_response {
            None => of_protocol,
            // The protocol knows better where its results are.
            Some(FinalResponse::Auto) if of_protocol != FinalResponse::Status => of_protocol,
            Some(of_layer) => of_layer,
        }
    }

    /// The status is terminal.
    pub(crate) fn finish(&mut self, state: OperationState, answer: &mut Answer, now: Moment) -> Next {
        self.operation.state = state;
        let monitor = self.monitor();
        let outcome = monitor.outcome_header.as_ref().and_then(|header| text(answer.head.headers.get(header)?));
        if let Some(outcome) = outcome.and_then(outcome_status) {
            answer.head.status = outcome;
            self.operation.state = state_of(outcome);
        }
        let is_message = |text: &str| text.trim_start().to_ascii_lowercase().starts_with("application/http");
        let content_type = answer.head.headers.get(CONTENT_TYPE).and_then(text);
        if self.monitor().unwrap_application_http && content_type.is_some_and(is_message) {
            self.phase = Phase::Unwrapping(0);
            self.timer = self.deadline;
            return Next::Read;
        }
        self.read_details(answer, now)
    }

    /// The head of the response in the body has been read.
    pub(crate) fn unwrap(&mut self, answer: &mut Answer, now: Moment) -> Next {
        let body = answer.read.to_bytes();
        if let Some((length, status, headers)) = message::head(&body) {
            answer.read.skip(length);
            answer.head.status = status;
            answer.head.headers = headers;
            answer.scanner = Scanner::new();
            answer.pass(&body[length..]);
            self.operation.state = state_of(status);
        } else {
            answer.pass(&body);
        }
        self.read_details(answer, now)
    }

    /// What is at hand of the rest is read for the details. It is not waited for, unless the result depends on it, or they are
    /// those of a failure.
    fn read_details(&mut self, answer: &mut Answer, now: Moment) -> Next {
        let is_failure = self.operation.state != OperationState::Succeeded;
        if is_failure && self.layer.settings().error_on_failure {
            return self.collect(GiveUp::Failed, Some(answer), now);
        }
        if answer.read.bytes() > details::MAX_BYTES {
            return self.conclude(answer, false, now);
        }
        if answer.scanner.is_at_end() {
            // Whatever comes after the object, it is none of it.
            return self.conclude(answer, true, now);
        }
        self.phase = Phase::Finishing;
        self.timer = if is_failure {
            now.after(DETAILS_TIME).min(self.deadline)
        } else if self.does_result_depend_on_body(answer) {
            self.deadline
        } else {
            now
        };
        Next::Read
    }

    fn does_result_depend_on_body(&self, answer: &Answer) -> bool {
        let has_resource_header = answer.head.headers.contains_key(RESOURCE_LOCATION);
        let body_may_name_it = !self.operation.protocol.spec().resource.is_empty() && !has_resource_header;
        match self.final_response() {
            FinalResponse::Resource => body_may_name_it,
            FinalResponse::Auto => body_may_name_it || self.may_body_be_result(),
            _ => false,
        }
    }

    pub(crate) fn finish_reading(&mut self, answer: &mut Answer, data: &[u8], now: Moment) -> Next {
        answer.pass(data);
        if answer.read.bytes() > details::MAX_BYTES {
            self.conclude(answer, false, now)
        } else if answer.scanner.is_at_end() {
            self.conclude(answer, true, now)
        } else {
            Next::Read
        }
    }

    /// The final status response has been read as far as is needed. Hands it over, or fetches the result.
    pub(crate) fn conclude(&mut self, answer: &mut Answer, is_whole: bool, now: Moment) -> Next {
        let resource = self.note_details(answer, is_whole);
        if self.operation.state == OperationState::Succeeded {
            // What is at the monitor itself has just been read.
            let elsewhere = self.result_address(answer, resource).filter(|address| match address {
                Ok(address) => address.uri != self.operation.monitor && address.uri != self.target().0,
                Err(_) => true,
            });
            match elsewhere {
                Some(Ok(address)) => {
                    answer.read.clear();
                    self.fetch(address, now);
                    return self.drain(false, now);
                }
                // Nobody has asked for it, and the operation's `resource` says where it is.
                Some(Err(_)) if self.final_response() == FinalResponse::Auto => {}
                Some(Err(error)) if !self.monitor().result_may_be_missing => return self.give_up_address(error),
                Some(Err(_)) | None => {}
            }
        }
        self.tell(|operation| Event::Polled { operation });
        self.hand_over()
    }

    pub(crate) fn hand_over(&mut self) -> Next {
        self.end(Outcome::Response);
        Next::HandOver
    }

    /// Where the final response is, if it is not the final status response.
    fn result_address(&self, answer: &Answer, resource: Option<Uri>) -> Option<Result<Address, AddressError>> {
        let choice = self.final_response();
        if choice == FinalResponse::Status {
            return None;
        }
        let check = |uri: Uri| Some(self.resolver().check(&uri));
        let more = self.operation.more.as_ref();
        let by = &self.announcement().by;
        let original = || match self.resumed.is_some() {
            _ if matches!(by, By::Own) => None,
            // The caller's own request is that on the monitor.
            true => self.operation.start().and_then(|(_, uri)| check(uri.clone())),
            false => Some(Ok(Address { uri: self.start.uri(), trust: Trust::Credentials })),
        };
        let location = || {
            let here = self.located(&answer.head.headers, &LOCATION, self.base(answer));
            here.or_else(|| more.and_then(|more| more.location.clone()))
        };
        match choice {
            FinalResponse::Status => None,
            FinalResponse::Resource => resource.and_then(check),
            FinalResponse::Location => location().and_then(check),
            FinalResponse::OriginalUri => original(),
            FinalResponse::Auto => {
                let is_at_location = by.header() == Some(&LOCATION);
                match (resource, self.method()) {
                    (Some(resource), _) => check(resource),
                    (None, _) if self.may_body_be_result() && is_resource(answer) => None,
                    (None, &Method::PUT | &Method::PATCH) => original(),
                    (None, &Method::POST) if !is_at_location => location().and_then(check),
                    (None, _) => None,
                }
            }
        }
    }

    /// That of the start request, which is remembered wherever it matters.
    fn method(&self) -> &Method {
        self.operation.start().map_or(&Method::GET, |(method, _)| method)
    }

    /// Whether the last answer of the monitor is what the SDKs take for the result of a `PUT` or `PATCH`, if it is no document
    /// on a status.
    fn may_body_be_result(&self) -> bool {
        self.announcement().by.header() == Some(&LOCATION) && matches!(*self.method(), Method::PUT | Method::PATCH)
    }

    /// Fills in what the final status response says of the operation; returns the resource that it names.
    pub(crate) fn note_details(&mut self, answer: &Answer, is_whole: bool) -> Option<Uri> {
        let headers = &answer.head.headers;
        let base = self.base(answer);
        let body = answer.read.first(details::MAX_BYTES);
        let mut scanner = Cow::Borrowed(&answer.scanner);
        if answer.scanned < body.len() {
            scanner = Cow::Owned(Scanner::new());
            _ = scanner.to_mut().scan(&body, &[]);
        }
        let location = self.location(headers, base);
        let is_created = answer.head.status == StatusCode::CREATED;
        let created = if is_created { self.located(headers, &LOCATION, base) } else { None };
        let named = self.located(headers, &RESOURCE_LOCATION, base).or_else(|| self.named(&scanner, &body, base));
        self.note_location(location);
        if let Some(resource) = named.as_ref().or(created.as_ref()) {
            self.operation.more_mut().resource = Some(resource.clone());
        }
        self.note_percent(&scanner, headers);
        if let Some(more) = &mut self.operation.more {
            // That of an earlier end.
            more.failure = None;
        }
        // Of a large result there is only a part; what a failure has to say may be in it all the same.
        let is_read = is_whole || self.operation.state != OperationState::Succeeded;
        if is_read && details::KEYS.iter().any(|key| scanner.may_have(key)) {
            self.operation.final_body = Some(Arc::new(Unread::new(&body)));
        }
        named
    }

    /// The resource that the beginning of a body names.
    fn named(&self, scanner: &Scanner, body: &[u8], base: &Uri) -> Option<Uri> {
        let paths = &self.operation.protocol.spec().resource;
        // So that no document is read for nothing.
        let may_be_named = |path: &Vec<String>| path.first().is_some_and(|key| scanner.may_have(key));
        if !paths.iter().any(may_be_named) {
            return None;
        }
        let document = members(body);
        let name = paths.iter().find_map(|path| details::at_path(&document, path))?;
        self.resolver().locate(base, &name).map(|resource| self.without_credentials(&resource))
    }
}

/// Whether it is something, and no document on the operation's status.
fn is_resource(answer: &Answer) -> bool {
    let bytes = answer.read.bytes();
    // No document on a status is that long.
    bytes > details::MAX_BYTES
        || bytes > 0 && details::at_path(&members(&answer.read.to_bytes()), &["status".to_owned()]).is_none()
}

/// The HTTP status at the beginning of a header's value, such as `404 Not Found`.
fn outcome_status(text: &str) -> Option<StatusCode> {
    let status = StatusCode::from_bytes(text.as_bytes().get(..3)?).ok()?;
    let is_whole = !text.as_bytes().get(3).is_some_and(u8::is_ascii_alphanumeric);
    (is_whole && (200..=599).contains(&status.as_u16())).then_some(status)
}

fn state_of(outcome: StatusCode) -> OperationState {
    if outcome.is_client_error() || outcome.is_server_error() {
        OperationState::Failed
    } else {
        OperationState::Succeeded
    }
}
