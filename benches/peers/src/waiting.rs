//! Many operations that wait at once, in memory: heap, CPU while they sleep, and their waking.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    future::ready,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use allocation_counter::measure;
use azure_core::http::{AsyncRawResponse, HttpClient, StatusCode, headers::Headers};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service};
use tower_lro::{Backoff, LroLayer};

use crate::{
    BoxError,
    bodies::RUNNING,
    by_hand,
    clients::{self, AZURE_CORE, AzureCore, GOOGLE_CLOUD_LRO},
    operations::si,
    plot::{Plot, Series},
    process::numbers,
    table::{self, grouped, ratio},
};

const LRO: &str = "Lro";
const LRO_BARE: &str = "Lro, a request without headers";
const BY_HAND: &str = "by hand";
const TOKIO: &str = "a tokio task with a timer";
const WAYS: [&str; 6] = [LRO, LRO_BARE, BY_HAND, AZURE_CORE, GOOGLE_CLOUD_LRO, TOKIO];

/// The maximum of the backoff by default.
const PAUSE: Duration = Duration::from_secs(30);
const URL: &str = "https://atlas.microsoft.com";

/// The service: accepts, and runs without end. It counts the polls, by when they came.
#[derive(Clone, Debug, Default)]
struct Running {
    polls: Arc<Polls>,
}

#[derive(Debug, Default)]
struct Polls {
    count: AtomicUsize,
    /// By tenths of a second, in the time of the runtime, which is not that of the clock.
    by_tenth: Mutex<Option<(Instant, BTreeMap<u128, usize>)>>,
}

impl Polls {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some((since, by_tenth)) = &mut *self.by_tenth.lock().unwrap_or_else(PoisonError::into_inner) {
            *by_tenth.entry(since.elapsed().as_millis() / 100).or_default() += 1;
        }
    }
}

impl Service<Request<Full<Bytes>>> for Running {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    // In a box, as that of hyper-util's client is, so that what holds one is of the same size.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        if request.method() == http::Method::GET {
            self.polls.add();
            return Box::pin(ready(Ok(Response::new(Full::from(RUNNING)))));
        }
        let mut accepted = Response::new(Full::default());
        *accepted.status_mut() = http::StatusCode::ACCEPTED;
        let monitor = HeaderValue::from_static("https://atlas.microsoft.com/operations/1?api-version=2.0");
        accepted.headers_mut().insert("operation-location", monitor);
        Box::pin(ready(Ok(accepted)))
    }
}

#[async_trait::async_trait]
impl HttpClient for Running {
    async fn execute_request(&self, request: &azure_core::http::Request) -> azure_core::Result<AsyncRawResponse> {
        if request.method() == azure_core::http::Method::Get {
            self.polls.add();
            return Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), RUNNING));
        }
        let mut headers = Headers::new();
        headers.insert("operation-location", "https://atlas.microsoft.com/operations/1?api-version=2.0");
        Ok(AsyncRawResponse::from_bytes(StatusCode::Accepted, headers, Bytes::new()))
    }
}

/// `WAY COUNT SPREAD heap|asleep|waking`
pub fn main(arguments: &[&str]) -> Result<(), BoxError> {
    let &[way, count, jitter, what] = arguments else { return Err(format!("not understood: {arguments:?}").into()) };
    let (count, jitter): (usize, f64) = (count.parse()?, jitter.parse()?);
    let is_paused = what != "asleep";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(is_paused).build()?;
    let service = Running::default();
    let polls = service.polls.clone();
    let spawn = spawner(way, jitter, service)?;
    let start = async {
        for index in 0..count {
            spawn();
            if index % 1000 == 999 {
                // So that the queue of those who have not begun is not one of those who wait.
                tokio::task::yield_now().await;
            }
        }
        // A few of each get their turn before this does.
        for _ in 0..count / 10 {
            tokio::task::yield_now().await;
        }
    };
    // All have asked once, and wait again.
    let until_they_wait = Duration::from_secs_f64(PAUSE.as_secs_f64() * (1.0 + jitter) + 1.0);
    match what {
        "heap" => {
            let counted = measure(|| {
                runtime.block_on(async {
                    start.await;
                    sleep(until_they_wait).await;
                });
            });
            if way != TOKIO && polls.count.load(Ordering::Relaxed) != count {
                return Err(format!("{} polls by {count}", polls.count.load(Ordering::Relaxed)).into());
            }
            println!("{}", counted.bytes_current as f64 / count as f64);
        }
        "asleep" => runtime.block_on(async {
            start.await;
            // Those who have not begun have the second to do so.
            sleep(Duration::from_secs(1)).await;
            let (began, used) = (Instant::now(), cpu_nanoseconds()?);
            sleep(Duration::from_secs(5)).await;
            // Milliseconds of it in a second.
            println!("{}", (cpu_nanoseconds()? - used) / began.elapsed().as_secs_f64() / 1e6);
            Ok::<_, BoxError>(())
        })?,
        "waking" => runtime.block_on(async {
            start.await;
            sleep(Duration::from_secs(1)).await;
            *polls.by_tenth.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), BTreeMap::new()));
            let used = cpu_nanoseconds()?;
            sleep(until_they_wait).await;
            let used = cpu_nanoseconds()? - used;
            let by_tenth = polls.by_tenth.lock().unwrap_or_else(PoisonError::into_inner).take();
            let busiest = by_tenth.and_then(|(_, by_tenth)| by_tenth.into_values().max()).unwrap_or_default();
            println!("{} {busiest}", used / polls.count.load(Ordering::Relaxed).max(1) as f64);
            Ok::<_, BoxError>(())
        })?,
        _ => return Err(format!("not understood: {what}").into()),
    }
    Ok(())
}

