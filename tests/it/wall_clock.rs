//! Clocks that are not exact: a time of day that jumps between the steps of an operation, and a timer that is early.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Request;
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, Error, Operation, OperationState, ResponseExt, Sleep, Timer,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{exact, polls, seconds, start};

/// Tokio's timer, and a time of day that the test sets, in seconds.
struct Settable {
    began: Instant,
    set_to: Arc<AtomicU64>,
}

impl Timer for Settable {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH + seconds(self.set_to.load(Ordering::Relaxed)) + self.now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(sleep(duration))
    }
}

/// The outcome of an operation's steps with a deadline of 100 seconds, when the wall clock is set to `later` after the third
/// of them; and how old the operation was after each.
async fn stepped<const N: usize>(replies: [Reply; N], later: u64) -> (Result<OperationState, bool>, Vec<u64>) {
    const FIRST: u64 = 1_000_000_000;
    let set_to = Arc::new(AtomicU64::new(FIRST));
    let timer = Settable { began: Instant::now(), set_to: set_to.clone() };
    let client = exact().timer(timer).timeout(seconds(100)).max_wait(Duration::ZERO).max_consecutive_failures(2);
    let client = client.layer(Simulator::new().script(polls(replies)));
    let (mut request, mut ages) = (start(), Vec::new());
    loop {
        let outcome = client.clone().oneshot(request).await;
        let error = match outcome {
            Ok(response) => return (Ok(response.operation().unwrap().state()), ages),
            Err(Error::Operation(error)) => error,
            Err(error) => panic!("{error}"),
        };
        let Cause::Pending { delay, .. } = error.cause() else {
            return (Err(matches!(error.cause(), Cause::Timeout)), ages);
        };
        let stored = serde_json::to_string(error.operation()).unwrap();
        sleep(*delay).await;
        if ages.len() == 3 {
            set_to.store(later, Ordering::Relaxed);
        }
        let operation: Operation = serde_json::from_str(&stored).unwrap();
        ages.push(operation.elapsed().as_secs());
        let resume = Request::get("https://atlas.microsoft.com/").extension(operation.resume());
        request = resume.body(SimulatorBody::default()).unwrap();
    }
}

fn running() -> Reply {
    Reply::status("Running").retry_after(seconds(10))
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_back_loses_nothing() {
    let replies = || [running(), running(), running(), running(), Reply::status("Succeeded")];
    for later in [1_000_000_000 - 3600, 0] {
        let (outcome, ages) = stepped(replies(), later).await;
        assert_eq!(outcome, Ok(OperationState::Succeeded));
        // The time that was counted before stays.
        assert_eq!(ages, [0, 1, 11, 21, 21]);
    }
    // Failures in a row are counted on.
    let (outcome, _) = stepped([running(), running(), Reply::http(503), Reply::http(503), Reply::http(503)], 0).await;
    assert_eq!(outcome, Err(false));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_a_time_of_day() {
    // It comes when the clock says so, and not sooner than it was set for.
    let (outcome, ages) = stepped(std::array::from_fn::<_, 20, _>(|_| running()), 1_000_000_000 - 60).await;
    assert_eq!((outcome, ages.len()), (Err(true), 17));
    let (outcome, ages) = stepped(std::array::from_fn::<_, 20, _>(|_| running()), 1_000_000_000 + 60).await;
    assert_eq!((outcome, ages.len()), (Err(true), 5));
}

/// A timer that rounds down, as those of browsers do.
struct Early(Instant);

impl Timer for Early {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        // It must not be polled again when it is over.
        Box::pin(async move { sleep(duration.saturating_sub(Duration::from_millis(1))).await })
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_may_be_early() {
    // The body is drained for as long as the delay, so that the same time ends both.
    let stalled = Reply::accepted().fault(Fault::StalledAfter(0));
    let script =
        Script::new(stalled).polls([Reply::status("Running").retry_after(seconds(7)), Reply::status("Failed")]);
    let layer = exact().timer(Early(Instant::now()));
    let response = layer.layer(Simulator::new().script(script)).oneshot(start()).await.unwrap();
    assert_eq!(response.operation().unwrap().state(), OperationState::Failed);
}
