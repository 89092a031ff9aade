//! `Job`: what is in the queue. A tenant, and an operation or the request that is to start one.

use std::{fmt, str::FromStr, time::SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_lro::Operation;
use uuid::Uuid;

use crate::BoxError;

/// The envelope: whose work it is, and how far it is. It holds no credential and no address that the worker trusts.
///
/// ```json
/// {"tenant": "acme", "operation": {"version": 1, "monitor": "https://…", …}}
/// ```
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Job {
    /// The name under which the worker finds the endpoint and the credentials.
    pub tenant: String,
    /// The next thing to do.
    #[serde(flatten)]
    pub work: Work,
    /// Members that this version does not know: they are put back unchanged, so that a newer worker finds them.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The next thing to do for a job.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Send the request that starts the operation.
    Start(Start),
    /// Poll the operation.
    Operation(Box<Operation>),
}

/// A request that starts an operation. Its names are stored before it is sent, so that it can be sent again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Start {
    /// `Repeatability-Request-ID`, and `Operation-Id`: the same for every time that it is sent.
    pub request_id: String,
    /// `Repeatability-First-Sent`, an HTTP-date.
    pub first_sent: String,
    /// The path and query, all of it, at the tenant's endpoint, which has none.
    pub path: String,
    /// `Content-Type`
    pub content_type: String,
    /// The content.
    pub body: String,
    /// How often it was answered with “later”, or not at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Start {
    /// A `POST` of JSON, with names that no other has.
    pub fn post(path: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            request_id: Uuid::new_v4().to_string(),
            first_sent: httpdate::fmt_http_date(SystemTime::now()),
            path: path.into(),
            content_type: "application/json".to_owned(),
            body: body.into(),
            failures: 0,
            rest: Map::new(),
        }
    }
}

impl Job {
    /// Work for a tenant.
    pub fn new(tenant: impl Into<String>, work: Work) -> Self {
        Self { tenant: tenant.into(), work, rest: Map::new() }
    }

    /// A job that starts an operation.
    pub fn start(tenant: impl Into<String>, start: Start) -> Self {
        Self::new(tenant, Work::Start(start))
    }

    /// As it is stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("all of its keys are strings")
    }
}

impl FromStr for Job {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, serde_json::Error> {
        let mut job: Self = serde_json::from_str(json)?;
        // Work is one of these; a second one would be written beside it.
        job.rest.retain(|name, _| !matches!(name.as_str(), "tenant" | "start" | "operation"));
        Ok(job)
    }
}

/// The name of a job, chosen by the process that accepts it. A job that is accepted twice under one name is one job.
///
/// Up to 64 letters, digits, `-` and `_`: it is part of a NATS subject.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId(String);

impl JobId {
    /// Makes a name that no other job has.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// Reads a name from a queue, unchecked: a name that somebody wrote there must not keep the others from their work.
    #[cfg(any(test, feature = "sqlite", feature = "postgres", feature = "nats"))]
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = BoxError;

    fn from_str(text: &str) -> Result<Self, BoxError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(is_allowed) {
            return Err("the id of a job is up to 64 letters, digits, `-` and `_`".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelope_is_tenant_and_work() {
        let start = Job::start("acme", Start::post("/jobs", "{}"));
        let json: serde_json::Value = serde_json::from_str(&start.to_json()).unwrap();
        assert_eq!(json["tenant"], "acme");
        assert_eq!(json["start"]["path"], "/jobs");

        let stored = r#"{"tenant":"acme","operation":{"version":1,"protocol":"operation-location","monitor":"https://example.com/operations/1","state":"NotStarted","of_tomorrow":1}}"#;
        let job: Job = stored.parse().unwrap();
        assert!(matches!(&job.work, Work::Operation(operation) if operation.monitor().path() == "/operations/1"));
        assert!(job.to_json().contains("of_tomorrow"));
    }

    #[test]
    fn members_of_tomorrow_are_kept() {
        let stored = r#"{"tenant":"acme","priority":{"level":7},"start":{"request_id":"1","first_sent":"x","path":"/",
            "content_type":"text/plain","body":"","of_tomorrow":[1]}}"#;
        let expected: Value = serde_json::from_str(stored).unwrap();
        let job: Job = stored.parse().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&job.to_json()).unwrap(), expected);
    }

    #[test]
    fn second_work_is_not_written_beside_the_first() {
        let mut both: Value = serde_json::from_str(&Job::start("acme", Start::post("/jobs", "{}")).to_json()).unwrap();
        both["start2"] = both["start"].clone();
        let text = both.to_string().replace("start2", "start");
        assert_eq!(text.parse::<Job>().unwrap().to_json().matches("\"start\"").count(), 1);
    }

    #[test]
    fn ids_fit_into_subjects() {
        for bad in ["", "a.b", "a b", ">", "*", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
        assert!("order-17_b".parse::<JobId>().is_ok());
    }
}
