//! Spans and events of the `tracing` crate: a span for each operation, and within it one for each of its requests. Without
//! feature `tracing` these functions do nothing.

#[cfg(not(feature = "tracing"))]
pub(crate) use self::off::{Spans, cancel_sent, is_unmatched_enabled, no_host, unmatched};
#[cfg(feature = "tracing")]
pub(crate) use self::on::{Spans, cancel_sent, is_unmatched_enabled, no_host, unmatched};

#[cfg(feature = "tracing")]
mod on {
    use std::{fmt, time::Duration};

    use http::{HeaderName, Method, StatusCode, Uri};
    use tracing::{
        Span, debug, debug_span,
        field::{Empty, display},
        info, info_span, warn,
    };

    use crate::{
        event::{Event, Outcome, PollFailure},
        operation::Operation,
        protocol::state::OperationState,
        redact::{Escaped, Name, Redacted},
        request::captured::Call,
    };

    /// The target of all spans and events, whatever the modules are called.
    const TARGET: &str = "tower_lro";

    /// The spans of one operation, under the span that was current when it was accepted or resumed. Names are those of the
    /// [semantic conventions of OpenTelemetry for HTTP] where there are any.
    ///
    /// [semantic conventions of OpenTelemetry for HTTP]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
    #[derive(Debug)]
    pub(crate) struct Spans {
        operation: Span,
        request: Option<Span>,
    }

    impl Spans {
        pub(crate) fn begin(call: Call, method: &Method, uri: &Uri, operation: &Operation) -> Self {
            let operation = info_span!(
                target: TARGET,
                "operation",
                otel.kind = "internal",
                otel.status_code = Empty,
                http.request.method = %method,
                url.full = %Redacted(uri),
                server.address = uri.host(),
                server.port = uri.port_u16(),
                lro.protocol = operation.protocol().name(),
                lro.monitor = %Redacted(operation.monitor()),
                lro.id = operation.id().map(|id| display(Name(id))),
                lro.resumed = call == Call::Resumes,
                lro.state = Empty,
                lro.status = Empty,
                lro.percent = Empty,
                lro.polls = Empty,
                "error.type" = Empty,
            );
            Self { operation, request: None }
        }

        pub(crate) fn send(&mut self, uri: &Uri) {
            self.request = Some(debug_span!(
                target: TARGET,
                parent: &self.operation,
                "poll",
                otel.kind = "internal",
                otel.status_code = Empty,
                http.request.method = "GET",
                url.full = %Redacted(uri),
                server.address = uri.host(),
                server.port = uri.port_u16(),
                http.response.status_code = Empty,
                "error.type" = Empty,
            ));
        }

        pub(crate) fn answered(&self, status: StatusCode) {
            if let Some(request) = &self.request {
                request.record("http.response.status_code", status.as_u16());
            }
        }

        pub(crate) fn wait(&mut self) {
            self.request = None;
        }

        /// Runs something in the span of the request under way, or else in that of the operation, also if the level filters the spans
        /// of requests out.
        #[inline]
        pub(crate) fn run<T>(&self, what: impl FnOnce() -> T) -> T {
            self.request.as_ref().filter(|span| !span.is_disabled()).unwrap_or(&self.operation).in_scope(what)
        }

        pub(crate) fn emit(&self, event: &Event<'_>) {
            self.run(|| self.emit_here(event));
        }

        fn emit_here(&self, event: &Event<'_>) {
            match *event {
                Event::Accepted { operation } => {
                    info!(
                        target: TARGET,
                        { lro.monitor = %Redacted(operation.monitor()), lro.id = operation.id().map(|id| display(Name(id))) },
                        "accepted",
                    );
                }
                Event::Resumed { operation } => {
                    info!(target: TARGET, { lro.monitor = %Redacted(operation.monitor()) }, "resumed");
                }
                Event::Waiting { delay, reason, .. } => {
                    debug!(target: TARGET, delay = %Short(delay), ?reason, "waiting")
                }
                Event::Polled { operation, is_unrecognized } => polled(operation, is_unrecognized),
                Event::PollFailed { operation, failure, failures, retry_in } => {
                    let error = match failure {
                        PollFailure::Http(status) => status.as_str().to_owned(),
                        PollFailure::NoStatus | PollFailure::Service | PollFailure::Body => format!("{failure:?}"),
                    };
                    self.request.iter().for_each(|request| set_error(request, &error));
                    // Names the monitor, because a subscriber that listens only to warnings does not see the span.
                    warn!(
                        target: TARGET,
                        { lro.monitor = %Redacted(operation.monitor()), %failure, failures, retry_in = retry_in.map(|delay| display(Short(delay))) },
                        "poll failed",
                    );
                }
                Event::Moved { operation, from } => {
                    info!(target: TARGET, from = %Redacted(from), lro.monitor = %Redacted(operation.monitor()), "moved");
                }
                Event::Pending { operation, delay } => {
                    self.record_end(operation);
                    info!(target: TARGET, delay = %Short(delay), lro.polls = operation.polls(), "pending");
                }
                Event::Finished { operation, outcome } => self.finished(operation, outcome),
                // These come before an operation, or after its end.
                Event::CancelSent { .. } | Event::Unmatched { .. } => {}
            }
        }

