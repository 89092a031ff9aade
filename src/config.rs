//! `Config`: the settings of a layer, as values.

use std::{
    fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::{
    address::{
        origin::Origin,
        policy::{CallerAddress, NamedOrigins},
        resolver::Resolver,
        seen::SeenOrigins,
    },
    event::Event,
    operation::cancel::Canceller,
    protocol::{Candidate, Protocol, final_response::FinalResponse},
    request::{
        captured::{FollowedRequest, Intent, OmittedExtension, RequestHead, TemplateRules},
        names::NameLists,
    },
    timing::{backoff::DelayRules, timer::Timer},
};

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) ask_for_async: bool,
    pub(crate) delays: DelayRules,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_consecutive_failures: u32,
    pub(crate) max_status_bytes: usize,
    pub(crate) anonymous: Vec<Origin>,
    pub(crate) trusted: Vec<Origin>,
    pub(crate) base_uri: Option<Url>,
    pub(crate) propagate_query: Vec<String>,
    pub(crate) omitted_extensions: Vec<OmittedExtension>,
    pub(crate) final_response: Option<FinalResponse>,
    pub(crate) error_on_failure: bool,
    pub(crate) cancel_on_drop: Option<Canceller>,
    pub(crate) cancel_on_timeout: Option<Canceller>,
    pub(crate) timer: Option<Arc<dyn Timer>>,
    /// Whether the warning about requests without a host was given. Shared by a layer and all layers made from it.
    pub(crate) has_warned_of_no_host: Arc<AtomicBool>,
    /// Shared likewise.
    header_names: Arc<NameLists>,
    /// Shared likewise.
    seen_origins: Arc<SeenOrigins>,
    observers: Vec<Observer>,
}

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

impl Default for Config {
    fn default() -> Self {
        Self {
            protocols: vec![Protocol::operation_location()],
            ask_for_async: false,
            delays: DelayRules::default(),
            max_wait: None,
            timeout: None,
            max_consecutive_failures: 10,
            max_status_bytes: 16 << 20,
            anonymous: Vec::new(),
            trusted: Vec::new(),
            base_uri: None,
            propagate_query: vec!["subscription-key".to_owned(), "api-version".to_owned()],
            omitted_extensions: Vec::new(),
            final_response: None,
            error_on_failure: false,
            cancel_on_drop: None,
            cancel_on_timeout: None,
            timer: None,
            has_warned_of_no_host: Arc::default(),
            header_names: Arc::default(),
            seen_origins: Arc::default(),
            observers: Vec::new(),
        }
    }
}

impl Config {
    /// Whether it passes everything through.
    pub(crate) fn is_disabled(&self) -> bool {
        self.protocols.is_empty()
    }

