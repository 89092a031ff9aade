//! A worker on SQLite: deadlines, poison, SIGTERM, polls that hang, clocks that differ.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use fleet::{
    BoxError,
    job::JobId,
    local::{Kind, LocalQueue},
    queue::{Claim, Counts, Ended, Entry, Later, Lease, NewJob, Queue, State},
    service::{Behavior, TestService},
    worker::{Options, Worker},
};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::crew::{TestWorker, all_ended, here, id, job, options, queue, tenants, until};

struct Scene {
    local: LocalQueue,
    queue: Arc<dyn Queue>,
    service: TestService,
}

impl Scene {
    async fn new(behavior: Behavior) -> Self {
        let (local, queue) = queue(Kind::Sqlite, here!()).await.unwrap();
        let service = TestService::start("127.0.0.1:0", behavior).await.unwrap();
        queue.accept(&[job("a")]).await.unwrap();
        Self { local, queue, service }
    }

    async fn state(&self) -> State {
        self.queue.show(&id("a")).await.unwrap().unwrap().state
    }
}

fn quick() -> Behavior {
    Behavior { delay: Duration::from_millis(20), ..Behavior::default() }
}

fn is_dead(state: &State, why: &str) -> bool {
    matches!(state, State::Dead(reason) if reason.contains(why))
}

#[tokio::test]
async fn start_is_polled_to_its_end() {
    let scene = Scene::new(Behavior { percent_503: 30, ..quick() }).await;
    let worker = TestWorker::start(&scene.queue, &scene.service.endpoint(), options());
    all_ended(&*scene.queue).await;
    let State::Finished(status, body) = scene.state().await else { panic!("{:?}", scene.state().await) };
    assert_eq!(status, "Succeeded");
    assert!(body.contains("\"result\":0"));
    assert_eq!(worker.metrics.finished.get(), 1);
    assert!(worker.metrics.page(None).contains("\nfleet_finished_total 1\n"));
    worker.stop().await;
}

#[tokio::test]
async fn operation_past_its_deadline_is_given_up() {
    let scene = Scene::new(Behavior { polls: u32::MAX, ..quick() }).await;
    let worker =
        TestWorker::with(&scene.queue, &scene.service.endpoint(), options(), |tenant| tenant.timeout_s = Some(1));
    all_ended(&*scene.queue).await;
    worker.stop().await;
    let state = scene.state().await;
    assert!(is_dead(&state, "did not end in time"), "{state:?}");
}

#[tokio::test]
async fn killed_starter_is_recognized_where_the_service_can() {
    for (repeatable, expected) in [(true, 1), (false, 0)] {
        let scene = Scene::new(Behavior { hangs: true, ..quick() }).await;
        let options = Options { lease: Duration::from_secs(1), ..options() };
        let worker = |options: Options| {
            TestWorker::with(&scene.queue, &scene.service.endpoint(), options, |tenant| {
                tenant.repeatable_starts = repeatable
            })
        };
        let first = worker(options.clone());
        until("the start was sent", async || (scene.service.seen().hanging > 0).then_some(())).await;
        first.kill();
        scene.service.change(|behavior| behavior.hangs = false);
        let second = worker(options);
        all_ended(&*scene.queue).await;
        second.stop().await;
        assert_eq!(scene.service.seen().started, expected);
        let state = scene.state().await;
        assert_eq!(is_dead(&state, "does not recognize a start"), !repeatable, "{state:?}");
    }
}

#[tokio::test]
async fn start_that_found_no_connection_is_sent_later() {
    let scene = Scene::new(quick()).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let worker = TestWorker::with(&scene.queue, &format!("http://{nobody}/"), options(), |tenant| {
        tenant.repeatable_starts = false;
    });
    until("it is put back", async || (worker.metrics.later.get() > 0).then_some(())).await;
    worker.stop().await;
    let entry = scene.queue.show(&id("a")).await.unwrap().unwrap();
    assert!(matches!(entry.state, State::Waiting(_)) && entry.envelope.contains("\"failures\":1"), "{entry:?}");
}

#[tokio::test]
async fn poison_is_given_up() {
    let scene = Scene::new(quick()).await;
    // Four workers die with it.
    for delivery in 1..=4 {
        let lease = Duration::from_millis(50);
        let claim = until("it is due", async || scene.queue.claim("dies", 1, lease).await.unwrap().pop()).await;
        assert_eq!(claim.deliveries, delivery);
    }
    let options = Options { max_deliveries: 4, ..options() };
    let worker = TestWorker::start(&scene.queue, &scene.service.endpoint(), options);
    all_ended(&*scene.queue).await;
    worker.stop().await;
    let state = scene.state().await;
    assert!(is_dead(&state, "delivered 4 times"), "{state:?}");
    assert_eq!(scene.service.seen().started, 0);
}

