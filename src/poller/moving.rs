//! Moving: redirects, monitors that move, and results that are elsewhere.

use std::time::Duration;

use http::{Uri, header::LOCATION};

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        policy::Address,
        uri::is_same_decoded,
    },
    event::Event,
    limits::MAX_MOVES,
    poller::{
        addresses::remember_start,
        phases::{Action, Context, Poller},
        reason::Io,
        response::PartialResponse,
        verdict::Target,
    },
    protocol::state::OperationState,
    request::captured::Call,
};

impl Poller {
    /// Judges where a response came from, if the transport itself followed redirects, and forgets it if that is where it was asked.
    pub(crate) fn judge_redirects<B>(&self, response: &mut PartialResponse<B>) -> Result<(), AddressError> {
        let Some(uri) = &response.redirected_to else { return Ok(()) };
        self.resolver().check_answered(uri)?;
        if is_same_place(uri, &self.target_address().uri) {
            response.redirected_to = None;
        }
        Ok(())
    }

    /// Whether a response is from a page that a redirect of the monitor has led to, and that has not given a status yet: perhaps one
    /// to sign in at. The redirect may have been followed by the layer or by the transport.
    pub(crate) fn is_elsewhere<B>(&self, response: &PartialResponse<B>) -> bool {
        self.is_led_away() || response.redirected_to.is_some()
    }

    /// Whether redirects have led away from the monitor, to a place that has not given a status yet.
    fn is_led_away(&self) -> bool {
        self.operation.redirected_from().is_some_and(|from| !is_same_place(from, &self.operation.monitor))
    }

    /// Follows a redirect: the monitor or the result is elsewhere.
    pub(crate) fn redirect<T: Io>(
        mut self: Box<Self>,
        response: Box<PartialResponse<T::Body>>,
        to: Target,
        now: Duration,
    ) -> Action<T> {
        let names_result = to == Target::Result && self.target() == Target::Monitor;
        if names_result {
            self.note_success();
        }
        let address = match self.redirect_address(&response) {
            Ok(address) => address,
            Err(error) => {
                if let Some(refused) = error.uri().filter(|_| names_result) {
                    self.operation.more_mut().resource = Some(self.remembered(refused));
                }
                if names_result && self.status_rule().result_may_be_missing {
                    self.emit_polled();
                    return self.done(response);
                }
                return self.fail_address(error);
            }
        };
        match to {
            Target::Result => self.fetch(address, now),
            Target::Monitor => {
                let from = self.operation.monitor.clone();
                self.operation.more_mut().redirected_from.get_or_insert_with(|| Box::new(from));
                self.move_to(address);
                self.schedule.no_delay(now);
            }
        }
        // A redirect may ask for a delay, too (RFC 9110, section 10.2.3).
        let retry_after = response.retry_after(now);
        if retry_after.is_some() {
            self.delay(retry_after, now);
        }
        self.drain(response, now)
    }

    /// Notes that the operation has succeeded, as the head of a response says; the words of earlier polls no longer count.
    pub(crate) fn note_success(&mut self) {
        self.operation.state = OperationState::Succeeded;
        self.operation.status = None;
        self.operation.percent = None;
        self.operation.is_success_assumed = false;
        self.forget_redirects();
        self.operation.forget_error();
    }

    fn redirect_address<B>(&mut self, response: &PartialResponse<B>) -> Result<Address, AddressError> {
        let error = |kind| AddressError::new(kind, Some(LOCATION), None);
        let moves = &mut self.operation.progress.moves;
        *moves = moves.saturating_add(1);
        if *moves > MAX_MOVES {
            return Err(error(AddressErrorKind::TooManyMoves));
        }
        let base = response.redirected_to.clone().unwrap_or_else(|| self.target_address().uri);
        let address = self.resolver().resolve_header(&LOCATION, &response.head.headers, &base);
        address.unwrap_or_else(|| Err(error(AddressErrorKind::Missing)))
    }

    /// Goes on to fetch the result of the operation, which has succeeded, from this address.
    pub(crate) fn fetch(&mut self, address: Address, now: Duration) {
        let result = self.set_target(address);
        if self.target() == Target::Monitor {
            self.operation.more_mut().resource = Some(result.uri.clone());
            self.emit_polled();
            self.operation.progress.consecutive_failures = 0;
        }
        self.operation.more_mut().result = Some(result);
        self.schedule.no_delay(now);
    }

    pub(crate) fn move_to(&mut self, address: Address) {
        let Address { uri: monitor, credentials } = self.set_target(address);
        self.operation.credentials = credentials;
        if monitor != self.operation.monitor {
            let from = std::mem::replace(&mut self.operation.monitor, monitor);
            let Context { config, method, template, .. } = &self.context;
            if let (Call::Starts, Some(request)) = (self.context.call, template.caller.uri()) {
                remember_start(config, &mut self.operation, method, &request);
            }
            self.emit(|operation| Event::Moved { operation, from: &from });
        }
    }

    /// Goes back to where the monitor was before redirects that have led to no status, but to a sign-in page, say: from there the
    /// operation can be resumed and canceled.
    pub(crate) fn move_back(&mut self) {
        let address = self.operation.redirected_from().map(|from| self.resolver().check(from));
        if let Some(Ok(address)) = address {
            self.forget_redirects();
            self.move_to(address);
        }
    }

    /// The monitor, or the outcome, is where redirects have led: where they came from no longer matters.
    pub(crate) fn forget_redirects(&mut self) {
        if let Some(more) = &mut self.operation.more {
            more.redirected_from = None;
        }
    }

    /// Notes a place where the result may be.
    pub(crate) fn note_location(&mut self, location: &Uri) {
        let (remembered, full) = self.split(location);
        self.set_full(|it| &mut it.location, full);
        self.operation.note_location(remembered);
    }
}

/// Whether two addresses are the same place: a trailing slash makes no difference.
fn is_same_place(one: &Uri, other: &Uri) -> bool {
    one.authority() == other.authority()
        && one.path().trim_end_matches('/') == other.path().trim_end_matches('/')
        && is_same_decoded(one.query().unwrap_or_default(), other.query().unwrap_or_default())
}
