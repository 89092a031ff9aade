//! One step of a job: one request to the service, and what is to become of the job then.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONTENT_TYPE, DATE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use tower::ServiceExt;
use tower_lro::{Cause, Error, Operation, ResponseExt};

use crate::{
    BoxError,
    job::{Start, Work},
    tenant::Tenant,
};

/// The longest final response that is stored.
const MAX_RESULT_BYTES: usize = 1 << 20;

/// How often a start is sent that the service answers with “later”, or not at all.
const MAX_START_FAILURES: u32 = 10;

/// The longest that a start waits for a service that refuses it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The decision about a job after a step.
#[derive(Debug)]
pub enum Step {
    /// To be put back.
    Later {
        /// The step to take then.
        work: Work,
        /// How long to wait.
        delay: Duration,
        /// Whether an operation has only just been accepted.
        is_accepted: bool,
    },
    /// The operation has ended.
    Finished {
        /// As it was last; `None` for a start that was answered at once.
        operation: Option<Box<Operation>>,
        /// The service's word for how.
        status: String,
        /// The final response's body.
        body: String,
    },
    /// The answer broke off: the lease runs out, and the next worker asks once more.
    Abandoned {
        /// Why.
        reason: String,
    },
    /// No further request makes sense.
    Dead {
        /// As it was last, if a request was sent.
        operation: Option<Box<Operation>>,
        /// Why.
        reason: String,
    },
}

/// Sends one request.
///
/// `deliveries` is how often the job was delivered since it was last put back: more than once where a worker has died with it.
pub async fn step(tenant: &Tenant, work: Work, deliveries: u32) -> Step {
    match work {
        Work::Start(start) if deliveries > 1 && !tenant.repeatable_starts => {
            _ = start;
            let reason = "a worker has died or was stopped with it, and this service does not recognize a start that is sent again";
            Step::Dead { operation: None, reason: reason.to_owned() }
        }
        Work::Start(start) => send_start(tenant, start).await,
        Work::Operation(operation) => poll(tenant, &operation).await,
    }
}

async fn poll(tenant: &Tenant, operation: &Operation) -> Step {
    // Addressed to the endpoint that the worker knows. What is stored is judged from there.
    let request = Request::get(tenant.endpoint()).extension(operation.resume()).body(Full::default());
    let request = request.expect("all of its parts were checked");
    match tenant.client().oneshot(request).await {
        Ok(response) => finished(response).await,
        Err(error) => not_finished(&error, false)
            .unwrap_or_else(|| Step::Dead { operation: Some(Box::new(operation.clone())), reason: describe(&error) }),
    }
}

async fn send_start(tenant: &Tenant, start: Start) -> Step {
    let request = match start_request(tenant, &start) {
        Ok(request) => request,
        Err(error) => return Step::Dead { operation: None, reason: error.to_string() },
    };
    match tenant.client().oneshot(request).await {
        Ok(response) if response.operation().is_some() => finished(response).await,
        Ok(response) if is_transient(response.status(), tenant) => {
            let delay = retry_after(response.headers());
            start_again(start, delay, &format!("the service answered {}", response.status()))
        }
        Ok(response) if response.status() == StatusCode::ACCEPTED => {
            let reason = "the service accepted it and announced no operation (check the tenant's protocol)";
            Step::Dead { operation: None, reason: reason.to_owned() }
        }
        Ok(response) if response.status().is_success() => finished(response).await,
        Ok(response) => {
            let reason = format!("the start was refused: {}", response.status());
            Step::Dead { operation: None, reason }
        }
        Err(Error::Service(error)) if tenant.repeatable_starts || was_not_sent(&error) => {
            start_again(start, None, &error.to_string())
        }
        Err(error) => not_finished(&error, true).unwrap_or_else(|| {
            let operation = error.operation().cloned().map(Box::new);
            let doubt = if operation.is_some() { "" } else { "it is not known whether it has started: " };
            Step::Dead { operation, reason: format!("{doubt}{}", describe(&error)) }
        }),
    }
}

