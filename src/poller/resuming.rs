//! Resuming: a stored operation, judged from the request that resumes it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Uri;

use crate::{
    address::{
        error::AddressError,
        policy::{Address, Credentials},
        uri::{without_propagated, without_user_info},
    },
    config::Config,
    event::{Event, tracing::Spans},
    limits::CLOCK_TOLERANCE,
    operation::{Operation, Resume},
    poller::{
        phases::{Action, Context, FullAddresses, Poller, Sending, Unrecognized},
        reason::{Io, Reason},
        schedule::Schedule,
        starting::Beginning,
    },
    protocol::Protocol,
    request::captured::{Call, FollowedRequest},
};

/// Goes on with an operation, under the current settings.
pub(crate) fn resume<T: Io>(
    config: Arc<Config>,
    request: FollowedRequest,
    resume: Resume,
    beginning: Beginning,
) -> Action<T> {
    let FollowedRequest { method, uri, template } = request;
    let is_stored = resume.operation.is_some();
    let operation = resume.operation.unwrap_or_else(|| Arc::new(operation_at(&config, &uri)));
    let wall = beginning.wall;
    let by_clock = operation.accepted_at.and_then(|accepted| wall.duration_since(accepted).ok());
    let is_older = |age: &Duration| age.saturating_sub(CLOCK_TOLERANCE) > operation.elapsed;
    let age = by_clock.filter(is_older).unwrap_or(operation.elapsed);
    let deadline = operation.progress.deadline.filter(|_| resume.timeout.is_none());
    let timeout = match deadline {
        Some(deadline) => Some(deadline.duration_since(wall).unwrap_or_default()),
        None => resume.timeout.or(config.timeout),
    };
    let spans = Spans::begin(Call::Resumes, &method, &uri, &operation);
    let schedule = Schedule::new(timeout, beginning.seed);
    // Without a stored operation, the address of the request is the monitor's.
    let full = (!is_stored).then(|| Box::new(FullAddresses { target: Some(uri), location: None }));
    let mut poller = Box::new(Poller {
        context: Context { config, method, template, call: Call::Resumes, age },
        spans,
        operation: Arc::unwrap_or_clone(operation),
        schedule,
        full,
        unrecognized: None,
    });
    poller.adapt(deadline.or_else(|| wall.checked_add(timeout?)));
    poller.record_elapsed(Duration::ZERO);
    poller.emit(|operation| Event::Resumed { operation });
    if poller.operation.protocol.is_unknown() {
        return poller.fail(Reason::Protocol);
    }
    if let Err(error) = poller.judge_addresses() {
        return poller.fail_address(error);
    }
    if poller.schedule.is_late(Duration::ZERO) {
        return poller.time_out();
    }
    Action::Send(Sending(poller))
}

/// Makes an operation of which only the monitor's address is known: that of the caller's request.
fn operation_at(config: &Config, caller: &Uri) -> Operation {
    // Its query is the monitor's: another process would not find the operation without it.
    let uri = without_user_info(without_propagated(&config.propagate_query, caller.query(), caller));
    let protocol = config.protocols.first().map_or_else(Protocol::operation_location, Protocol::clone);
    let rule = protocol.default_for_resume();
    Operation::new(Address { uri, credentials: Credentials::Send }, protocol, rule)
}

impl Poller {
    /// Applies the current settings.
    fn adapt(&mut self, deadline: Option<SystemTime>) {
        let operation = &mut self.operation;
        operation.progress.deadline = deadline;
        if let Some(own) = self.context.config.own_protocol(&operation.protocol) {
            operation.protocol = own.clone();
        }
        if operation.progress.consecutive_failures > self.context.config.max_consecutive_failures {
            // The operation was given up, and dropped before that was stored.
            operation.progress.consecutive_failures = 0;
        }
        self.unrecognized = Unrecognized::of_resumed(operation);
    }

    /// Judges the stored addresses from the caller's request, like the header of a start response.
    fn judge_addresses(&mut self) -> Result<(), AddressError> {
        if let Some((_, started)) = self.operation.start() {
            self.resolver().check_started(started, &self.operation.monitor)?;
        }
        if !self.operation.has_monitor() {
            return Err(AddressError::unresolvable());
        }
        if self.full_target().is_some() {
            return Ok(());
        }
        if let Some(result) = self.result() {
            let judged = self.resolver().check(&result.uri)?;
            self.operation.more_mut().result = Some(judged);
            return Ok(());
        }
        // As `check` would decide, without a resolver and a copy of the address: most steps begin like this.
        if self.context.template.caller.is_plainly_own(&self.operation.monitor) {
            self.operation.credentials = Credentials::Send;
            return Ok(());
        }
        let Address { uri, credentials } = self.resolver().check(&self.operation.monitor)?;
        self.operation.monitor = uri;
        self.operation.credentials = credentials;
        Ok(())
    }
}
