//! The demonstration: a service, three workers, one `kill -9`, and a table at the end.

use std::time::Duration;

use fleet::{
    BoxError,
    local::{Kind, LocalQueue},
    queue::{self, Queue},
    service::{Behavior, TestService},
    table::table,
};
use tokio::time::{sleep, timeout};

use super::crew::{Crew, TENANT};

const OPERATIONS: usize = 12;

/// Long enough for the slowest machine; the demonstration itself takes a few seconds.
const LIMIT: Duration = Duration::from_secs(60);

pub async fn run(kind: Kind) -> Result<(), BoxError> {
    let local = LocalQueue::start(kind)?;
    let behavior = Behavior {
        polls: 4,
        delay: Duration::from_millis(400),
        spread: Duration::from_millis(800),
        latency: Duration::from_millis(200),
        ..Behavior::default()
    };
    let service = TestService::start("127.0.0.1:0", behavior.clone()).await?;
    say!("A service that starts long-running operations listens at {}", service.endpoint());
    say!("The queue is {}", local.address());

    let mut crew = Crew::new(local.address(), local.folder(), &service.endpoint(), &behavior.key)?.options(&[
        "--lease",
        "4",
        "--request-timeout",
        "1",
        "--concurrency",
        "8",
    ]);
    let queue = queue::open(local.address()).await?;
    say!("\n$ fleet start --tenant {TENANT} --id order --count {OPERATIONS}");
    let count = OPERATIONS.to_string();
    let start = ["--tenant", TENANT, "--id", "order", "--count", &count];
    crew.command("start")?.args(start).status().await?;

    say!("\nThree workers are started:  $ fleet work --tenants tenants.json");
    for _ in 0..3 {
        crew.spawn()?;
    }
    until(&service, |polls| polls >= OPERATIONS as u64).await?;
    crew.kill(0).await?;
    say!("One of them is killed: kill -9. What it had is polled by the others when its lease runs out.");
    say!("\n$ fleet list\n{}", table(&queue.list(100).await?));

    timeout(LIMIT, wait_for_end(&*queue)).await.map_err(|_| "the operations did not end in time")??;
    crew.stop().await?;
    say!("All have ended; the workers were stopped: kill -TERM.\n\n$ fleet list\n{}", table(&queue.list(100).await?));
    let seen = service.seen();
    say!(
        "The service started {} operations (a start that was sent again: {}), and was polled {} times, {} times too early.",
        seen.started,
        seen.repeated,
        seen.polls,
        seen.early
    );
    if queue.counts().await?.finished != OPERATIONS as u64 || seen.started != OPERATIONS as u64 {
        return Err("an operation was lost, or started twice".into());
    }
    Ok(())
}

async fn until(service: &TestService, enough: impl Fn(u64) -> bool) -> Result<(), BoxError> {
    let wait = async {
        while !enough(service.seen().polls) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    Ok(timeout(LIMIT, wait).await.map_err(|_| "no worker polls")?)
}

async fn wait_for_end(queue: &dyn Queue) -> Result<(), BoxError> {
    while queue.counts().await?.open > 0 {
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
