//! The example `resume`, killed wherever it may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use http::{Method, Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tower::ServiceExt;
use tower_lro::simulator::{Recorded, Reply, Script, Simulator, SimulatorBody};

use crate::run::{binary, prints};

const KEY: &str = "the-key-that-is-not-stored";

#[test]
fn the_demonstration_prints_each_step_and_starts_one_operation() {
    let printed = prints("resume");
    let mut rest = printed.as_str();
    for part in [
        "first run  | operations to start: 1",
        "first run  | drawing package 1: accepted: /operations/",
        "first run  | drawing package 1: Running",
        "The first run was killed while it waited.",
        "\"monitor\": \"http://127.0.0.1:",
        "second run | stored operations to resume: 1",
        "second run | drawing package 1: resumed: /operations/",
        "second run | drawing package 1: Succeeded",
        "second run |     \"status\": \"Succeeded\"",
        "second run | drawing package 1: ended: Succeeded, operation 0",
        "0 records are left",
        "requests that start an operation: 1\n",
    ] {
        let place = rest.find(part).unwrap_or_else(|| panic!("{part}: {printed}"));
        rest = &rest[place + part.len()..];
    }
    assert!(!printed.contains("demo-key"), "{printed}");
}

/// The service, which answers no request before the test has let it pass.
struct Service {
    simulator: Simulator,
    endpoint: String,
    held: mpsc::UnboundedReceiver<oneshot::Sender<Infallible>>,
    runs: usize,
}

impl Service {
    async fn of(script: Script) -> Self {
        let simulator = Simulator::new().subscription_key(KEY).script(script).recording();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/mapData", listener.local_addr().unwrap());
        let (hold, held) = mpsc::unbounded_channel();
        let service = {
            let simulator = simulator.clone();
            tower::service_fn(move |request: Request<Incoming>| {
                let (simulator, hold) = (simulator.clone(), hold.clone());
                async move {
                    let (let_pass, passes) = oneshot::channel::<Infallible>();
                    // Passes when the other end is dropped.
                    if hold.send(let_pass).is_ok() {
                        _ = passes.await;
                    }
                    simulator.oneshot(request).await as Result<Response<SimulatorBody>, _>
                }
            })
        };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(service.clone());
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { simulator, endpoint, held, runs: 0 }
    }

    /// How often each operation was polled.
    fn polls(&self) -> BTreeMap<String, usize> {
        polls_of(&self.simulator.recorded())
    }

    /// The requests of a run that start an operation.
    fn starts(&self, run: usize) -> usize {
        self.simulator.recorded().iter().filter(|request| starts_in(request, run)).count()
    }

    /// Runs the example, to its end or to a death before.
    async fn run(&mut self, journal: &Path, operations: usize, death: Death, key: &str) -> Ended {
        self.runs += 1;
        let mut command = Command::new(binary("resume"));
        command.args(["run", "--delay-ms", "2", "--operations", &operations.to_string()]);
        command.arg("--endpoint").arg(format!("{}?run={}", self.endpoint, self.runs)).arg("--journal").arg(journal);
        command.env("SUBSCRIPTION_KEY", key).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = child.stderr.take().unwrap();
        let mut ended = Ended { run: self.runs, is_success: false, printed: Vec::new(), errors: String::new() };
        let mut requests = 0;
        if death == Death::AtOnce {
            kill(&mut child).await;
        }
        loop {
            tokio::select! {
                Some(held) = self.held.recv() => {
                    requests += 1;
                    if death == Death::BeforeTheAnswer(requests) {
                        kill(&mut child).await;
                    }
                    drop(held);
                    if death == Death::AfterTheAnswer(requests) {
                        kill(&mut child).await;
                    }
                }
                line = output.next_line() => {
                    let Some(line) = line.unwrap() else { break };
                    ended.printed.push(line);
                    if death == Death::AfterTheLine(ended.printed.len()) {
                        kill(&mut child).await;
                    }
                }
            }
        }
        errors.read_to_string(&mut ended.errors).await.unwrap();
        ended.is_success = child.wait().await.unwrap().success();
        ended
    }
}

async fn kill(child: &mut Child) {
    // It may have ended just before.
    _ = child.kill().await;
}

fn operation_id(path: &str) -> Option<&str> {
    Some(path.split_once("/operations/")?.1)
}