fn start_request(tenant: &Tenant, start: &Start) -> Result<Request<Full<Bytes>>, BoxError> {
    let request = Request::post(tenant.at(&start.path)?)
        .header(CONTENT_TYPE, &start.content_type)
        .header("repeatability-request-id", &start.request_id)
        .header("repeatability-first-sent", &start.first_sent)
        .header("operation-id", &start.request_id);
    Ok(request.body(Full::from(start.body.clone()))?)
}

/// Whether the start may be sent again. 429 and 503 say that it was not accepted; other errors leave it open.
fn is_transient(status: StatusCode, tenant: &Tenant) -> bool {
    let was_refused = matches!(status.as_u16(), 429 | 503);
    was_refused || (tenant.repeatable_starts && matches!(status.as_u16(), 408 | 500 | 502 | 504))
}

/// Whether there was no connection to send it on.
fn was_not_sent(error: &BoxError) -> bool {
    error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect())
}

fn start_again(mut start: Start, delay: Option<Duration>, why: &str) -> Step {
    start.failures = start.failures.saturating_add(1);
    if start.failures > MAX_START_FAILURES {
        return Step::Dead { operation: None, reason: format!("sent {} times: {why}", start.failures) };
    }
    let backoff = Duration::from_secs(1 << start.failures.min(5));
    Step::Later { work: Work::Start(start), delay: delay.unwrap_or(backoff), is_accepted: false }
}

/// How long a service that refuses a start asks to wait. Zero is no hint: all attempts would be made at once, and the start given up.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let ms = text("retry-after-ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let header = text(RETRY_AFTER.as_str());
    let seconds = header.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    // By the service's own clock: a date without one says nothing here.
    let date = |text: Option<&str>| httpdate::parse_http_date(text?).ok();
    let until = date(header).zip(date(text(DATE.as_str()))).and_then(|(until, now)| until.duration_since(now).ok());
    let hint = [ms, seconds, until].into_iter().flatten().find(|hint| !hint.is_zero())?;
    Some(hint.min(MAX_RETRY_AFTER))
}

/// An operation that the layer hands back, to be polled later.
fn not_finished(error: &Error<BoxError>, is_accepted: bool) -> Option<Step> {
    let (operation, delay) = error.pending()?;
    let work = Work::Operation(Box::new(operation.clone()));
    Some(Step::Later { work, delay, is_accepted })
}

/// A final response.
async fn finished<B>(response: Response<B>) -> Step
where
    B: Body<Error: Into<BoxError>>,
{
    let operation = response.operation().cloned().map(Box::new);
    let status = operation
        .as_ref()
        .and_then(|operation| operation.status())
        .map_or_else(|| response.status().to_string(), str::to_owned);
    match Limited::new(response.into_body(), MAX_RESULT_BYTES).collect().await {
        Ok(body) => Step::Finished { operation, status, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() },
        Err(error) if error.is::<LengthLimitError>() => Step::Dead {
            operation,
            reason: format!("it ended ({status}), and its result is longer than {MAX_RESULT_BYTES} bytes"),
        },
        Err(error) => Step::Abandoned { reason: format!("its result broke off: {error}") },
    }
}

/// Why, without where: the envelope beside it says that.
fn describe(error: &Error<BoxError>) -> String {
    match error {
        Error::Operation(error) => match error.cause() {
            Cause::Service(cause) => format!("{error}: {cause}"),
            _ => error.to_string(),
        },
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_of_a_refused_start() {
        let now = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let table: [(&[(&'static str, &str)], Option<u64>); 11] = [
            (&[], None),
            (&[("retry-after", "7")], Some(7_000)),
            (&[("retry-after", "86400")], Some(3_600_000)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "0")], None),
            (&[("retry-after-ms", "250"), ("retry-after", "1")], Some(250)),
            (&[("retry-after-ms", "0"), ("retry-after", "1")], Some(1_000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), now], Some(10_000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), now], None),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT"), now], None),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], None),
        ];
        for (headers, expected) in table {
            let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(retry_after(&map), expected.map(Duration::from_millis), "{headers:?}");
        }
    }
}
