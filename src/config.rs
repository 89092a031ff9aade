//! `Settings`: what a layer is set to.

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode};

use crate::{
    address::origin::Origin,
    event::Event,
    protocol::{Candidate, FinalResponse, Protocol},
    timing::backoff::Backoff,
};

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) starts: StatusSet,
    pub(crate) backoff: Backoff,
    pub(crate) min_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) jitter: f64,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_consecutive_failures: u32,
    pub(crate) max_status_bytes: usize,
    pub(crate) allowed: Vec<Origin>,
    pub(crate) trusted: Vec<Origin>,
    pub(crate) propagate_query: Vec<String>,
    pub(crate) final_response: Option<FinalResponse>,
    pub(crate) error_on_failure: bool,
    pub(crate) observers: Vec<Observer>,
}

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        let protocols = vec![Protocol::operation_location()];
        Self {
            starts: StatusSet::of(&protocols),
            protocols,
            backoff: Backoff::default(),
            min_delay: Duration::ZERO,
            max_delay: Duration::from_secs(3600),
            jitter: 0.1,
            timeout: None,
            max_consecutive_failures: 10,
            max_status_bytes: 16 << 20,
            allowed: Vec::new(),
            trusted: Vec::new(),
            propagate_query: vec!["subscription-key".to_owned(), "api-version".to_owned()],
            final_response: None,
            error_on_failure: false,
            observers: Vec::new(),
        }
    }
}

/// The statuses of start responses, as bits from 200 on, because every response is asked for its own.
#[derive(Clone, Copy)]
pub(crate) struct StatusSet(u64);

impl StatusSet {
    fn of(protocols: &[Protocol]) -> Self {
        let announcements = protocols.iter().flat_map(Protocol::announcements);
        let statuses = announcements.flat_map(|announcement| &announcement.statuses);
        Self(statuses.filter_map(|&status| Self::bit(status)).fold(0, |set, bit| set | bit))
    }

    #[inline]
    fn bit(status: StatusCode) -> Option<u64> {
        1_u64.checked_shl(u32::from(status.as_u16()).wrapping_sub(200))
    }

    #[inline]
    fn has(self, status: StatusCode) -> bool {
        Self::bit(status).is_some_and(|bit| self.0 & bit != 0)
    }
}

impl Settings {
    pub(crate) fn protocols(&self) -> &[Protocol] {
        &self.protocols
    }

    pub(crate) fn set_protocols(&mut self, protocols: Vec<Protocol>) {
        self.starts = StatusSet::of(&protocols);
        self.protocols = protocols;
    }

    /// The ways in which a response may announce an operation.
    pub(crate) fn candidates<'a>(
        &'a self,
        method: &'a Method,
        status: StatusCode,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = Candidate> + 'a {
        self.protocols.iter().flat_map(move |protocol| {
            let places = protocol.matches(method, status, headers);
            places.map(|announcement| Candidate { protocol: protocol.clone(), announcement })
        })
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn may_be_announced(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
        self.starts.has(status) && self.candidates(method, status, headers).next().is_some()
    }

    /// Tells the observers. One that panics harms nothing but itself.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        for observer in &self.observers {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| observer(event))) else { continue };
            // What it panicked with may panic itself when it is dropped.
            _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(ManuallyDrop::new);
        }
    }
}
