//! `fleet kill-test`: kills workers, starters and the server while they work, and counts what was lost.

use std::{
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use fleet::{
    BoxError,
    local::{Kind, LocalQueue},
    queue::{self, Counts, Queue},
    service::{Behavior, Seen, TestService},
    table::table,
};
use tokio::time::{sleep, timeout};

use super::{
    at_least_one,
    audit::Audit,
    crew::{Crew, TENANT},
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// sqlite, postgres or nats
    #[arg(long, default_value = "sqlite")]
    queue: Kind,
    /// How many operations
    #[arg(long, default_value_t = 2000)]
    operations: usize,
    /// How many workers at once
    #[arg(long, default_value = "4", value_parser = at_least_one::<usize>)]
    workers: usize,
    /// How often a worker is killed, and replaced by a new one
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Kill those who fill the queue, too
    #[arg(long)]
    kill_starters: bool,
    /// How often the database server is killed
    #[arg(long, default_value_t = 0)]
    kill_server: u32,
}

/// Between two kills.
const INTERVAL: Duration = Duration::from_millis(200);

/// The delay that the service asks for, and how much longer it may be.
const DELAY: Duration = Duration::from_millis(500);

/// Twice the longest delay that is asked for, and more.
const LEASE: &str = "3";

/// After the last kill.
const LIMIT: Duration = Duration::from_secs(120);

const STARTER_KILLS: u32 = 10;

pub async fn run(arguments: Arguments) -> Result<ExitCode, BoxError> {
    let began = Instant::now();
    let local = LocalQueue::start(arguments.queue)?;
    // Operations outlast the kills.
    let polls = 4 + (INTERVAL * arguments.kills).div_duration_f64(DELAY + DELAY / 2) as u32;
    let behavior = Behavior { polls, delay: DELAY, spread: DELAY, percent_503: 2, ..Behavior::default() };
    let service = TestService::start("127.0.0.1:0", behavior.clone()).await?;
    let mut crew = Crew::new(local.address(), local.folder(), &service.endpoint(), &behavior.key)?.options(&[
        "--lease",
        LEASE,
        "--request-timeout",
        "1",
        "--max-deliveries",
        "20",
    ]);
    let queue = queue::open(local.address()).await?;
    let audit = Audit::begin(arguments.queue, local.address()).await?;

    let starter_kills = fill(&crew, &arguments).await?;
    for _ in 0..arguments.workers {
        crew.spawn()?;
    }
    let (local, kills, server_kills) = kill(&mut crew, local, &*queue, &arguments).await?;
    let counts = timeout(LIMIT, wait_for_end(&*queue)).await;
    crew.stop().await?;
    let counts = match counts {
        Ok(counts) => counts,
        Err(_) => queue.counts().await?,
    };
    let results = audit.results().await?;
    let report = Report {
        queue: format!("{:?}", arguments.queue).to_lowercase(),
        operations: arguments.operations as u64,
        kills,
        starter_kills,
        server_kills,
        counts,
        with_result: results.len() as u64,
        finished_twice: results.values().filter(|count| **count > 1).count() as u64,
        seen: service.seen(),
        seconds: began.elapsed().as_secs_f64(),
    };
    report.print();
    if counts.open > 0 || counts.dead > 0 {
        say!("\nwhat is left:\n{}", table(&queue.list(10).await?));
    }
    drop(local);
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Fills the queue. Starters that are killed are started again, with the same ids.
async fn fill(crew: &Crew, arguments: &Arguments) -> Result<u32, BoxError> {
    let count = arguments.operations.to_string();
    let start = ["--tenant", TENANT, "--id", "job", "--count", &count];
    let mut kills = 0;
    while arguments.kill_starters && kills < STARTER_KILLS {
        let mut starter = crew.command("start")?.args(start).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // Each gets a little further than the last.
        let patience = Duration::from_millis(u64::from(10 + kills * 5));
        match timeout(patience, starter.wait()).await {
            Ok(_) => break,
            Err(_) => starter.kill().await?,
        }
        kills += 1;
    }
    let status = crew.command("start")?.args(start).stdout(Stdio::null()).status().await?;
    if status.success() { Ok(kills) } else { Err(format!("fleet start: {status}").into()) }
}

/// Kills while there is work to do. The number of kills is what was done, not what was asked for.
async fn kill(
    crew: &mut Crew,
    mut local: LocalQueue,
    queue: &dyn Queue,
    arguments: &Arguments,
) -> Result<(LocalQueue, u32, u32), BoxError> {
    let (mut kills, mut server_kills) = (0, 0);
    while kills < arguments.kills || server_kills < arguments.kill_server {
        sleep(INTERVAL).await;
        if counts(queue).await?.open == 0 {
            break;
        }
        if kills < arguments.kills {
            // The oldest: all of them have their turn.
            crew.kill(kills as usize % crew.workers.len()).await?;
            crew.spawn()?;
            kills += 1;
        }
        let is_time = kills * (arguments.kill_server + 1) >= arguments.kills * (server_kills + 1);
        if server_kills < arguments.kill_server && is_time && local.has_server() {
            // On another thread: the service is in this process, and answers meanwhile.
            let restart = move || local.crash().and_then(|()| local.restart()).map(|()| local);
            local = tokio::task::spawn_blocking(restart).await??;
            server_kills += 1;
        } else if !local.has_server() && kills == arguments.kills {
            break;
        }
    }
    Ok((local, kills, server_kills))
}

/// The server may be away for a while.
async fn counts(queue: &dyn Queue) -> Result<Counts, BoxError> {
    let mut attempt = 0;
    loop {
        match queue.counts().await {
            Ok(counts) => return Ok(counts),
            Err(error) if attempt == 50 => return Err(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        attempt += 1;
    }
}

async fn wait_for_end(queue: &dyn Queue) -> Counts {
    loop {
        if let Ok(counts) = queue.counts().await {
            if counts.open == 0 {
                return counts;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

struct Report {
    queue: String,
    operations: u64,
    kills: u32,
    starter_kills: u32,
    server_kills: u32,
    counts: Counts,
    with_result: u64,
    finished_twice: u64,
    seen: Seen,
    seconds: f64,
}

impl Report {
    fn lost(&self) -> u64 {
        self.operations.saturating_sub(self.with_result)
    }

    fn is_good(&self) -> bool {
        let started_once = self.seen.started == self.operations;
        self.lost() == 0 && self.finished_twice == 0 && self.seen.early == 0 && self.counts.dead == 0 && started_once
    }

    fn print(&self) {
        let Self {
            queue, operations, kills, starter_kills, server_kills, counts, finished_twice, seen, seconds, ..
        } = self;
        let Seen { started, repeated, polls, early, earliest_us, unavailable, unauthorized, .. } = seen;
        say!(
            "{queue}: {operations} operations, {kills} workers killed, {starter_kills} starters, {server_kills} servers"
        );
        say!("  lost                      {}", self.lost());
        say!("  finished twice            {finished_twice}");
        say!("  polled earlier than asked {early} (by up to {} ms)", earliest_us / 1000);
        say!("  given up                  {}", counts.dead);
        say!("  started                   {started} ({repeated} starts were sent again, and recognized)");
        say!("  polls                     {polls} ({unavailable} answered 503, {unauthorized} without a key)");
        say!("  seconds                   {seconds:.1}");
        say!("  {}", if self.is_good() { "passed" } else { "FAILED" });
    }
}
