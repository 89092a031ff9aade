//! Resuming: a stored operation, judged from the request that resumes it.

use std::{sync::Arc, time::Duration};

use http::Method;

use crate::{
    address::{
        error::{AddressError, AddressErrorKind},
        policy::{Address, Credentials},
        uri::{without_propagated, without_user_info},
    },
    config::Config,
    event::{
        Event,
        tracing::{Beginning, Spans},
    },
    operation::{Operation, Resume},
    poller::{
        phases::{Action, Caller, Context, Poller, Sending, Unrecognized, Whole},
        reason::{Io, Reason},
        schedule::Schedule,
        starting::Moment,
    },
    protocol::Protocol,
    request::template::RequestTemplate,
};

/// By how much two readings of the wall clock may differ for no reason.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(2);

/// Goes on with an operation, by the settings of today.
pub(crate) fn resume<T: Io>(
    config: Arc<Config>,
    (method, template): (Method, RequestTemplate),
    resume: Resume,
    beginning: Moment,
) -> Action<T> {
    let is_stored = resume.operation.is_some();
    let mut operation = match resume.operation {
        Some(operation) => Arc::unwrap_or_clone(operation),
        None => operation_at(&config, &template),
    };
    if let Some(spoken) = config.spoken(&operation.protocol) {
        operation.protocol = spoken.clone();
    }

    if operation.progress.consecutive_failures > config.max_consecutive_failures {
        // It was given up, and dropped before that was stored.
        operation.progress.consecutive_failures = 0;
    }

    let wall = beginning.wall;
    let by_clock = operation.accepted_at.and_then(|accepted| wall.duration_since(accepted).ok());
    // Stored times are in milliseconds.
    let is_older = |age: &Duration| age.saturating_sub(CLOCK_TOLERANCE) > operation.elapsed;
    let age = by_clock.filter(is_older).unwrap_or(operation.elapsed);
    let timeout = match (resume.timeout, operation.progress.deadline) {
        (None, Some(deadline)) => Some(deadline.duration_since(wall).unwrap_or_default()),
        (timeout, _) => {
            let timeout = timeout.or(config.timeout);
            operation.progress.deadline = timeout.and_then(|timeout| wall.checked_add(timeout));
            timeout
        }
    };
    let spans = Spans::begin(Beginning::Resumed, &method, &template.caller.uri, &operation);
    let schedule = Schedule::new(timeout, beginning.seed);
    let asked = (!is_stored).then(|| Box::new(template.caller.uri.clone()));
    let whole = Whole { asked, location: None };
    let context = Context { config, method, template, spans, caller: Caller::Resumes, age };
    let unrecognized = Unrecognized::of_resumed(&operation);
    let mut poller = Box::new(Poller { context, operation, schedule, whole, unrecognized });
    poller.record_elapsed(Duration::ZERO);
    poller.emit(|operation| Event::Resumed { operation });
    if poller.operation.protocol.is_unknown() {
        return poller.fail(Reason::Protocol);
    }
    if let Err(error) = poller.judge() {
        return poller.fail_address(error);
    }
    if poller.schedule.is_late(Duration::ZERO) {
        return poller.time_out();
    }
    Action::Send(Sending(poller))
}

/// An operation of which nothing but the monitor's address is known, which is that of the caller's request.
fn operation_at(config: &Config, template: &RequestTemplate) -> Operation {
    let caller = &template.caller.uri;
    // Its query is the monitor's: another process would not find the operation without it.
    let uri = without_user_info(without_propagated(&config.propagate_query, caller.query(), caller));
    let protocol = config.protocols.first().map_or_else(Protocol::operation_location, Protocol::clone);
    let rule = protocol.default_for_resume();
    Operation::new(Address { uri, credentials: Credentials::Send }, protocol, rule)
}

impl Poller {
    /// Judges what was stored from the caller's request, as the header of a start response is.
    fn judge(&mut self) -> Result<(), AddressError> {
        let request = &self.context.template.caller.uri;
        if let Some((_, started)) = self.operation.start() {
            if !self.resolver().policy().may_resume(started, &self.operation.monitor) {
                let kind = match self.resolver().policy().has_no_origin() {
                    true => AddressErrorKind::NoRequestHost,
                    false => AddressErrorKind::ResumedElsewhere,
                };
                return Err(AddressError::new(kind, None, None).with_uri(started.clone(), request));
            }
        }
        if self.whole.asked.is_some() {
            return Ok(());
        }
        if let Some(result) = self.result() {
            let judged = self.resolver().check(&result.uri)?;
            self.operation.more_mut().result = Some(judged);
            return Ok(());
        }
        if self.resolver().is_plainly_own(&self.operation.monitor) {
            self.operation.credentials = Credentials::Send;
            return Ok(());
        }
        let Address { uri, credentials } = self.resolver().check(&self.operation.monitor)?;
        self.operation.monitor = uri;
        self.operation.credentials = credentials;
        Ok(())
    }
}
