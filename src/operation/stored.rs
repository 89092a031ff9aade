//! `Operation` as it is stored, with feature `serde`.
//!
//! The `stored_format` page of the guide documents the format. Members with their default value are left out, and unknown members
//! are kept.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use http::{Method, Uri};
use serde::{
    de::{Deserialize, Deserializer, Error as _},
    ser::{Serialize, Serializer},
};

use crate::{
    address::policy::{Address, Credentials},
    operation::{More, Operation, Progress, error_object::ErrorObject},
    protocol::{Protocol, state::OperationState},
};

/// The version of the format. It changes if older versions would misread the new format, and not for members that they can ignore.
const VERSION: u32 = 1;

/// No operation takes longer. Longer times from a store would not fit into other types.
const MAX_ELAPSED_MS: u64 = 100 * 365 * 86_400_000;

#[derive(serde::Deserialize, serde::Serialize)]
struct Stored<'a> {
    #[serde(deserialize_with = "supported_version")]
    version: u32,
    protocol: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    rule: u8,
    monitor: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    anonymous: Anonymous,
    state: OperationState,
    #[serde(default, skip_serializing_if = "is_default")]
    assumed: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    polls: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    accepted_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    elapsed_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    backoff_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    failures: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    moves: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    has_status: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    status: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    percent: Option<f64>,
    #[serde(default, skip_serializing_if = "is_default")]
    created: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    resource: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    location: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    redirected_from: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    start: Option<Start<'a>>,
    #[serde(default, skip_serializing_if = "is_default")]
    result: Option<Target<'a>>,
    /// The error object as the service wrote it.
    #[serde(default, skip_serializing_if = "is_default")]
    error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    no_monitor: bool,
    #[serde(flatten)]
    unknown: BTreeMap<String, serde_json::Value>,
}

#[derive(PartialEq, serde::Deserialize, serde::Serialize)]
struct Start<'a> {
    method: Cow<'a, str>,
    uri: Cow<'a, str>,
}

#[derive(PartialEq, serde::Deserialize, serde::Serialize)]
struct Target<'a> {
    uri: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    anonymous: Anonymous,
}

/// Whether requests to an address carry no credentials.
#[derive(Clone, Copy, Default, PartialEq, serde::Deserialize, serde::Serialize)]
struct Anonymous(bool);

impl Anonymous {
    fn of(credentials: Credentials) -> Self {
        Self(credentials == Credentials::Withhold)
    }