#[tokio::test]
async fn last_reason_is_kept() {
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", service.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((mut connection, _)) = service.accept().await {
            // The rest never comes.
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
            connections.push(connection);
        }
    });
    let scene = Scene::new(quick()).await;
    let options = Options { lease: Duration::from_secs(1), max_deliveries: 2, ..options() };
    let worker = TestWorker::start(&scene.queue, &endpoint, options);
    all_ended(&*scene.queue).await;
    worker.stop().await;
    let state = scene.state().await;
    assert!(is_dead(&state, "delivered 2 times") && is_dead(&state, "no whole answer"), "{state:?}");
}

/// Runs a worker that finds no service, with one change in the stored start.
async fn without_service(member: &str, value: serde_json::Value) -> Entry {
    let scene = Scene::new(quick()).await;
    let mut envelope: serde_json::Value =
        serde_json::from_str(&scene.queue.show(&id("a")).await.unwrap().unwrap().envelope).unwrap();
    envelope["start"][member] = value.clone();
    envelope["of_tomorrow"] = value;
    let file = rusqlite::Connection::open(scene.local.address().strip_prefix("sqlite:").unwrap()).unwrap();
    file.execute("UPDATE jobs SET envelope = ?1", [envelope.to_string()]).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let worker = TestWorker::start(&scene.queue, &format!("http://{nobody}/"), options());
    let metrics = worker.metrics.clone();
    until("it is written", async || (metrics.later.get() + metrics.dead.get() > 0).then_some(())).await;
    worker.stop().await;
    scene.queue.show(&id("a")).await.unwrap().unwrap()
}

#[tokio::test]
async fn members_of_a_newer_version_are_put_back() {
    let entry = without_service("of_tomorrow", json!({"level": 7})).await;
    assert!(matches!(entry.state, State::Waiting(_)), "{entry:?}");
    let envelope: serde_json::Value = serde_json::from_str(&entry.envelope).unwrap();
    assert_eq!(envelope["start"]["failures"], 1);
    assert_eq!([&envelope["of_tomorrow"], &envelope["start"]["of_tomorrow"]], [&json!({"level": 7}); 2]);
}

#[tokio::test]
async fn greatest_number_of_failures_is_the_last() {
    let entry = without_service("failures", json!(u32::MAX)).await;
    assert!(is_dead(&entry.state, "sent 4294967295 times"), "{entry:?}");
}

#[tokio::test]
async fn worker_that_could_not_work_is_refused() {
    let queue = Scene::new(quick()).await.queue;
    let (tenants, shared) = tenants("http://127.0.0.1:9/", |_| {}, Duration::from_secs(1));
    let is_refused = |options: Options| {
        let (metrics, clock) = (shared.metrics.clone(), shared.clock.clone());
        Worker::new(queue.clone(), tenants.clone(), options, metrics, clock).is_err()
    };
    assert!(!is_refused(options()));
    assert!(is_refused(Options { concurrency: 0, ..options() }));
    assert!(is_refused(Options { max_deliveries: 0, ..options() }));
    assert!(is_refused(Options { grace: Duration::MAX, ..options() }));
    assert!(is_refused(Options { last_writes: Duration::MAX, ..options() }));
    for lease in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        assert!(is_refused(Options { lease, ..options() }));
    }
}

#[tokio::test]
async fn stopped_worker_finishes_its_step() {
    let scene =
        Scene::new(Behavior { latency: Duration::from_millis(300), delay: Duration::from_secs(600), ..quick() }).await;
    let worker = TestWorker::start(&scene.queue, &scene.service.endpoint(), options());
    until("the start was sent", async || (scene.service.seen().started > 0).then_some(())).await;
    worker.stop().await;
    // The service's answer meanwhile is stored: the job waits as long as the service asked.
    let State::Waiting(due) = scene.state().await else { panic!("{:?}", scene.state().await) };
    assert!(due > Duration::from_secs(500), "{due:?}");
}

#[tokio::test]
async fn stopped_worker_gives_hanging_steps_back() {
    let scene = Scene::new(Behavior { hangs: true, ..quick() }).await;
    let options = Options { lease: Duration::from_secs(3600), grace: Duration::from_millis(50), ..options() };
    let worker = TestWorker::start(&scene.queue, &scene.service.endpoint(), options);
    until("the start was sent", async || (scene.service.seen().hanging > 0).then_some(())).await;
    worker.stop().await;
    assert_eq!(scene.state().await, State::Waiting(Duration::ZERO));
}

