//! Tracing: a span for each operation, in it one for each of its requests, and an event for whatever happens. Without
//! feature `tracing` nothing of it is compiled in, and what is called here does nothing.

#[cfg(not(feature = "tracing"))]
pub(crate) use self::off::Spans;
#[cfg(feature = "tracing")]
pub(crate) use self::on::Spans;

#[cfg(feature = "tracing")]
mod on {
    use http::{Method, StatusCode, Uri};
    use tracing::{Span, debug, debug_span, field::Empty, info, info_span, warn};

    use crate::{
        event::{Event, Outcome, PollFailure},
        operation::{Operation, OperationState},
        redact::Redacted,
    };

    /// That of all spans and events, whatever the modules are called.
    const TARGET: &str = "tower_lro";

    /// The spans of one operation, under the span that was current when it was accepted. Names are those of the
    /// [semantic conventions of OpenTelemetry for HTTP] where there are any.
    ///
    /// [semantic conventions of OpenTelemetry for HTTP]: https://opentelemetry.io/docs/specs/semconv/http/http-spans/
    pub(crate) struct Spans {
        operation: Span,
        request: Option<Span>,
    }

    impl Spans {
        pub(crate) const fn none() -> Self {
            Self { operation: Span::none(), request: None }
        }

        pub(crate) fn begin(&mut self, method: &Method, start: &Uri, operation: &Operation) {
            self.operation = info_span!(
                target: TARGET,
                "operation",
                otel.kind = "internal",
                http.request.method = %method,
                url.full = %Redacted(start),
                server.address = start.host(),
                server.port = start.port_u16(),
                lro.protocol = operation.protocol().name(),
                lro.monitor = %Redacted(operation.monitor()),
                lro.id = operation.id(),
                lro.state = Empty,
                lro.status = Empty,
                lro.percent = Empty,
                lro.polls = Empty,
                "error.type" = Empty,
            );
        }

        pub(crate) fn send(&mut self, uri: &Uri) {
            self.request = Some(debug_span!(
                target: TARGET,
                parent: &self.operation,
                "poll",
                otel.kind = "internal",
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

        /// Does something that belongs to the request under way, or else to the operation.
        #[inline]
        pub(crate) fn run<T>(&self, what: impl FnOnce() -> T) -> T {
            self.request.as_ref().unwrap_or(&self.operation).in_scope(what)
        }

        pub(crate) fn tell(&self, event: &Event<'_>) {
            self.run(|| self.tell_here(event));
        }

        fn tell_here(&self, event: &Event<'_>) {
            match *event {
                Event::Accepted { operation } => {
                    info!(target: TARGET, { lro.monitor = %Redacted(operation.monitor()), lro.id = operation.id() }, "accepted");
                }
                Event::Waiting { delay, reason, .. } => debug!(target: TARGET, ?delay, ?reason, "waiting"),
                Event::Polled { operation } => {
                    debug!(
                        target: TARGET,
                        {
                            lro.status = operation.status(),
                            lro.state = ?operation.state(),
                            lro.percent = operation.percent_complete(),
                        },
                        "polled",
                    );
                }
                Event::PollFailed { failure, failures, retry_in, .. } => {
                    let error = match failure {
                        PollFailure::Http(status) => status.as_str().to_owned(),
                        PollFailure::Service | PollFailure::Body => format!("{failure:?}"),
                    };
                    self.request.iter().for_each(|request| _ = request.record("error.type", error.as_str()));
                    warn!(target: TARGET, ?failure, failures, ?retry_in, "poll failed");
                }
                Event::Moved { operation, from } => {
                    info!(target: TARGET, from = %Redacted(from), lro.monitor = %Redacted(operation.monitor()), "moved");
                }
                Event::Finished { operation, outcome } => self.finished(operation, outcome),
            }
        }

        fn finished(&self, operation: &Operation, outcome: Outcome) {
            let state = operation.state();
            self.operation.record("lro.state", tracing::field::debug(state));
            operation.status().into_iter().for_each(|status| _ = self.operation.record("lro.status", status));
            let percent = operation.percent_complete();
            percent.into_iter().for_each(|percent| _ = self.operation.record("lro.percent", percent));
            self.operation.record("lro.polls", operation.polls());
            let is_good = match outcome {
                Outcome::Response => matches!(state, OperationState::Succeeded),
                Outcome::Dropped => true,
                _ => false,
            };
            if is_good {
                info!(target: TARGET, ?outcome, lro.state = ?state, lro.polls = operation.polls(), "finished");
                return;
            }
            let error = match (outcome, operation.error().and_then(|failure| failure.code())) {
                (Outcome::Response | Outcome::Failed, Some(code)) => code.to_owned(),
                (Outcome::Response | Outcome::Failed, None) => format!("{state:?}"),
                _ => format!("{outcome:?}"),
            };
            self.operation.record("error.type", error.as_str());
            warn!(target: TARGET, ?outcome, lro.state = ?state, lro.polls = operation.polls(), "error.type" = error, "finished");
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use http::{Method, StatusCode, Uri};

    use crate::{event::Event, operation::Operation};

    pub(crate) struct Spans;

    #[allow(clippy::unused_self)]
    impl Spans {
        pub(crate) const fn none() -> Self {
            Self
        }

        pub(crate) fn begin(&mut self, _: &Method, _: &Uri, _: &Operation) {}

        pub(crate) fn send(&mut self, _: &Uri) {}

        pub(crate) fn answered(&self, _: StatusCode) {}

        pub(crate) fn wait(&mut self) {}

        #[inline(always)]
        pub(crate) fn run<T>(&self, what: impl FnOnce() -> T) -> T {
            what()
        }

        pub(crate) fn tell(&self, _: &Event<'_>) {}
    }
}
