//! Stepping is the same as waiting: a chain of calls with `max_wait`, each resumed from what the last one stored, asks the same at
//! the same times, reports the same life, and comes to the same end, as one call that waits.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::time::{Instant, sleep};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_lro::{Backoff, Cause, Error, Event, FinalResponse, LroBody, LroLayer, Operation, Protocol, ResponseExt};

/// How many scripts are played.
const SCRIPTS: u32 = 10_000;

/// Stored times are in milliseconds, and each step rounds once.
const TOLERANCE: u128 = 20;

/// One answer of the service, to whatever is asked.
#[derive(Clone, Debug)]
enum Answer {
    Status { word: &'static str, code: u16, retry_after: Option<u16>, extra: &'static str },
    Http { code: u16, retry_after: Option<u16> },
    Moved { to: u8 },
    Redirect { code: u16, to: u8, retry_after: Option<u16> },
    NoStatus,
    Broken,
}

const WORDS: [&str; 9] =
    ["NotStarted", "Running", "Running", "running", "Brewing", "Succeeded", "Succeeded", "Failed", "Canceled"];
const EXTRA: [&str; 4] = [
    "",
    r#", "percentComplete": 40"#,
    r#", "resourceLocation": "https://api.test/9?sig=1", "id": "7""#,
    r#", "error": {"code": "C", "message": "m"}, "done": true"#,
];

fn answer() -> impl Strategy<Value = Answer> {
    let retry_after = || prop::option::weighted(0.4, 0..90_u16);
    let word = prop::sample::select(&WORDS[..]);
    prop_oneof![
        6 => (word, prop::sample::select(&[200, 200, 202, 201][..]), retry_after(), prop::sample::select(&EXTRA[..]))
            .prop_map(|(word, code, retry_after, extra)| Answer::Status { word, code, retry_after, extra }),
        2 => (prop::sample::select(&[404, 429, 500, 503, 304, 401, 204][..]), retry_after())
            .prop_map(|(code, retry_after)| Answer::Http { code, retry_after }),
        1 => (0..4_u8).prop_map(|to| Answer::Moved { to }),
        1 => (prop::sample::select(&[301, 302, 303, 307][..]), 0..4_u8, retry_after())
            .prop_map(|(code, to, retry_after)| Answer::Redirect { code, to, retry_after }),
        1 => Just(Answer::NoStatus),
        1 => Just(Answer::Broken),
    ]
}

