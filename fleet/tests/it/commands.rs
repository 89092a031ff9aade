//! The program itself: what it refuses, prints and serves, and how it ends.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use fleet::{
    local::{Kind, LocalQueue},
    queue,
    service::{Behavior, TestService},
};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

use crate::crew::{LIMIT, job, until};

/// A queue in a file, and the program with it as its queue.
struct Fleet {
    local: LocalQueue,
    tenants: PathBuf,
}

impl Fleet {
    fn new(endpoint: &str) -> Self {
        let local = LocalQueue::start(Kind::Sqlite).unwrap();
        let tenants = local.folder().join("tenants.json");
        let tenant = serde_json::json!({"endpoint": endpoint, "key_header": "api-key", "key_env": "ACME_KEY"});
        fs::write(&tenants, serde_json::json!({"acme": tenant}).to_string()).unwrap();
        Self { local, tenants }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.args(arguments).env("FLEET_QUEUE", self.local.address()).env("FLEET_TENANTS", &self.tenants);
        command.env("ACME_KEY", crate::crew::KEY).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// Killed with the test, if it fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Process {
    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }

    async fn end(&mut self) -> std::process::ExitStatus {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the process does not end");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn arguments_that_nobody_could_work_with_are_refused() {
    let fleet = Fleet::new("http://127.0.0.1:9/");
    let refused = [
        ("--concurrency", "0"),
        ("--max-deliveries", "0"),
        ("--lease", "0"),
        ("--lease", "0.5"),
        ("--lease", "-1"),
        ("--lease", "NaN"),
        ("--lease", "1e18"),
        ("--request-timeout", "0"),
    ];
    for (flag, value) in refused {
        let mut worker = Process(fleet.command(&["work", &format!("{flag}={value}")]).spawn().unwrap());
        let began = Instant::now();
        let status = loop {
            if let Some(status) = worker.0.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "{flag} {value} is taken");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut message = String::new();
        worker.0.stderr.take().unwrap().read_to_string(&mut message).unwrap();
        assert_eq!(status.code(), Some(2), "{flag} {value}: {message}");
        assert!(message.contains(flag), "{message}");
    }
}

#[tokio::test]
async fn metrics_are_at_their_path_and_say_what_they_are() {
    let fleet = Fleet::new("http://127.0.0.1:9/");
    let mut worker = Process(fleet.command(&["work", "--metrics", "127.0.0.1:0"]).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(worker.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let page = line.trim().strip_prefix("metrics: ").unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let get = async |uri: &str| client.request(Request::get(uri).body(Empty::new()).unwrap()).await.unwrap();

    let answer = get(page).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(text(&body).contains("\nfleet_queue_open 0\n"));
    for path in ["/", "/nothing", "/metrics/more"] {
        assert_eq!(get(&page.replace("/metrics", path)).await.status(), 404, "{path}");
    }
    worker.signal("-TERM");
    assert!(worker.end().await.success());
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let fleet = Fleet::new("http://127.0.0.1:9/");
    assert!(fleet.run(&["start", "--tenant", "acme", "--id", "order", "--count", "1000"]).status.success());
    for arguments in [&["list"][..], &["show", "order-1"], &["start", "--tenant", "acme"]] {
        let mut process = fleet.command(arguments).spawn().unwrap();
        drop(process.stdout.take());
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "");
    }
}

#[tokio::test]
async fn nothing_that_was_stored_reaches_the_terminal_raw() {
    let fleet = Fleet::new("http://127.0.0.1:9/");
    let hostile = "a\u{1b}]0;x\u{7}\u{7f}\u{9b}2J\u{202e}";
    let stored = queue::open(fleet.local.address()).await.unwrap();
    stored.accept(&[job("a"), job("b")]).await.unwrap();
    let file = rusqlite::Connection::open(fleet.local.address().strip_prefix("sqlite:").unwrap()).unwrap();
    let envelope = serde_json::json!({"tenant": hostile, "operation": {"status": hostile}}).to_string();
    file.execute("UPDATE jobs SET id = ?1, envelope = ?2 WHERE id = 'a'", [hostile, &envelope]).unwrap();
    file.execute("UPDATE jobs SET envelope = ?1 WHERE id = 'b'", [&envelope]).unwrap();
    for (id, outcome) in [("c", "finished"), ("d", "dead")] {
        let insert = "INSERT INTO ended VALUES (?1, ?2, ?3, ?3, 0, 0, ?3)";
        file.execute(insert, [id, outcome, hostile]).unwrap();
    }
    for arguments in [&["list"][..], &["show", "b"], &["show", "c"], &["show", "d"]] {
        let output = text(&fleet.run(arguments).stdout);
        assert!(output.contains("\\u009b2J"), "{arguments:?}: {output:?}");
        let raw = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
        assert!(!output.contains(raw), "{arguments:?}: {output:?}");
    }
}

#[test]
fn looking_makes_no_file() {
    let fleet = Fleet::new("http://127.0.0.1:9/");
    let file = fleet.local.address().strip_prefix("sqlite:").unwrap();
    for arguments in [&["list"][..], &["show", "a"]] {
        let output = fleet.run(arguments);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(file), "{}", text(&output.stderr));
        assert!(!fs::exists(file).unwrap());
    }
}

#[test]
fn server_that_cannot_be_had_leaves_no_folder() {
    let fleet = Fleet::new("http://127.0.0.1:9/");
    for (queue, is_built) in [("postgres", cfg!(feature = "postgres")), ("nats", cfg!(feature = "nats"))] {
        let mut demo = fleet.command(&["demo", "--queue", queue]);
        let folder = fleet.local.folder().join(queue);
        fs::create_dir(&folder).unwrap();
        demo.env("FLEET_TMPDIR", &folder).env("FLEET_POSTGRES_BIN", "/nowhere").env("FLEET_NATS_SERVER", "/nowhere");
        let output = demo.output().unwrap();
        assert!(!output.status.success());
        assert_eq!(text(&output.stderr).contains("--features all"), !is_built, "{}", text(&output.stderr));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn second_signal_ends_at_once() {
    let service = TestService::start("127.0.0.1:0", Behavior { hangs: true, ..Behavior::default() }).await.unwrap();
    let fleet = Fleet::new(&service.endpoint());
    assert!(fleet.run(&["start", "--tenant", "acme", "--id", "a"]).status.success());
    let mut worker = Process(fleet.command(&["work"]).spawn().unwrap());
    until("the start was sent", async || (service.seen().hanging > 0).then_some(())).await;
    worker.signal("-TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(worker.0.try_wait().unwrap().is_none(), "it waits for its step");
    let began = Instant::now();
    worker.signal("-INT");
    assert_eq!(worker.end().await.code(), Some(1));
    // The step's time would be ten seconds.
    assert!(began.elapsed() < Duration::from_secs(5));
}
