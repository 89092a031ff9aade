//! `Protocol`: how a family of services starts, reports and concludes operations, as data.

pub(crate) mod builder;
pub(crate) mod cancel_rule;
pub(crate) mod error;
#[cfg(feature = "serde")]
mod file;
pub(crate) mod final_response;
mod known;
pub(crate) mod start_rule;
pub(crate) mod state;
pub(crate) mod status_rule;
pub(crate) mod template;

use std::{borrow::Cow, fmt, sync::Arc};

use http::{HeaderMap, Method, StatusCode};

use crate::{
    address::{origin::Origin, policy::TrustRule},
    protocol::{
        cancel_rule::CancelRule,
        final_response::{FinalResponse, ResourceRule},
        start_rule::StartRule,
        state::StatusWords,
        status_rule::MissingStatus,
    },
};

/// How a family of services starts, reports and concludes long-running operations.
///
/// Data, not code: which responses start an operation and where they name its monitor ([`StartRule`]), where a status response
/// has its status ([`StatusRule`](crate::StatusRule)), which statuses are terminal, what the final response is
/// ([`FinalResponse`]), and from which other origins the family answers. All differences between services are in these values;
/// [`Protocol::builder`] makes new ones.
///
/// [`LroLayer::new`](crate::LroLayer::new) speaks [`Protocol::operation_location`]. A layer can speak several; the first
/// that recognizes a response wins.
///
/// # Example
///
/// ```
/// use tower_lro::{LroLayer, Protocol};
///
/// // `Operation-Location` where there is one, `Location` where there is not.
/// let layer = LroLayer::new().protocol(Protocol::location());
/// # let _ = layer;
/// ```
///
/// # In a file
///
/// With feature `serde` a protocol is read from a file, and written to one: TOML, JSON, or any other self-describing format. The
/// members have the names of the builder's methods, and `protocol.schema.json` in this crate's repository is their JSON Schema,
/// for editors. A list of one text may be written without brackets. HTTP statuses may be ranges (`["400-499"]`). Errors name the
/// member that is wrong, as in `announced[0].status.status_at`, and unknown members are errors.
///
/// `cargo run --example lro -- protocol show fhir` prints a [known](Self::known) protocol as a starting point, and
/// `lro protocol check FILE --transcript T` says how a recorded exchange is understood.
/// [An annotated description](crate::cookbook::your_own#the-same-in-a-file) gives the default of each member. In TOML, the
/// members of the protocol itself come before `[[announced]]`.
#[cfg_attr(feature = "serde", doc = "```")]
#[cfg_attr(not(feature = "serde"), doc = "```ignore")]
/// use tower_lro::{LroLayer, Protocol};
///
/// let pictures: Protocol = toml::from_str(
///     r#"
///     name = "pictures"
///     succeeded = "Done"
///     failed = ["Broken", "Lost"]
///     resource_at = ["/links/file", { template = "{monitor}/picture" }]
///     final_response = "resource"
///     allows = "https://files.example.com"
///     cancel = { method = "DELETE", template = "{monitor}" }
///
///     [[announced]]                    # 201 with `X-Job`
///     by_header = "x-job"
///     statuses = [201]
///     methods = "POST"
///
///     [announced.status]               # {"job": {"phase": "Drawing", "progress": 0.3}}
///     status_at = "/job/phase"
///     percent_at = { fraction = "/job/progress" }
///     failure_at = "/job/reason"
///     final_error_statuses = [410, "450-499"]
///     "#,
/// )?;
/// let layer = LroLayer::new().protocol(pictures);
///
/// let mistaken = toml::from_str::<Protocol>("name = 'jobs'\nannounced = [{by_header = 'x-job', status = {status_at = 'phase'}}]");
/// assert!(mistaken.unwrap_err().to_string().contains("announced[0].status.status_at: \"phase\" is not a JSON pointer"));
/// # let _ = layer;
/// # Ok::<_, toml::de::Error>(())
/// ```
#[derive(Clone)]
pub struct Protocol(Arc<Rules>);