impl Answer {
    fn response(&self) -> Result<Response<String>, BoxError> {
        let builder = |code: u16, retry_after: Option<u16>| {
            let builder = Response::builder().status(code).header("content-type", "application/json");
            match retry_after {
                Some(seconds) => builder.header("retry-after", seconds),
                None => builder,
            }
        };
        Ok(match *self {
            Self::Status { word, code, retry_after, extra } => {
                let members = format!(r#""status": "{word}", "runtimeStatus": "{word}""#);
                builder(code, retry_after).body(format!("{{{members}{extra}}}"))?
            }
            Self::Http { code, retry_after } => builder(code, retry_after).body(String::new())?,
            Self::Moved { to } => {
                let builder = builder(202, None).header("operation-location", format!("/{to}"));
                builder.header("location", format!("/{to}")).body(r#"{"status": "Running"}"#.to_owned())?
            }
            Self::Redirect { code, to, retry_after } => {
                builder(code, retry_after).header("location", format!("/{to}")).body(String::new())?
            }
            Self::NoStatus => builder(200, None).body(r#"{"rows": []}"#.to_owned())?,
            Self::Broken => return Err("the connection broke".into()),
        })
    }
}

#[derive(Clone, Debug)]
struct Script {
    protocol: usize,
    method: &'static str,
    start: u16,
    start_retry_after: Option<u16>,
    answers: Vec<Answer>,
    final_response: Option<FinalResponse>,
    timeout: Option<u16>,
    failures: u32,
    error_on_failure: bool,
    max_wait: u64,
    /// How long each answer takes, in milliseconds.
    latency: u64,
}

fn script() -> impl Strategy<Value = Script> {
    let final_response = prop::sample::select(vec![
        None,
        Some(FinalResponse::Auto),
        Some(FinalResponse::Status),
        Some(FinalResponse::Resource),
        Some(FinalResponse::Location),
        Some(FinalResponse::OriginalUri),
    ]);
    let start = (
        0..Protocol::known().count(),
        prop::sample::select(&["POST", "PUT", "DELETE", "GET"][..]),
        prop::sample::select(&[202, 202, 202, 200, 201][..]),
        prop::option::of(0..20_u16),
    );
    let settings = (final_response, prop::option::weighted(0.3, 1..400_u16), 0..4_u32, any::<bool>());
    let of_steps = (prop::sample::select(&[0, 0, 5, 30][..]), prop::sample::select(&[0, 0, 40, 700][..]));
    (start, vec(answer(), 1..14), settings, of_steps).prop_map(
        |(
            (protocol, method, start, start_retry_after),
            answers,
            (final_response, timeout, failures, error_on_failure),
            (max_wait, latency),
        )| {
            Script {
                protocol,
                method,
                start,
                start_retry_after,
                answers,
                final_response,
                timeout,
                failures,
                error_on_failure,
                max_wait,
                latency,
            }
        },
    )
}

/// The requests, each with its time in milliseconds.
type Log = Arc<Mutex<Vec<(u128, String)>>>;

impl Script {
    fn layer(&self) -> LroLayer {
        let protocol = Protocol::known().nth(self.protocol).expect("it is one of them");
        let layer = LroLayer::new()
            .protocols([protocol])
            .jitter(0.0)
            .backoff(Backoff::exponential(Duration::from_secs(1), 2.0, Duration::from_secs(60)))
            .max_consecutive_failures(self.failures)
            .error_on_failure(self.error_on_failure);
        let layer = self.final_response.into_iter().fold(layer, LroLayer::final_response);
        self.timeout.into_iter().fold(layer, |layer, timeout| layer.timeout(Duration::from_secs(timeout.into())))
    }

    /// Answers the start request, and then what the script says; whatever comes after it is refused.
    fn service(
        &self,
    ) -> (impl Service<Request<String>, Response = Response<String>, Error = BoxError, Future: Send> + Clone + use<>, Log)
    {
        let (log, script, begun) = (Log::default(), self.clone(), Instant::now());
        let asked = log.clone();
        let service = service_fn(move |request: Request<String>| {
            let mut log = asked.lock().unwrap();
            let index = log.len();
            log.push((begun.elapsed().as_millis(), format!("{} {}", request.method(), request.uri())));
            let response = match index.checked_sub(1) {
                None => script.start_response(),
                Some(index) => script
                    .answers
                    .get(index)
                    .map_or_else(|| Answer::Http { code: 403, retry_after: None }.response(), Answer::response),
            };
            let latency = Duration::from_millis(script.latency);
            async move {
                sleep(latency).await;
                response
            }
        });
        (service, log)
    }

    fn start_response(&self) -> Result<Response<String>, BoxError> {
        let mut builder = Response::builder().status(self.start).header("content-type", "application/json");
        for name in ["operation-location", "azure-asyncoperation", "location", "content-location"] {
            builder = builder.header(name, "/1");
        }
        if let Some(seconds) = self.start_retry_after {
            builder = builder.header("retry-after", seconds);
        }
        let body = r#"{"name": "operations/1", "status": "inProgress", "taskUid": 1, "statementStatusUrl": "/1"}"#;
        Ok(builder.body(body.to_owned())?)
    }

    fn start(&self) -> Request<String> {
        Request::builder().method(self.method).uri("https://api.test/start?api-version=1").body(String::new()).unwrap()
    }
}

type Outcome = Result<Response<LroBody<String>>, Error<BoxError>>;

/// How often an operation was accepted, resumed, handed back, and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Life {
    accepted: u32,
    resumed: u32,
    pending: u32,
    finished: u32,
}

fn observed(layer: LroLayer) -> (LroLayer, Arc<Mutex<Life>>) {
    let life = Arc::new(Mutex::new(Life::default()));
    let layer = layer.on_event({
        let life = life.clone();
        move |event| {
            let mut life = life.lock().unwrap();
            match event {
                Event::Accepted { .. } => life.accepted += 1,
                Event::Resumed { .. } => life.resumed += 1,
                Event::Pending { .. } => life.pending += 1,
                Event::Finished { .. } => life.finished += 1,
                _ => {}
            }
        }
    });
    (layer, life)
}

async fn waiting(script: &Script) -> (Outcome, Log, Life) {
    let (service, log) = script.service();
    let (layer, life) = observed(script.layer());
    let outcome = layer.layer(service).oneshot(script.start()).await;
    let life = *life.lock().unwrap();
    (outcome, log, life)
}

async fn stepping(script: &Script) -> (Outcome, Log, Life) {
    let (service, log) = script.service();
    let (layer, life) = observed(script.layer().max_wait(Duration::from_secs(script.max_wait)));
    let client = layer.layer(service);
    let mut request = script.start();
    let outcome = loop {
        let outcome = client.clone().oneshot(request).await;
        let Err(error) = &outcome else { break outcome };
        let Some((operation, delay)) = error.pending() else { break outcome };
        assert!(delay > Duration::from_secs(script.max_wait));
        let stored = serde_json::to_string(operation).unwrap();
        sleep(delay).await;
        let operation: Operation = serde_json::from_str(&stored).unwrap();
        request =
            Request::get("https://api.test/?api-version=1").extension(operation.resume()).body(String::new()).unwrap();
    };
    let life = *life.lock().unwrap();
    (outcome, log, life)
}

/// How old the operation was at its end, and when its deadline came after its acceptance, in milliseconds.
fn times(outcome: &Outcome) -> Option<[u128; 2]> {
    let operation = match outcome {
        Ok(response) => response.operation()?,
        Err(error) => error.operation()?,
    };
    let timeout = operation.deadline().map(|at| at.duration_since(operation.accepted_at().unwrap()).unwrap());
    Some([operation.elapsed(), timeout.unwrap_or_default()].map(|time| time.as_millis()))
}

/// The caller's result, without its time.
fn described(outcome: &Outcome) -> String {
    let operation = |operation: &Operation| {
        format!(
            "{:?} {:?} polls {} id {:?} {:?} at {:?} {} assumed {}",
            operation.state(),
            operation.status(),
            operation.polls(),
            operation.id(),
            operation.error().map(|error| error.json().to_owned()),
            operation.resource(),
            operation.monitor(),
            operation.is_success_assumed(),
        )
    };
    match outcome {
        Ok(response) => format!("{} {:?}", response.status(), response.operation().map(operation)),
        Err(Error::Operation(error)) => {
            let cause = error.cause();
            let name = match cause {
                Cause::Timeout => "timeout".to_owned(),
                Cause::Monitor(response) => format!("monitor {}", response.status()),
                Cause::Status(status) => format!("status {}", status.response().status()),
                Cause::Address(address) => format!("address {address}"),
                cause => format!("{cause:?}").split(['(', ' ']).next().unwrap_or_default().to_owned(),
            };
            format!("{name} {}", operation(error.operation()))
        }
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn a_chain_of_steps_is_one_call_that_waits() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let operations = Mutex::new(0);
    let check = |script: Script| {
        runtime.block_on(async {
            let (waited, waited_log, waited_life) = waiting(&script).await;
            let (stepped, stepped_log, stepped_life) = stepping(&script).await;
            prop_assert_eq!(described(&stepped), described(&waited));
            prop_assert_eq!(stepped_life.resumed, stepped_life.pending);
            prop_assert_eq!(Life { resumed: 0, pending: 0, ..stepped_life }, waited_life);
            prop_assert_eq!(
                (waited_life.accepted, waited_life.finished),
                if times(&waited).is_some() { (1, 1) } else { (0, 0) }
            );
            for (stepped, waited) in times(&stepped).into_iter().flatten().zip(times(&waited).into_iter().flatten()) {
                prop_assert!(stepped.abs_diff(waited) <= TOLERANCE, "{} and {} ms", stepped, waited);
            }
            let (waited_log, stepped_log) = (waited_log.lock().unwrap(), stepped_log.lock().unwrap());
            let asked = |log: &[(u128, String)]| log.iter().map(|(_, request)| request.clone()).collect::<Vec<_>>();
            prop_assert_eq!(asked(&stepped_log), asked(&waited_log));
            for ((stepped, _), (waited, request)) in stepped_log.iter().zip(&*waited_log) {
                prop_assert!(stepped.abs_diff(*waited) <= TOLERANCE, "{} at {} and at {} ms", request, stepped, waited);
            }
            *operations.lock().unwrap() += usize::from(waited_log.len() > 1);
            Ok(())
        })
    };
    let config = Config { cases: SCRIPTS, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&script(), check).unwrap();
    // Most scripts are operations.
    assert!(*operations.lock().unwrap() > SCRIPTS as usize / 3);
}
