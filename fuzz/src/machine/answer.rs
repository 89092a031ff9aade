//! The rules on what comes out.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use tower_lro::{Cause, Error, Operation, OperationError, Outcome, ResponseExt, internals::Scanner};

use super::{
    payload::Lost,
    reply::{Pause, Response},
    scene::{DETAILS, MIB, Purpose, Scene},
    settings::SECRET,
};

/// Those whose status responses must have a top-level status.
const NEEDING_A_STATUS: [&str; 4] = ["operation-location", "azure-core", "fabric", "graph"];

/// Those that read responses which may announce nothing.
const READING: [&str; 2] = ["azure-resource-manager", "aip-151"];

impl Scene {
    /// The output of the future.
    pub fn on_output<B>(&mut self, output: &Result<http::Response<B>, Error<Lost>>) {
        match output {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers());
                self.record(format_args!("{status} {headers:?} {:?}", response.operation()));
            }
            Err(error) => self.record(format_args!("{error}: {error:?}")),
        }
        let is_accepted = self.reported.began_at.is_some();
        match output {
            Ok(response) => self.on_response(response, is_accepted),
            Err(Error::Service(_)) => {
                self.rule(!is_accepted, || "an operation was accepted, and the error does not say so".to_owned());
                let is_lost = self.exchanges.len() == 1 && self.last_response().is_none();
                self.rule(is_lost, || "an error of the service that it has not returned".to_owned());
            }
            Err(Error::Operation(error)) => {
                self.rule(is_accepted, || "an error of an operation that no event reported".to_owned());
                self.on_error(error);
            }
            Err(error) => self.broken(format!("an error that is not known: {error:?}")),
        }
    }

    fn on_response<B>(&mut self, response: &http::Response<B>, is_accepted: bool) {
        let Some(sent) = self.last_response().cloned() else {
            return self.broken("a response that was never sent");
        };
        self.rule(response.operation().is_some() == is_accepted, || {
            format!("{:?}, where accepted is {is_accepted}", response.operation())
        });
        if let Some(operation) = response.operation() {
            self.is_as_reported(operation, Some(Outcome::Response));
            self.is_discreet(operation);
            let state = operation.state();
            self.rule(state.is_terminal(), || format!("a final response of an operation that is {state:?}"));
            self.bounds_hold(self.settings.max_status_bytes.max(DETAILS), 1);
            self.status_is_found_in_time(&sent);
        } else {
            self.rule(self.exchanges.len() == 1, || "something was polled that was never accepted".to_owned());
            let may_read = self.settings.protocols.iter().any(|name| READING.contains(name));
            self.bounds_hold(if may_read { self.settings.max_status_bytes } else { 0 }, usize::from(may_read));
        }
        if !self.reported.unwraps {
            let is_same = response.status() == sent.status && response.headers() == &sent.headers;
            let (status, headers) = (response.status(), response.headers());
            self.rule(is_same, || format!("the head is {status} {headers:?}, and was {sent:?}"));
        }
    }

    /// That a status was found where it may be looked for, if it has to be.
    fn status_is_found_in_time(&mut self, sent: &Response) {
        let protocol = self.settings.origins.protocol.as_str();
        let is_result = self.reported.ended_by != Some(self.exchanges.len());
        let needs_none = is_result || !sent.status.is_success() || sent.status == StatusCode::NO_CONTENT;
        if needs_none || !NEEDING_A_STATUS.contains(&protocol) {
            return;
        }
        let looked_at = &sent.body.data[..sent.body.data.len().min(self.settings.max_status_bytes)];
        let is_found = Scanner::new().scan(looked_at).is_some();
        self.rule(is_found, || format!("no status in the first {} bytes of {sent:?}", looked_at.len()));
    }

    fn on_error(&mut self, error: &OperationError<Lost>) {
        let text = format!("{error:?} {error}");
        self.rule(!text.contains(SECRET) || !self.secret_is_safe(), || format!("an error has a secret: {text}"));
        let kept = self.settings.max_status_bytes.saturating_add(self.last().map_or(0, |last| last.largest));
        let outcome = match error.cause() {
            Cause::Timeout => Outcome::Timeout,
            Cause::Service(_) => Outcome::Service,
            Cause::Body(_) => Outcome::Body,
            Cause::Monitor(response) => {
                self.keeps(response, MIB);
                Outcome::Monitor
            }
            Cause::Address(_) => Outcome::Address,
            Cause::Status(error) => {
                self.keeps(error.response(), kept);
                Outcome::Status
            }
            Cause::Failed(failed) => {
                self.rule(failed.response().is_some(), || "a failure without its response".to_owned());
                // The end of the head of a message in the body is looked for as details are.
                let is_in_message = self.last_response().is_some_and(Response::may_be_message);
                if let Some(response) = failed.response() {
                    self.keeps(response, if is_in_message { kept.max(DETAILS) } else { kept });
                }
                Outcome::Failed
            }
            Cause::Protocol if self.purpose == Purpose::ResumesForged => Outcome::Protocol,
            Cause::Pending { .. } => {
                self.is_as_reported(error.operation(), None);
                return self.is_discreet(error.operation());
            }
            cause => return self.broken(format!("a cause that cannot be: {cause:?}")),
        };
        self.is_as_reported(error.operation(), Some(outcome));
        self.is_discreet(error.operation());
        self.bounds_hold(self.settings.max_status_bytes.saturating_add(MIB), 2);
    }

    /// That a response in an error is the last, with no more than `most` bytes of its body.
    fn keeps(&mut self, response: &http::Response<Bytes>, most: usize) {
        let Some(sent) = self.last_response().cloned() else {
            return self.broken("a response in an error that was never sent");
        };
        let length = response.body().len();
        self.rule(length <= most, || format!("{length} bytes are kept of a body, where {most} are enough"));
        if !self.reported.unwraps {
            let is_same = response.status() == sent.status && response.headers() == &sent.headers;
            self.rule(is_same && sent.body.data.starts_with(response.body()), || {
                format!("the response in the error is {response:?}, and was {sent:?}")
            });
        }
    }

    /// That an operation holds no credential of the start request, and can be stored.
    pub fn is_discreet(&mut self, operation: &Operation) {
        let text = serde_json::to_string(operation).expect("operations are written");
        match serde_json::from_str::<Operation>(&text) {
            Ok(read) => {
                let again = serde_json::to_string(&read).expect("operations are written");
                self.rule(text == again, || format!("an operation is read as another:\n{text}\n{again}"));
            }
            Err(error) => self.broken(format!("an operation cannot be read again: {error}: {text}")),
        }
    }

    /// That the body that came out is the server's.
    pub fn on_body(&mut self, out: &Replayed) {
        self.record(format_args!("{out:?}"));
        let Some(Response { body: plan, .. }) = self.last_response().cloned() else { return };
        let is_replayed = match (self.reported.unwraps, out.end) {
            (true, _) => true,
            (false, End::None) => plan.data.starts_with(&out.data),
            (false, _) => plan.data == out.data,
        };
        self.rule(is_replayed, || format!("{} bytes came out of {plan:?}", out.data.len()));
        let end = match (plan.pause.1, plan.breaks) {
            (Pause::Forever, _) => End::None,
            (_, true) => End::Error,
            (_, false) => End::Over,
        };
        self.rule(out.end == end, || format!("the body ends in {:?}: {plan:?}", out.end));
        self.rule(end == End::None || out.has_trailers == plan.trailers.is_some(), || {
            format!("trailers: {}, of {plan:?}", out.has_trailers)
        });
        self.rule(out.is_honest, || format!("the size hint, or the end of the stream, is a lie, of {plan:?}"));
    }
}