        fn record_end(&self, operation: &Operation) {
            self.operation.record("lro.state", tracing::field::debug(operation.state()));
            if let Some(status) = operation.status() {
                self.operation.record("lro.status", display(Escaped(status)));
            }
            if let Some(percent) = operation.percent_complete() {
                self.operation.record("lro.percent", percent);
            }
            self.operation.record("lro.polls", operation.polls());
        }

        fn finished(&self, operation: &Operation, outcome: Outcome) {
            self.record_end(operation);
            let state = operation.state();
            let is_good = match outcome {
                Outcome::Response => matches!(state, OperationState::Succeeded),
                Outcome::Dropped => true,
                _ => false,
            };
            if is_good {
                let assumed = operation.is_success_assumed().then_some(true);
                info!(
                    target: TARGET,
                    { %outcome, lro.state = ?state, lro.polls = operation.polls(), lro.success_assumed = assumed },
                    "finished",
                );
                return;
            }
            let error = match (outcome, operation.error().and_then(|error| error.code())) {
                (Outcome::Response | Outcome::Failed, Some(code)) => Escaped(code).to_string(),
                (Outcome::Response | Outcome::Failed, None) => format!("{state:?}"),
                _ => format!("{outcome:?}"),
            };
            set_error(&self.operation, &error);
            warn!(
                target: TARGET,
                { lro.monitor = %Redacted(operation.monitor()), %outcome, lro.state = ?state, lro.polls = operation.polls(), "error.type" = error },
                "finished",
            );
        }
    }

    /// A duration in human-readable form.
    struct Short(Duration);

    impl fmt::Display for Short {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{:.1?}", self.0)
        }
    }

    fn set_error(span: &Span, error: &str) {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error);
    }

    fn polled(operation: &Operation, is_unrecognized: bool) {
        let status = operation.status().map(|status| display(Escaped(status)));
        debug!(
            target: TARGET,
            { lro.status = status, lro.state = ?operation.state(), lro.percent = operation.percent_complete() },
            "polled",
        );
        if is_unrecognized {
            warn!(
                target: TARGET,
                { lro.monitor = %Redacted(operation.monitor()), lro.status = status, lro.protocol = operation.protocol().name() },
                "unrecognized status: treated as running. If it ends the operation, tell the protocol (Protocol::builder), and set \
                 LroLayer::timeout",
            );
        }
    }

    /// Whether a subscriber listens to reports of a 202 that no protocol matches.
    pub(crate) fn is_unmatched_enabled() -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
    }

    /// Reports a 202 that no protocol matches.
    pub(crate) fn unmatched(method: &Method, uri: &Uri, headers: &[HeaderName]) {
        debug!(
            target: TARGET,
            { http.request.method = %method, url.full = %Redacted(uri), ?headers },
            "a 202 that no protocol of this layer matches passes through",
        );
    }

    /// Reports a request that cancels an operation. The operation's span has ended.
    pub(crate) fn cancel_sent(operation: &Operation, status: Option<StatusCode>) {
        let monitor = Redacted(operation.monitor());
        match status {
            Some(status) => info!(
                target: TARGET,
                { lro.monitor = %monitor, http.response.status_code = status.as_u16() },
                "cancel request sent",
            ),
            None => info!(target: TARGET, { lro.monitor = %monitor }, "cancel request failed"),
        }
    }

    /// Reports a request without a host, before it is sent.
    pub(crate) fn no_host(method: &Method, uri: &Uri) {
        warn!(
            target: TARGET,
            { http.request.method = %method, url.full = %Redacted(uri) },
            "a request has no host, so that monitors with absolute addresses cannot be polled: set LroLayer::base_uri, or send \
             a `host` header",
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use http::{HeaderName, Method, StatusCode, Uri};

    use crate::{event::Event, operation::Operation, request::captured::Call};

    #[derive(Debug)]
    pub(crate) struct Spans;

    #[allow(clippy::unused_self, reason = "the same as with the feature")]
    impl Spans {
        pub(crate) fn begin(_: Call, _: &Method, _: &Uri, _: &Operation) -> Self {
            Self
        }

        pub(crate) fn send(&mut self, _: &Uri) {}

        pub(crate) fn answered(&self, _: StatusCode) {}

        pub(crate) fn wait(&mut self) {}

        #[inline(always)]
        pub(crate) fn run<T>(&self, what: impl FnOnce() -> T) -> T {
            what()
        }

        pub(crate) fn emit(&self, _: &Event<'_>) {}
    }

    pub(crate) const fn is_unmatched_enabled() -> bool {
        false
    }

    pub(crate) fn unmatched(_: &Method, _: &Uri, _: &[HeaderName]) {}

    pub(crate) fn cancel_sent(_: &Operation, _: Option<StatusCode>) {}

    pub(crate) fn no_host(_: &Method, _: &Uri) {}
}