/// The parts of a protocol.
#[derive(Clone, PartialEq)]
pub(crate) struct Rules {
    name: Cow<'static, str>,
    /// Whether it stands for a protocol of which only the name is known.
    is_unknown: bool,
    pub(crate) start_rules: Vec<StartRule>,
    pub(crate) words: StatusWords,
    pub(crate) trust: Vec<TrustRule>,
    pub(crate) anonymous: Vec<Origin>,
    pub(crate) final_response: FinalResponse,
    /// The places where a final status response names the resource.
    pub(crate) resource: Vec<ResourceRule>,
    pub(crate) cancel: Option<CancelRule>,
    pub(crate) needs_respond_async: bool,
}

impl Rules {
    fn new(name: Cow<'static, str>) -> Self {
        Self {
            name,
            is_unknown: false,
            start_rules: Vec::new(),
            words: StatusWords::default(),
            trust: Vec::new(),
            anonymous: Vec::new(),
            final_response: FinalResponse::Status,
            resource: Vec::new(),
            cancel: None,
            needs_respond_async: false,
        }
    }
}

/// A protocol, and the rule by which a response may start an operation.
pub(crate) struct Candidate {
    pub(crate) protocol: Protocol,
    pub(crate) start_rule: u8,
}

impl Candidate {
    pub(crate) fn rule(&self) -> &StartRule {
        self.protocol.start_rule(self.start_rule)
    }
}

impl Protocol {
    /// The name that this protocol goes by in `Debug` output and in stored operations.
    ///
    /// # Example
    ///
    /// ```
    /// # use tower_lro::Protocol;
    /// assert_eq!(Protocol::key_vault().name(), "key-vault");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns a stricter form of the protocol: if a response without a status means success
    /// ([`MissingStatus::Succeeded`]), it does so only after the monitor has answered 202 or given a status. Otherwise it is an
    /// error, [`Cause::Status`](crate::Cause::Status).
    ///
    /// For plain protocols ([`location`](Self::location), [`async_request_reply`](Self::async_request_reply)), with services that
    /// may give their status under another name.
    ///
    /// # Example
    ///
    /// ```
    /// use tower_lro::{LroLayer, Protocol};
    ///
    /// let layer = LroLayer::new().protocol(Protocol::location().strict());
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn strict(&self) -> Self {
        let mut rules = (*self.0).clone();
        for rule in &mut rules.start_rules {
            if rule.monitor.when_status_missing == MissingStatus::Succeeded {
                rule.monitor.when_status_missing = MissingStatus::SucceededAfterAccepted;
            }
        }
        Self(Arc::new(rules))
    }

    /// Stands for the protocol of a stored operation, of which only the name is known, until a layer supplies it.
    #[cfg(feature = "serde")]
    pub(crate) fn unknown(name: String) -> Self {
        let mut rules = Rules::new(name.into());
        rules.is_unknown = true;
        rules.start_rules.push(StartRule::at_request_uri());
        Self(Arc::new(rules))
    }

    /// Whether it only [stands for](Self::unknown) a protocol.
    pub(crate) fn is_unknown(&self) -> bool {
        self.0.is_unknown
    }

    /// Whether both are the same one, or copies of it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.0
    }

    /// The start rule with this index; the first if there is no such rule, because another version has stored the operation.
    pub(crate) fn start_rule(&self, index: u8) -> &StartRule {
        let rules = &self.0.start_rules;
        rules.get(usize::from(index)).unwrap_or(&rules[0])
    }

    /// The index of the start rule to assume if none is known.
    pub(crate) fn default_for_resume(&self) -> u8 {
        self.indexed_rules().find(|(rule, _)| rule.is_default_for_resume).map_or(0, |(_, index)| index)
    }

    /// The indices of the start rules that the head of a response matches.
    #[inline]
    pub(crate) fn matches<'a>(
        &'a self,
        method: &'a Method,
        status: StatusCode,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = u8> + 'a {
        self.indexed_rules().filter(move |(it, _)| it.matches(method, status, headers)).map(|(_, index)| index)
    }

    /// The start rules and their indices. In this order, because no index is asked for behind the last rule: 255 would be one too
    /// many to count on from.
    #[inline]
    fn indexed_rules(&self) -> impl Iterator<Item = (&StartRule, u8)> {
        self.0.start_rules.iter().zip(0..)
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Protocol").field(&self.0.name).finish()
    }
}