/// The data of a body, and how it ended.
#[derive(Debug)]
pub struct Replayed {
    data: BytesMut,
    has_trailers: bool,
    end: End,
    /// Whether what it said of its length and its end was true.
    is_honest: bool,
    /// The fewest and the most bytes that it said there are.
    expected: (u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    None,
    Over,
    Error,
}

impl Replayed {
    pub fn new() -> Self {
        Self { data: BytesMut::new(), has_trailers: false, end: End::None, is_honest: true, expected: (0, u64::MAX) }
    }

    /// Reads a frame. Returns whether there may be more.
    pub async fn read(&mut self, body: &mut Pin<Box<impl Body<Data = Bytes, Error = Lost>>>) -> bool {
        let (hint, before, says_end) = (body.size_hint(), self.data.len() as u64, body.is_end_stream());
        let (lower, upper) = self.expected;
        let most = hint.upper().map_or(u64::MAX, |most| before.saturating_add(most));
        self.expected = (lower.max(before + hint.lower()), upper.min(most));
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        self.is_honest &= !says_end || frame.is_none();
        match frame {
            None => self.end = End::Over,
            Some(Err(Lost)) => self.end = End::Error,
            Some(Ok(frame)) => {
                self.has_trailers |= frame.is_trailers();
                self.data.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
            }
        }
        if self.end == End::Over {
            let (lower, upper) = self.expected;
            self.is_honest &= (lower..=upper).contains(&(self.data.len() as u64));
        }
        self.end == End::None
    }
}