fn polls_of(recorded: &[Recorded]) -> BTreeMap<String, usize> {
    let mut polls = BTreeMap::new();
    for id in recorded.iter().filter_map(|request| operation_id(request.uri.path())) {
        *polls.entry(id.to_owned()).or_default() += 1;
    }
    polls
}

fn starts_in(request: &Recorded, run: usize) -> bool {
    request.method == Method::POST && request.uri.query() == Some(&format!("run={run}"))
}

/// When a process is killed. The numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Death {
    None,
    AtOnce,
    BeforeTheAnswer(usize),
    AfterTheAnswer(usize),
    AfterTheLine(usize),
}

#[derive(Debug)]
struct Ended {
    run: usize,
    is_success: bool,
    printed: Vec<String>,
    errors: String,
}

impl Ended {
    /// The operations whose final response it has printed.
    fn results(&self) -> impl Iterator<Item = String> {
        let ends = self.printed.iter().filter(|line| line.contains(": ended: Succeeded"));
        ends.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("tower-lro-test-{}-{name}", process::id())))
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).into_iter().flatten();
        let files = entries.map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
    }

    /// The operations that are stored.
    fn stored(&self) -> BTreeSet<String> {
        let stored = self.files("json").into_iter().map(|file| {
            let text = fs::read_to_string(file).unwrap();
            assert!(!text.contains(KEY), "{text}");
            let record: serde_json::Value = serde_json::from_str(&text).unwrap();
            operation_id(record["operation"]["monitor"].as_str().unwrap()).unwrap().to_owned()
        });
        stored.collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A small generator of numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// A death somewhere in a run with so many operations.
    fn death(&mut self, operations: usize) -> Death {
        let operations = operations.max(1);
        match self.below(10) {
            0 => Death::AtOnce,
            1..=3 => Death::BeforeTheAnswer(1 + self.below(operations * (POLLS + 1))),
            4..=6 => Death::AfterTheAnswer(1 + self.below(operations * (POLLS + 1))),
            _ => Death::AfterTheLine(1 + self.below(2 + operations * (2 * POLLS + 5))),
        }
    }
}

/// The polls of an operation, the last of which gives its end.
const POLLS: usize = 4;

/// An operation whose monitor moves.
fn script() -> Script {
    let moved = Reply::status("Running").header("operation-location", "{origin}/moved/operations/{id}");
    let replies: [Reply; POLLS] =
        [Reply::status("NotStarted"), moved, Reply::status("Running"), Reply::status("Succeeded")];
    Script::new(Reply::accepted()).polls(replies)
}

/// An operation that was stored or polled is owed its end. None is ever started a second time, and an operation is no longer
/// stored when, and only when, its final response has been printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_rounds_of_runs_that_are_killed_lose_no_operation_and_start_none_again() {
    let mut players: JoinSet<_> = (1..=4).map(|seed| play(seed, 25)).collect();
    let mut deaths_that_left_operations = 0;
    while let Some(deaths) = players.join_next().await {
        deaths_that_left_operations += deaths.unwrap();
    }
    assert!(deaths_that_left_operations > 25, "{deaths_that_left_operations}");
}