/// Spawns an operation of one kind.
fn spawner(way: &str, jitter: f64, service: Running) -> Result<Box<dyn Fn()>, BoxError> {
    let start = || clients::http_start(&format!("{URL}/azure/300")).expect("a request");
    Ok(match way {
        LRO | LRO_BARE => {
            let layered = LroLayer::new().backoff(Backoff::constant(PAUSE)).jitter(jitter).layer(service);
            let has_headers = way == LRO;
            Box::new(move || {
                let mut request = start();
                if !has_headers {
                    *request.headers_mut() = http::HeaderMap::new();
                }
                drop(tokio::spawn(layered.clone().call(request)));
            })
        }
        BY_HAND => Box::new(move || {
            drop(tokio::spawn(by_hand::over_http(service.clone(), start(), PAUSE, by_hand::by_struct)))
        }),
        AZURE_CORE => {
            let pause = azure_core::time::Duration::try_from(PAUSE)?;
            let client = AzureCore::over(Arc::new(service), URL, pause);
            Box::new(move || drop(tokio::spawn(client.poller(300).expect("a poller").into_future())))
        }
        GOOGLE_CLOUD_LRO => Box::new(move || {
            let polls = service.polls.clone();
            drop(tokio::spawn(clients::waiting_google(PAUSE, move || polls.add())));
        }),
        TOKIO => Box::new(|| {
            drop(tokio::spawn(async {
                loop {
                    sleep(PAUSE).await;
                }
            }));
        }),
        _ => return Err(format!("there is no way {way}").into()),
    })
}

/// The time that this thread has run.
fn cpu_nanoseconds() -> Result<f64, BoxError> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(statistics.split_whitespace().next().ok_or("no statistics")?.parse()?)
}

pub fn report() -> Result<(), BoxError> {
    heap()?;
    let run = |way: &str, jitter: &str, what: &str| numbers(&["wait", way, "100000", jitter, what].map(str::to_owned));
    let mut rows = Vec::new();
    for way in WAYS.into_iter().filter(|&way| way != LRO_BARE) {
        let used = run(way, "0", "asleep")?;
        rows.push(vec![way.to_owned(), format!("{:.3}", used.first().copied().unwrap_or_default())]);
    }
    table::print("100 000 operations asleep: CPU", &["", "milliseconds in a second"], &rows);

    let mut rows = Vec::new();
    for (way, jitter) in [(LRO, "0"), (LRO, "0.1"), (BY_HAND, "0"), (AZURE_CORE, "0"), (GOOGLE_CLOUD_LRO, "0")] {
        let measured = run(way, jitter, "waking")?;
        let &[cpu, busiest] = &measured[..] else { return Err("no numbers".into()) };
        let name = if way == LRO { format!("{way}, jitter {jitter}") } else { way.to_owned() };
        rows.push(vec![name, grouped(busiest), grouped(cpu)]);
    }
    table::print(
        "100 000 operations, accepted together, wake after 30 s",
        &["", "polls in the busiest tenth of a second", "CPU per poll, ns"],
        &rows,
    );
    Ok(())
}

fn heap() -> Result<(), BoxError> {
    let counts = [1, 10_000, 100_000, 1_000_000_usize];
    let (mut rows, mut series) = (Vec::new(), Vec::new());
    let mut ours = Vec::new();
    for way in WAYS {
        let mut row = vec![way.to_owned()];
        let mut points = Vec::new();
        for (index, count) in counts.into_iter().enumerate() {
            let measured = numbers(&["wait", way, &count.to_string(), "0", "heap"].map(str::to_owned))?;
            let bytes = measured.first().copied().ok_or("no numbers")?;
            points.push((count as f64, bytes * count as f64));
            if way == LRO {
                ours.push(bytes);
            }
            row.push(format!("{} ({})", grouped(bytes), ratio(ours[index], bytes)));
        }
        rows.push(row);
        if way != LRO_BARE {
            series.push(Series { name: way, points, is_ours: way == LRO });
        }
    }
    table::print(
        "Heap per waiting operation: bytes (what part of it Lro's is)",
        &["operations", "1", "10 000", "100 000", "1 000 000"],
        &rows,
    );
    Plot {
        title: "Heap of waiting operations",
        x_axis: "operations that wait at once",
        y_axis: "heap",
        x_unit: |count| si(count, "").trim_end().to_owned(),
        y_unit: |bytes| si(bytes, "B"),
        series,
    }
    .write("waiting.svg")
}
