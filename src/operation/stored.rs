//! Stored: `Operation` as it is written and read with feature `serde`.

use std::borrow::Cow;

use http::{Method, Uri};
use serde::{
    de::{Deserialize, Deserializer, Error as _},
    ser::{Serialize, Serializer},
};

use crate::{
    operation::{More, Operation, OperationState, error_object::ErrorObject},
    protocol::Protocol,
};

/// The format. It gets another number with what older versions would misread, and not with what they can leave out.
struct Version;

const VERSION: u32 = 1;

const NANOS_PER_MILLI: u64 = 1_000_000;

const CENTURY_MS: u64 = 100 * 365 * 86_400_000;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        VERSION.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            VERSION => Ok(Self),
            // Here, so that what else is different in another format is seldom found wrong before.
            other => Err(D::Error::custom(format_args!(
                "this version of tower-lro reads stored operations of format {VERSION}, and not of {other}"
            ))),
        }
    }
}

/// Nothing is left out, for formats that do not describe themselves.
#[derive(serde::Deserialize, serde::Serialize)]
struct Stored<'a> {
    version: Version,
    protocol: Cow<'a, str>,
    announcement: u8,
    monitor: Cow<'a, str>,
    #[serde(default)]
    anonymous: bool,
    state: OperationState,
    polls: u32,
    elapsed_ms: u64,
    #[serde(default)]
    status: Option<Cow<'a, str>>,
    #[serde(default)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    percent_complete: Option<f64>,
    #[serde(default)]
    created: Option<Cow<'a, str>>,
    #[serde(default)]
    resource: Option<Cow<'a, str>>,
    #[serde(default)]
    location: Option<Cow<'a, str>>,
    #[serde(default)]
    start: Option<Start<'a>>,
    /// The error object as the service wrote it.
    #[serde(default)]
    failure: Option<Cow<'a, str>>,
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Start<'a> {
    method: Cow<'a, str>,
    uri: Cow<'a, str>,
}

impl<'a> From<&'a Operation> for Stored<'a> {
    fn from(operation: &'a Operation) -> Self {
        let more = operation.more.as_deref();
        let uri = |uri: &Uri| Cow::Owned(uri.to_string());
        let start = operation.start();
        Self {
            version: Version,
            protocol: operation.protocol.name().into(),
            announcement: operation.announcement,
            monitor: uri(&operation.monitor),
            anonymous: operation.is_anonymous,
            state: operation.state,
            polls: operation.polls,
            elapsed_ms: operation.elapsed / NANOS_PER_MILLI,
            status: operation.status().map(Cow::from),
            id: operation.id().map(Cow::from),
            percent_complete: operation.percent_complete(),
            created: operation.created().map(Cow::from),
            resource: operation.resource().map(uri),
            location: more.and_then(|more| more.location.as_ref()).map(uri),
            start: start.map(|(method, address)| Start { method: method.as_str().into(), uri: uri(address) }),
            failure: operation.error().map(|failure| failure.json().into()),
        }
    }
}

impl Stored<'_> {
    fn restore(self) -> Result<Operation, String> {
        let protocol = Protocol::known().find(|known| known.name() == self.protocol);
        let protocol = protocol.unwrap_or_else(|| Protocol::unknown(self.protocol.into_owned()));
        let mut operation = Operation::new(uri("monitor", &self.monitor)?, protocol);
        operation.announcement = self.announcement;
        operation.is_anonymous = self.anonymous;
        operation.state = self.state;
        operation.polls = self.polls;
        // So that what comes after it can be said too.
        operation.elapsed = self.elapsed_ms.min(CENTURY_MS) * NANOS_PER_MILLI;
        operation.status = self.status.map(Box::from);
        operation.id = self.id.map(Box::from);
        operation.percent = self.percent_complete.unwrap_or(f64::NAN);
        let resource = self.resource.map(|text| uri("resource", &text)).transpose()?;
        let location = self.location.map(|text| uri("location", &text)).transpose()?;
        let start = self.start.map(|start| start.restore()).transpose()?;
        let failure = self.failure.as_deref().map(|json| ErrorObject::from_json(json).ok_or("`failure` is not JSON"));
        let created = self.created.map(Cow::into_owned);
        let more = More { created, resource, location, start, failure: failure.transpose()? };
        operation.more = (!more.is_empty()).then(|| Box::new(more));
        Ok(operation)
    }
}

impl Start<'_> {
    fn restore(self) -> Result<(Method, Uri), String> {
        let method = Method::from_bytes(self.method.as_bytes());
        Ok((method.map_err(|_| "`start.method` is not a method")?, uri("start.uri", &self.uri)?))
    }
}

fn uri(member: &str, text: &str) -> Result<Uri, String> {
    text.parse().map_err(|error| format!("`{member}` is not an address: {error}"))
}

/// A map of texts and numbers, with the `version` of its format. In formats that do not describe themselves (bincode, postcard)
/// it is read by the same version of this crate only. It holds what [`Operation`] holds: no credential of the start
/// request; the addresses as the service gave them, whole.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored::from(self).serialize(serializer)
    }
}

/// What this version of the crate or an older one has written. An operation of a protocol that is not
/// [known](Protocol::known) can be resumed through a layer that speaks a protocol of the same name.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer)?.restore().map_err(D::Error::custom)
    }
}