    const fn credentials(self) -> Credentials {
        if self.0 { Credentials::Withhold } else { Credentials::Send }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn supported_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(D::Error::custom(format_args!(
            "this version of tower-lro reads stored operations of format {VERSION}, not of format {other}"
        ))),
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    millis(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn from_unix_ms(millis: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

impl<'a> From<&'a Operation> for Stored<'a> {
    fn from(operation: &'a Operation) -> Self {
        let more = operation.more.as_deref();
        let uri = |uri: &Uri| Cow::Owned(uri.to_string());
        let Progress { backoff, consecutive_failures, moves, has_status, deadline } = operation.progress;
        Self {
            version: VERSION,
            protocol: operation.protocol.name().into(),
            rule: operation.start_rule,
            monitor: uri(&operation.monitor),
            anonymous: Anonymous::of(operation.credentials),
            state: operation.state,
            assumed: operation.is_success_assumed,
            polls: operation.polls,
            accepted_ms: operation.accepted_at.map(unix_ms),
            elapsed_ms: millis(operation.elapsed).min(MAX_ELAPSED_MS),
            deadline_ms: deadline.map(unix_ms),
            backoff_ns: backoff.map(|backoff| backoff.as_nanos().try_into().unwrap_or(u64::MAX)),
            failures: consecutive_failures,
            moves,
            has_status,
            status: operation.status().map(Cow::from),
            id: operation.id().map(Cow::from),
            percent: operation.percent_complete(),
            created: operation.created().map(Cow::from),
            resource: operation.resource().map(uri),
            location: more.and_then(|more| more.location.as_ref()).map(uri),
            redirected_from: more.and_then(|more| more.redirected_from.as_deref()).map(uri),
            start: operation
                .start()
                .map(|(method, address)| Start { method: method.as_str().into(), uri: uri(address) }),
            result: more
                .and_then(|more| more.result.as_ref())
                .map(|address| Target { uri: uri(&address.uri), anonymous: Anonymous::of(address.credentials) }),
            error: operation.error().map(|error| error.json().into()),
            no_monitor: !operation.has_monitor(),
            unknown: more.map(|more| more.unknown.clone()).unwrap_or_default(),
        }
    }
}

impl Stored<'_> {
    fn restore(self) -> Result<Operation, String> {
        let protocol = Protocol::known().find(|known| known.name() == self.protocol);
        let protocol = protocol.unwrap_or_else(|| Protocol::unknown(self.protocol.into_owned()));
        let address = Address { uri: uri("monitor", &self.monitor)?, credentials: self.anonymous.credentials() };
        let mut operation = Operation::new(address, protocol, self.rule);
        operation.state = self.state;
        // What is said of an end is said of operations that have ended alone, whatever a store says.
        let (has_succeeded, is_over) = (self.state == OperationState::Succeeded, self.state.is_terminal());
        operation.is_success_assumed = self.assumed && has_succeeded;
        operation.polls = self.polls;
        operation.accepted_at = self.accepted_ms.and_then(from_unix_ms);
        operation.elapsed = Duration::from_millis(self.elapsed_ms.min(MAX_ELAPSED_MS));
        operation.progress = Progress {
            backoff: self.backoff_ns.map(Duration::from_nanos),
            consecutive_failures: self.failures,
            moves: self.moves,
            has_status: self.has_status,
            deadline: self.deadline_ms.and_then(from_unix_ms),
        };
        operation.status = self.status.map(Box::from);
        operation.id = self.id.map(Box::from);
        operation.percent = self.percent.filter(|percent| percent.is_finite());
        let error =
            self.error.as_deref().map(|json| ErrorObject::parse(json).ok_or("`error` is not JSON, or says nothing"));
        let more = More {
            created: self.created.map(Cow::into_owned),
            resource: self.resource.map(|text| uri("resource", &text)).transpose()?,
            location: self.location.map(|text| uri("location", &text)).transpose()?,
            redirected_from: self.redirected_from.map(|text| uri("redirected_from", &text)).transpose()?.map(Box::new),
            start: self.start.map(Start::restore).transpose()?,
            error: error.transpose()?.filter(|_| is_over && !has_succeeded),
            result: self.result.map(Target::restore).transpose()?.filter(|_| has_succeeded),
            has_no_monitor: self.no_monitor,
            unknown: self.unknown,
        };
        operation.more = (!more.is_empty()).then(|| Box::new(more));
        Ok(operation)
    }
}

impl More {
    fn is_empty(&self) -> bool {
        let Self { created, resource, location, redirected_from, start, error, result, has_no_monitor, unknown } = self;
        let has_address = resource.is_some() || location.is_some() || start.is_some() || result.is_some();
        !has_address
            && !has_no_monitor
            && redirected_from.is_none()
            && created.is_none()
            && error.is_none()
            && unknown.is_empty()
    }
}

impl Start<'_> {
    fn restore(self) -> Result<(Method, Uri), String> {
        let method = Method::from_bytes(self.method.as_bytes());
        Ok((method.map_err(|_| "`start.method` is not a method")?, uri("start.uri", &self.uri)?))
    }
}

impl Target<'_> {
    fn restore(self) -> Result<Address, String> {
        Ok(Address { uri: uri("result.uri", &self.uri)?, credentials: self.anonymous.credentials() })
    }
}

fn uri(member: &str, text: &str) -> Result<Uri, String> {
    text.parse().map_err(|error| format!("`{member}` is not a URI: {error}"))
}

/// Serializes to a map with the `version` of its format, for self-describing formats such as JSON. Like [`Operation`] itself it
/// holds no credential of the start request, and the service's addresses as they are.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored::from(self).serialize(serializer)
    }
}

/// Reads the output of any version of the crate that writes the same format. Members that this version does not know are kept, and
/// written again. An operation whose protocol is not [known](Protocol::known) can be resumed through a layer that speaks a
/// protocol of the same name.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer)?.restore().map_err(D::Error::custom)
    }
}