#[tokio::test]
async fn stopped_worker_keeps_the_lease_of_a_start_that_may_have_happened() {
    let scene = Scene::new(Behavior { latency: Duration::from_secs(3600), ..quick() }).await;
    let worker = |options: Options| {
        TestWorker::with(&scene.queue, &scene.service.endpoint(), options, |tenant| tenant.repeatable_starts = false)
    };
    let first = worker(Options { lease: Duration::from_secs(3600), grace: Duration::from_millis(50), ..options() });
    until("it has started", async || (scene.service.seen().started > 0).then_some(())).await;
    first.stop().await;
    assert_eq!(scene.state().await, State::Leased);

    scene.service.change(|behavior| behavior.latency = Duration::ZERO);
    // As if the lease had run out.
    let file = rusqlite::Connection::open(scene.local.address().strip_prefix("sqlite:").unwrap()).unwrap();
    file.execute("UPDATE jobs SET due = 0", []).unwrap();
    let second = worker(options());
    all_ended(&*scene.queue).await;
    second.stop().await;
    let (seen, state) = (scene.service.seen(), scene.state().await);
    assert!(is_dead(&state, "does not recognize a start"), "{state:?}");
    assert_eq!((seen.started, seen.repeated), (1, 0));
}

#[tokio::test]
async fn poll_that_hangs_is_abandoned_before_its_lease_runs_out() {
    let scene = Scene::new(Behavior { hangs: true, ..quick() }).await;
    let options = Options { lease: Duration::from_secs(1), ..options() };
    let first = TestWorker::start(&scene.queue, &scene.service.endpoint(), options.clone());
    until("two starts hang", async || (scene.service.seen().hanging > 1).then_some(())).await;
    scene.service.change(|behavior| behavior.hangs = false);
    let second = TestWorker::start(&scene.queue, &scene.service.endpoint(), options);
    all_ended(&*scene.queue).await;
    first.stop().await;
    second.stop().await;
    assert!(matches!(scene.state().await, State::Finished(..)));
    assert_eq!((scene.service.seen().started, scene.service.seen().early), (1, 0));
}

#[tokio::test]
async fn deadlines_go_by_the_queues_clock() {
    let scene =
        Scene::new(Behavior { polls: u32::MAX, delay: Duration::from_millis(100), ..Behavior::default() }).await;
    let an_hour = |tenant: &mut fleet::tenant::TenantConfig| tenant.timeout_s = Some(3600);
    let first = TestWorker::with(&scene.queue, &scene.service.endpoint(), options(), an_hour);
    until("it was accepted", async || (scene.service.seen().polls > 0).then_some(())).await;
    first.stop().await;
    assert!(matches!(scene.state().await, State::Waiting(_)));

    // This machine's clock has not changed; the queue's has.
    let two_hours_on: Arc<dyn Queue> = Arc::new(Skewed(scene.queue.clone(), Duration::from_secs(7200)));
    let second = TestWorker::with(&two_hours_on, &scene.service.endpoint(), options(), an_hour);
    all_ended(&*scene.queue).await;
    second.stop().await;
    let state = scene.state().await;
    assert!(is_dead(&state, "did not end in time"), "{state:?}");
}

/// A queue whose clock is ahead.
struct Skewed(Arc<dyn Queue>, Duration);

#[async_trait]
impl Queue for Skewed {
    async fn accept(&self, jobs: &[NewJob]) -> Result<Vec<bool>, BoxError> {
        self.0.accept(jobs).await
    }
    async fn claim(&self, worker: &str, limit: usize, lease: Duration) -> Result<Vec<Claim>, BoxError> {
        self.0.claim(worker, limit, lease).await
    }
    async fn put_back(&self, jobs: &[Later]) -> Result<Vec<bool>, BoxError> {
        self.0.put_back(jobs).await
    }
    async fn finish(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        self.0.finish(jobs).await
    }
    async fn dead_letter(&self, jobs: &[Ended]) -> Result<Vec<bool>, BoxError> {
        self.0.dead_letter(jobs).await
    }
    async fn give_back(&self, leases: &[Lease]) -> Result<(), BoxError> {
        self.0.give_back(leases).await
    }
    async fn list(&self, limit: usize) -> Result<Vec<Entry>, BoxError> {
        self.0.list(limit).await
    }
    async fn show(&self, id: &JobId) -> Result<Option<Entry>, BoxError> {
        self.0.show(id).await
    }
    async fn counts(&self) -> Result<Counts, BoxError> {
        self.0.counts().await
    }
    async fn now(&self) -> Result<SystemTime, BoxError> {
        Ok(self.0.now().await? + self.1)
    }
}
