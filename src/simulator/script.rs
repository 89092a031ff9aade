//! `Script` and `Reply`: what a simulated operation answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// The answers that are played for one operation.
///
/// In header values and bodies `{origin}` stands for the scheme and host that the request was sent to, `{id}` for the
/// operation's number in the form of a UUID, and `{start}` for the address of the start request. The monitor is at
/// `{origin}/operations/{id}` (with any path before and after it), the result at `{origin}/operations/{id}/result` (or `/results`) and at
/// `{origin}/resources/{id}`, and the resource that was made or changed at the address of the start request. A service whose
/// monitors are elsewhere is played with these paths instead of its own.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{FinalResponse, LroLayer, Protocol, ResponseExt, simulator::{Reply, Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let simulator = Simulator::new();
/// let client = LroLayer::new()
///     .protocol(Protocol::location())
///     .final_response(FinalResponse::Resource)
///     .layer(simulator.clone());
///
/// for (script, polls) in [
///     (Script::azure_maps(), Some(3)),
///     (Script::azure_maps_v1(), Some(3)),
///     (Script::azure_maps_failed(), Some(2)),
///     (Script::azure_maps_invalid(), None), // no operation
///     // With other answers than theirs.
///     (Script::azure_maps().resource(Reply::json(r#"{"made": "{id}"}"#)), Some(3)),
///     (Script::azure_maps().start(Reply::accepted().retry_after(Duration::from_secs(5))), Some(3)),
///     (Script::new(Reply::accepted()).polls([Reply::http(503), Reply::status("Succeeded")]), Some(2)),
/// ] {
///     simulator.queue(script);
///     let start = Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
///     let response = client.clone().oneshot(start).await?;
///     assert_eq!(response.operation().map(|operation| operation.polls()), polls);
/// }
///
/// // A `GET` that is answered 202 until the report is there.
/// let script = Script::new(Reply::http(202)).polls([Reply::http(202)]).original(Reply::json("[]"));
/// let simulator = Simulator::new().script(script.starts_on_get().own_monitor());
/// for status in [202, 202, 200] {
///     let report = Request::get("https://example.com/report").body(String::new())?;
///     assert_eq!(simulator.clone().oneshot(report).await?.status(), status);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Script {
    pub(crate) start: Reply,
    pub(crate) polls: Vec<Reply>,
    pub(crate) resource: Reply,
    pub(crate) original: Reply,
    pub(crate) is_own_monitor: bool,
    pub(crate) starts_on_get: bool,
}

/// One answer of the simulated service; see [`Script`].
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, ResponseExt, simulator::{Fault, Reply, Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let busy = Reply::http(503).retry_after(Duration::from_secs(5));
/// let broken = Reply::status("Running").fault(Fault::BrokenAfter(20));
/// let slow = Reply::json(r#"{"status": "Running"}"#).delay(Duration::from_secs(1)).chunks(1);
/// let long = Reply::status_with_result("Succeeded", 1 << 20).code(201).header("location", "{origin}/maps/{id}");
/// let script = Script::new(Reply::accepted().body("accepted")).polls([busy, broken, slow, long]);
///
/// let start = Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
/// let response = LroLayer::new().layer(Simulator::new().script(script)).oneshot(start).await?;
/// assert_eq!(response.status(), 201);
/// assert_eq!(response.operation().map(|operation| operation.polls()), Some(4));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) chunk: Option<usize>,
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

/// A fault of a [`Reply`]; see [`Script`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There is no response; the service gives an error.
    Refused,
    /// There is never a response.
    Stalled,
    /// The body breaks off after this many bytes. (Behind a server the head may be lost as well, if it is still in a buffer.)
    BrokenAfter(usize),
    /// The body stops after this many bytes, and never goes on.
    StalledAfter(usize),
}

impl Script {
    /// Plays `start`, and then a monitor that answers 404 until [`polls`](Self::polls) says more.
    pub fn new(start: Reply) -> Self {
        Self {
            start,
            polls: Vec::new(),
            resource: Reply::json(r#"{"id": "{id}"}"#),
            original: Reply::json(r#"{"id": "{id}", "at": "{start}"}"#),
            is_own_monitor: false,
            starts_on_get: false,
        }
    }

    /// Azure Maps, version 2: 202 with `Operation-Location`; `NotStarted` and `Running`, which ask for 30 seconds, and
    /// `Succeeded` with a quoted `Resource-Location`, as in [its documentation].
    ///
    /// [its documentation]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation-v2
    pub fn azure_maps() -> Self {
        let status = |word: &str| Reply::json(azure_maps_status("created", word)).retry_after(Duration::from_secs(30));
        let succeeded = r#" {
    "operationId": "{id}",
    "created": "2021-05-06T07:55:19.5256829+00:00",
    "status": "Succeeded"
}"#;
        Self::new(Reply::accepted()).polls([
            status("NotStarted"),
            status("Running"),
            Reply::json(succeeded).header("resource-location", "\"{origin}/resources/{id}\""),
        ])
    }

    /// Azure Maps, version 1: 202 with `Location`; `createdDateTime` instead of `created`; 201 with `Location` and
    /// `resourceLocation` at the end, as in [its documentation].
    ///
    /// [its documentation]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation
    pub fn azure_maps_v1() -> Self {
        let status =
            |word: &str| Reply::json(azure_maps_status("createdDateTime", word)).retry_after(Duration::from_secs(30));
        let succeeded = r#" {
    "operationId": "{id}",
    "createdDateTime": "3/11/2020 8:45:13 PM +00:00",
    "status": "Succeeded",
    "resourceLocation": "{origin}/resources/{id}"
}"#;
        Self::new(Reply::http(202).header("location", "{origin}/operations/{id}")).polls([
            status("NotStarted"),
            status("Running"),
            Reply::json(succeeded).code(201).header("location", "\"{origin}/resources/{id}\""),
        ])
    }