/// Plays so many rounds, and counts the deaths after which operations were stored.
async fn play(seed: u64, rounds: usize) -> usize {
    let mut service = Service::of(script()).await;
    let mut random = Random(seed);
    let mut deaths_that_left_operations = 0;
    let mut limits = Vec::new();
    for round in 0..rounds {
        let journal = Folder::new(&format!("round-{seed}-{round}"));
        let before = service.polls();
        let mut owed = BTreeSet::new();
        let mut printed = BTreeSet::new();
        let mut runs = vec![1 + random.below(3)];
        for _ in 0..random.below(4) {
            // Most of them start nothing new.
            runs.push(random.below(4) / 3);
        }
        let mut runs: Vec<_> = runs.into_iter().map(|operations| (operations, random.death(operations))).collect();
        runs.push((0, Death::None));
        for (operations, death) in runs {
            let taken_up = journal.stored();
            let ended = service.run(&journal.0, operations, death, KEY).await;
            printed.extend(ended.results());
            let stored = journal.stored();
            let about = format!("seed {seed}, round {round}, {death:?}, {taken_up:?} → {stored:?}: {ended:#?}");
            deaths_that_left_operations += usize::from(!stored.is_empty());

            let polls = service.polls();
            let polled: BTreeSet<_> = polls.keys().filter(|id| !before.contains_key(*id)).cloned().collect();
            for id in &polled {
                assert!(stored.contains(id) || printed.contains(id), "{id} was polled and is lost: {about}");
            }
            owed.extend(stored.union(&polled).cloned());

            let recorded = service.simulator.recorded();
            let start = recorded.iter().position(|request| starts_in(request, ended.run));
            let polls = polls_of(&recorded[..start.unwrap_or(0)]);
            let is_over = |id: &String| polls.get(id).is_some_and(|&polls| polls >= POLLS);
            assert!(
                start.is_none() || taken_up.iter().all(is_over),
                "started before what was stored had ended: {about}"
            );

            limits.push((ended.run, operations));
            if ended.is_success {
                assert_eq!(service.starts(ended.run), operations, "{about}");
                assert!(taken_up.is_subset(&printed) && stored.is_empty(), "{about}");
            }
            assert!(death != Death::None || ended.is_success, "{about}");
        }
        let polls = service.polls();
        for id in owed {
            assert!(polls[&id] >= POLLS && printed.contains(&id), "{id} has no end: seed {seed}, round {round}");
        }
    }
    // At the end, because what was on its way when its process was killed may have come later.
    for (run, operations) in limits {
        let starts = service.starts(run);
        assert!(starts <= operations, "{starts} starts in run {run}, which was to start {operations}");
    }
    deaths_that_left_operations
}

/// Leaves a record of one operation.
async fn left(service: &mut Service, journal: &Folder) -> String {
    let ended = service.run(&journal.0, 1, Death::BeforeTheAnswer(2), KEY).await;
    let stored = journal.stored();
    assert_eq!(stored.len(), 1, "{ended:?}");
    stored.into_iter().next().unwrap()
}

#[tokio::test]
async fn an_unreadable_record_is_reported_and_kept_and_harms_no_other() {
    let mut service = Service::of(script()).await;
    let journal = Folder::new("unreadable");
    let operation = left(&mut service, &journal).await;
    let record = journal.files("json").remove(0);
    let text = fs::read_to_string(&record).unwrap();
    // As if the process had been killed before it renamed it.
    fs::rename(&record, record.with_extension("tmp")).unwrap();
    let torn = [("a.json", &text[..text.len() / 2]), ("b.json", ""), ("z.tmp", &text[..10])];
    for (name, text) in torn {
        fs::write(journal.0.join(name), text).unwrap();
    }
    let later = text.replacen("\"version\": 1", "\"version\": 2", 1);
    fs::write(journal.0.join("c.json"), &later).unwrap();
    assert_ne!(later, text);

    let ended = service.run(&journal.0, 0, Death::None, KEY).await;
    assert!(ended.is_success && ended.results().eq([operation]), "{ended:?}");
    for (name, text) in torn.into_iter().chain([("c.json", later.as_str())]) {
        let is_reported = ended.errors.lines().any(|line| line.contains(name) && line.contains("is not a record"));
        assert!(is_reported, "{name}: {ended:?}");
        assert_eq!(fs::read_to_string(journal.0.join(name)).unwrap(), text);
    }
    assert_eq!((journal.files("json").len(), journal.files("tmp").len()), (3, 1), "{ended:?}");
    assert_eq!(service.simulator.started(), 1);
}

#[tokio::test]
async fn an_operation_that_cannot_be_seen_through_stays_stored() {
    let mut service = Service::of(script()).await;
    let journal = Folder::new("refused");
    let operation = left(&mut service, &journal).await;

    let ended = service.run(&journal.0, 1, Death::None, "another key").await;
    assert!(!ended.is_success && ended.errors.contains("the monitor answered 401"), "{ended:?}");
    assert!(ended.errors.contains("nothing was started: 401"), "{ended:?}");
    assert_eq!(journal.stored(), BTreeSet::from([operation.clone()]));

    let ended = service.run(&journal.0, 0, Death::None, KEY).await;
    assert!(ended.is_success && ended.results().eq([operation]) && journal.stored().is_empty(), "{ended:?}");
}