    /// The rules by which a response may start an operation.
    pub(crate) fn candidates<'a>(
        &'a self,
        method: &'a Method,
        status: StatusCode,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = Candidate> + 'a {
        self.protocols.iter().flat_map(move |protocol| {
            let rules = protocol.matches(method, status, headers);
            rules.map(|start_rule| Candidate { protocol: protocol.clone(), start_rule })
        })
    }

    /// Whether any start rule matches the head of a response.
    #[inline]
    pub(crate) fn may_start_operation(&self, method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
        self.protocols.iter().any(|protocol| protocol.matches(method, status, headers).next().is_some())
    }

    /// Whether start requests ask for asynchronous work.
    #[inline]
    pub(crate) fn asks_for_async(&self) -> bool {
        self.ask_for_async && self.protocols.iter().any(|protocol| protocol.rules().needs_respond_async)
    }

    /// Whether the layer leaves a request alone.
    #[inline]
    pub(crate) fn passes_through(&self, intent: Intent) -> bool {
        // A request that cancels an operation must not be sent to its own address.
        self.is_disabled() && intent != Intent::Cancel
    }

    /// Keeps the parts of a resuming request that polls repeat.
    #[inline]
    pub(crate) fn resuming(&self, head: RequestHead, headers: &HeaderMap) -> FollowedRequest {
        head.resuming(headers, self.template_rules())
    }

    pub(crate) fn template_rules(&self) -> TemplateRules<'_> {
        TemplateRules { omitted: &self.omitted_extensions, base: self.base_uri.as_ref(), names: &self.header_names }
    }

    /// The layer's own protocol: this one, or that of the same name, since a stored operation knows no more.
    pub(crate) fn own_protocol(&self, protocol: &Protocol) -> Option<&Protocol> {
        let of_that_name = || self.protocols.iter().find(|spoken| spoken.name() == protocol.name());
        self.protocols.iter().find(|spoken| spoken.is(protocol)).or_else(of_that_name)
    }

    /// The origins named by this layer and by a protocol that it speaks. A protocol that it does not speak, such as that of a
    /// stored operation, has no say in where credentials go.
    fn named_origins<'a>(&'a self, protocol: &'a Protocol) -> NamedOrigins<'a> {
        let mut named = NamedOrigins { trusted: &self.trusted, trust_rules: &[], anonymous: [&self.anonymous, &[]] };
        if let Some(spoken) = self.own_protocol(protocol) {
            named.trust_rules = &spoken.rules().trust;
            named.anonymous[1] = &spoken.rules().anonymous;
        }
        named
    }

    /// Resolves addresses for a request of the caller, by what this layer and a protocol allow.
    pub(crate) fn resolver<'a>(&'a self, caller: &'a CallerAddress, protocol: &'a Protocol) -> Resolver<'a> {
        Resolver::new(caller, self.named_origins(protocol), &self.seen_origins)
    }

    /// Whether any origin besides the request's own may be asked.
    pub(crate) fn names_origins(&self) -> bool {
        let by_protocol = |protocol: &Protocol| !protocol.rules().anonymous.is_empty();
        !self.trusted.is_empty() || !self.anonymous.is_empty() || self.protocols.iter().any(by_protocol)
    }

    pub(crate) fn observe(&mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) {
        self.observers.push(Arc::new(observer));
    }

    pub(crate) fn has_observers(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Calls the observers. A panic in one of them harms nothing else.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        for observer in &self.observers {
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| observer(event))) else { continue };
            // Dropping the payload of the panic may itself panic.
            _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(ManuallyDrop::new);
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocols,
            ask_for_async,
            delays,
            max_wait,
            timeout,
            max_consecutive_failures,
            max_status_bytes,
            anonymous,
            trusted,
            base_uri,
            propagate_query,
            omitted_extensions,
            final_response,
            error_on_failure,
            cancel_on_drop,
            cancel_on_timeout,
            timer,
            has_warned_of_no_host: _,
            header_names: _,
            seen_origins: _,
            observers,
        } = self;
        f.debug_struct("LroLayer")
            .field("protocols", protocols)
            .field("ask_for_async", ask_for_async)
            .field("backoff", &delays.backoff)
            .field("min_delay", &delays.min_delay)
            .field("max_delay", &delays.max_delay)
            .field("jitter", &delays.jitter)
            .field("max_wait", max_wait)
            .field("timeout", timeout)
            .field("max_consecutive_failures", max_consecutive_failures)
            .field("max_status_bytes", max_status_bytes)
            .field("allow_anonymous_origin", anonymous)
            .field("trust_origin", trusted)
            .field("base_uri", &base_uri.as_ref().map(Url::host_str))
            .field("propagate_query", propagate_query)
            .field("omitted_extensions", &omitted_extensions.len())
            .field("final_response", final_response)
            .field("error_on_failure", error_on_failure)
            .field("cancel_on_drop", &cancel_on_drop.is_some())
            .field("cancel_on_timeout", &cancel_on_timeout.is_some())
            .field("timer", &timer.is_some())
            .field("observers", &observers.len())
            .finish()
    }
}