    /// Azure Maps, version 2: an operation that fails.
    pub fn azure_maps_failed() -> Self {
        Self::azure_maps().polls([
            Reply::status("Running"),
            Reply::json(
                r#"{
    "operationId": "{id}",
    "created": "3/11/2020 8:45:13 PM +00:00",
    "status": "Failed",
    "error": {
        "code": "InvalidFeature",
        "message": "The provided feature is invalid.",
        "details": {
            "code": "NoGeometry",
            "message": "No geometry was provided with the feature."
        }
    }
}"#,
            ),
        ])
    }

    /// Azure Maps, version 2: a request that fails validation; 400, and no operation.
    pub fn azure_maps_invalid() -> Self {
        let error =
            r#"{"error": {"code": "BadRequest", "message": "The request body is not a valid drawing package."}}"#;
        Self::new(Reply { status: 400, ..Reply::json(error) })
    }

    /// Sets the answer to the start request.
    pub fn start(self, start: Reply) -> Self {
        Self { start, ..self }
    }

    /// Sets the answers of the monitor, one after the other; the last is repeated.
    pub fn polls(self, polls: impl IntoIterator<Item = Reply>) -> Self {
        Self { polls: polls.into_iter().collect(), ..self }
    }

    /// Sets the response at the address of the result.
    pub fn resource(self, resource: Reply) -> Self {
        Self { resource, ..self }
    }

    /// Sets the response at the address of the start request, once the operation has ended.
    pub fn original(self, original: Reply) -> Self {
        Self { original, ..self }
    }

    /// Puts the monitor at the address of the start request.
    pub fn own_monitor(self) -> Self {
        Self { is_own_monitor: true, ..self }
    }

    /// Lets a `GET` start the operation, too.
    pub fn starts_on_get(self) -> Self {
        Self { starts_on_get: true, ..self }
    }

    pub(crate) fn poll_reply(&self, polls: usize) -> Reply {
        self.polls.get(polls).or(self.polls.last()).cloned().unwrap_or_else(|| Reply::http(404))
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::azure_maps()
    }
}

impl Reply {
    /// Answers with this HTTP status, from 100 to 999 (any other is served as 500), and nothing else.
    pub fn http(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), chunk: None, delay: Duration::ZERO, fault: None }
    }

    /// Answers with 202 and `Operation-Location`.
    pub fn accepted() -> Self {
        Self::http(202).header("operation-location", "{origin}/operations/{id}")
    }

    /// Answers with 200 and a JSON body.
    pub fn json(body: impl Into<String>) -> Self {
        Self::http(200).header("content-type", "application/json").body(body.into())
    }

    /// Answers with a status response of Azure Maps, version 2, without `Retry-After`.
    pub fn status(word: &str) -> Self {
        Self::json(azure_maps_status("created", word))
    }

    /// Answers with a status response that has a result of this many bytes after the status.
    pub fn status_with_result(word: &str, bytes: usize) -> Self {
        let word = serde_json::Value::from(word);
        Self::json(format!(r#"{{"status": {word}, "result": "{}"}}"#, "x".repeat(bytes)))
    }

    /// Adds a header. An invalid name or value is ignored.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.append(name, value);
        }
        self
    }

    /// Adds `Retry-After`, or, for a part of a second, `retry-after-ms`.
    pub fn retry_after(self, delay: Duration) -> Self {
        if delay.subsec_nanos() == 0 {
            self.header("retry-after", &delay.as_secs().to_string())
        } else {
            self.header("retry-after-ms", &delay.as_millis().to_string())
        }
    }

    /// Replaces the HTTP status.
    pub fn code(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Replaces the body.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Sends the body in pieces of this many bytes, without saying how long it is.
    pub fn chunks(self, bytes: usize) -> Self {
        Self { chunk: Some(bytes.max(1)), ..self }
    }

    /// Delays the answer by this long.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Makes the answer fail by this fault.
    pub fn fault(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Fills in the placeholders.
    pub(crate) fn filled(mut self, id: u64, origin: &str, start: &Uri) -> Self {
        let fill = |text: &str| {
            text.replace("{origin}", origin).replace("{id}", &operation_id(id)).replace("{start}", &start.to_string())
        };
        for value in self.headers.values_mut() {
            let filled = value.to_str().ok().and_then(|text| HeaderValue::try_from(fill(text)).ok());
            *value = filled.unwrap_or_else(|| value.clone());
        }
        if let Ok(text) = std::str::from_utf8(&self.body) {
            if text.contains('{') {
                self.body = fill(text).into();
            }
        }
        self
    }
}

fn azure_maps_status(created: &str, word: &str) -> String {
    let word = serde_json::Value::from(word);
    format!(
        r#"{{
    "operationId": "{{id}}",
    "{created}": "3/11/2020 8:45:13 PM +00:00",
    "status": {word}
}}"#
    )
}

pub(crate) fn unauthorised() -> Reply {
    let error =
        r#"{"error": {"code": "401 Unauthorized", "message": "The subscription-key is missing or not known."}}"#;
    Reply { status: 401, ..Reply::json(error) }
}

const OPERATION_ID: &str = "-add9-4ef7-9788-1635bed9a87e";

/// An operation's number as the documentation's `c587574e-add9-4ef7-9788-1635bed9a87e`.
fn operation_id(number: u64) -> String {
    format!("{number:08x}{OPERATION_ID}")
}

/// The number of the operation whose identifier this begins with, and what follows it.
pub(crate) fn operation_number(id: &str) -> Option<(u64, &str)> {
    let (number, rest) = id.split_once(OPERATION_ID)?;
    Some((u64::from_str_radix(number, 16).ok()?, rest))
}
