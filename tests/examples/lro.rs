//! The example `lro`, against simulators on loopback ports.

pub mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tower_lro::{
    Protocol,
    simulator::{Fault, Reply, Script},
};

use self::support::{Printed, Server, folder, in_folder, lro};
use crate::run::{command, output};

const ID: &str = "00000001-add9-4ef7-9788-1635bed9a87e";
const MONITOR: &str = "/operations/00000001-add9-4ef7-9788-1635bed9a87e";

fn running() -> Reply {
    Reply::status("Running").retry_after(Duration::from_millis(2))
}

fn accepted() -> Reply {
    Reply::accepted().retry_after(Duration::from_millis(2))
}

fn polls<const N: usize>(polls: [Reply; N]) -> Script {
    Script::new(accepted()).polls(polls)
}

/// Longer than a test may take.
const FOREVER: Duration = Duration::from_secs(3600);

#[test]
fn the_final_body_comes_out_byte_for_byte_and_progress_beside_it() {
    let body = b"{\"status\": \"Succeeded\",\r\n \"junk\": \"\x00\xff\xfe\"}\n\n".to_vec();
    let percent = Reply::json(r#"{"status": "Working", "percentComplete": 27.5}"#);
    let away = Reply::http(503).retry_after(Duration::from_millis(3));
    let moved = running().header("operation-location", "{origin}/moved/operations/{id}?sig=s3cret");
    let last = Reply::json("").body(body.clone()).chunks(5);
    let server = Server::of(polls([percent.retry_after(Duration::from_millis(2)), away, moved, last]));
    let printed = lro([&server.url("/start?api-version=1"), "-d", "{}"]).expect(0);
    assert_eq!(printed.out, body, "{}", printed.out());
    printed.tells(&[
        &format!("accepted: {}", server.url(MONITOR)),
        "waiting ",
        "ms, as the service asks\n",
        "poll 1: Working, 27.5 %",
        "waiting ",
        "poll 2 failed: HTTP 503 Service Unavailable, retrying in 3.",
        "waiting ",
        &format!("moved to {}?sig=***", server.url(&format!("/moved{MONITOR}"))),
        "poll 3: Running",
        "poll 4: Succeeded",
        "Succeeded after 4 polls",
    ]);
    assert!(!printed.err.contains("s3cret"), "{}", printed.err);
}

#[test]
fn method_headers_and_data_are_those_of_the_command_line() {
    let server = Server::of(polls([Reply::status("Succeeded")]));
    let file = folder("data").join("body");
    fs::write(&file, "twelve bytes").unwrap();
    let at_file = format!("@{}", file.display());
    let url = server.url("/start");
    lro([&url, "-X", "PATCH", "-H", "a: b:c", "-H", "a: d", "-d", &at_file]).expect(0);
    let mut child = command("lro")
        .args(["-d", "@-", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"piped").unwrap();
    assert!(child.wait().unwrap().success());

    let requests = server.requests();
    let [patch, poll, post, _] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((patch.method.as_str(), patch.body_bytes), ("PATCH", 12));
    for request in [patch, poll] {
        assert_eq!(request.headers.get_all("a").iter().collect::<Vec<_>>(), ["b:c", "d"]);
    }
    assert_eq!((post.method.as_str(), post.body_bytes), ("POST", 5));
}

#[test]
fn exit_code_1_if_the_operation_failed_or_was_canceled() {
    let failed = r#"{"status": "Failed", "error": {"code": "NoGeometry", "message": "Nothing in it."}}"#;
    let server = Server::of(polls([running(), Reply::json(failed)]));
    let printed = lro(["-X", "POST", &server.url("/start")]).expect(1);
    assert_eq!(printed.out(), failed);
    printed.tells(&["Failed after 2 polls", "[NoGeometry] Nothing in it."]);

    let server = Server::of(polls([Reply::status("Canceled")]));
    lro(["-X", "POST", &server.url("/start")]).expect(1).tells(&["Canceled after 1 poll "]);
}

#[test]
fn what_starts_no_operation_passes_through() {
    let invalid = Script::azure_maps_invalid();
    let server = Server::of(invalid);
    let printed = lro([&server.url("/start"), "-d", "{}"]).expect(3);
    assert!(printed.out().contains("The request body is not a valid drawing package."), "{}", printed.out());
    printed.tells(&["400 Bad Request"]);
    assert_eq!(server.paths(), ["POST /start"]);

    let server = Server::of(Script::new(Reply::http(202).header("location", "/jobs/1")));
    lro([&server.url("/start"), "-d", "{}"])
        .expect(4)
        .tells(&["a 202 that is of no chosen protocol; it has location\n"]);

    let server = Server::of(Script::new(Reply::json("[1]").header("x-served-by", "simulator")));
    let printed = lro([&server.url("/start"), "-d", "{}", "-i"]).expect(0);
    assert!(printed.out().starts_with("HTTP/1.1 200 OK\r\n"), "{}", printed.out());
    assert!(printed.out().contains("\r\nx-served-by: simulator\r\n"), "{}", printed.out());
    assert!(printed.out().ends_with("\r\n\r\n[1]"), "{}", printed.out());

    let json = lro([&server.url("/start"), "-d", "{}", "--json"]).expect(0).json();
    assert_eq!((&json["http_status"], &json["state"], &json["body"]), (&json!(200), &Value::Null, &json!([1])));
}

#[test]
fn exit_code_3_if_there_is_no_connection() {
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}/start?subscription-key=s3cret");
    let printed = lro([&url, "-d", "{}", "--json"]).expect(3);
    let json = printed.json();
    assert!(json["error"].as_str().unwrap().contains("refused"), "{json}");
    assert!(!printed.err.contains("s3cret") && !printed.out().contains("s3cret"), "{}", printed.err);
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    let known: Vec<String> = Protocol::known().map(|known| known.name().to_owned()).collect();
    let url = "http://127.0.0.1:9/";
    let cases: [(&[&str], &[&str]); 11] = [
        (&[url, "--protocol", "homemade"], &known.iter().map(String::as_str).collect::<Vec<_>>()),
        (&["--json"], &["<URL>"]),
        (&["nowhere"], &["the address is no URL"]),
        (&["ftp://example.com/"], &["neither an http nor an https"]),
        (&[url, "-H", "s3cret"], &["header 1 is not written as 'name: value'"]),
        (&[url, "-H", "a: b", "-H", "x y: s3cret"], &["the name of header 2"]),
        (&[url, "-H", "x-key: s3\ncret"], &["the value of x-key (header 1)"]),
        (&[url, "--timeout", "10 parsecs"], &["10 parsecs", "s, m and h"]),
        (&[url, "-d", "@/no/such/file"], &["/no/such/file", "No such file"]),
        (&["--resume", "Cargo.toml", url], &["Cargo.toml is no stored operation"]),
        (&[url, "--trust-origin", "https://example.com/path"], &["an origin has no path"]),
    ];
    for (arguments, messages) in cases {
        let printed = Printed::of(output(command("lro").args(arguments))).expect(2);
        for message in messages {
            assert!(printed.err.contains(message), "{arguments:?}: {message:?}: {}", printed.err);
        }
        assert!(printed.out.is_empty() && !printed.err.contains("s3cret"), "{arguments:?}: {}", printed.err);
    }
}

#[test]
fn json_is_a_summary_with_the_body_in_it() {
    let body = r#"{"operationId": "7", "status": "failed", "percentComplete": 80, "n": 1.0,
        "error": {"code": 42, "message": "Out of paper."}}"#;
    let script = polls([Reply::json(body).header("resource-location", "/r/1?sig=s3cret&api-version=2")]);
    let server = Server::of(script);
    let json = lro([&server.url("/start"), "-d", "{}", "--json"]).expect(1).json();
    assert!(json["elapsed_seconds"].as_f64().unwrap() > 0.0, "{json}");
    let expected = json!({
        "http_status": 200,
        "state": "Failed",
        "status": "failed",
        "id": "7",
        "protocol": "operation-location",
        "monitor": server.url(MONITOR),
        "polls": 1,
        "elapsed_seconds": json["elapsed_seconds"],
        "percent_complete": 80.0,
        "resource": server.url("/r/1?sig=***&api-version=2"),
        "failure": { "code": "42", "message": "Out of paper." },
        "body": serde_json::from_str::<Value>(body).unwrap(),
        "error": null,
    });
    assert_eq!(json, expected);

    let server = Server::of(polls([Reply::http(403).body("no entry")]));
    let file = folder("refused").join("operation.json");
    let file = file.to_str().unwrap();
    let printed = lro([&server.url("/start"), "-d", "{}", "--json", "--store", file]).expect(4);
    let json = printed.json();
    assert_eq!((&json["http_status"], &json["body"]), (&json!(403), &json!("no entry")));
    let error = format!("the operation {} did not complete: the monitor answered 403 Forbidden", server.url(MONITOR));
    assert_eq!(json["error"], error);
}

#[test]
fn what_is_not_seen_through_in_time_is_resumed_without_a_second_start() {
    let folder = folder("timeout");
    let script = Script::new(Reply::accepted().retry_after(FOREVER)).polls([Reply::status("Succeeded")]);
    let server = Server::of(script);
    let key = "x-key: s3cret";
    let first = output(in_folder(&folder).args([&server.url("/start"), "-H", key, "-d", "{}", "--timeout", "20ms"]));
    let first = Printed::of(first).expect(4);
    assert!(first.out.is_empty(), "{}", first.out());
    // The service did not say what it calls the operation: it goes by the end of its address.
    let file = format!("./lro-{ID}.json");
    first.tells(&[
        "did not complete: timeout",
        "did not end in time",
        &format!("lro --resume {file} {} -H 'x-key: …'", server.url("/start")),
    ]);
    let stored = fs::read_to_string(folder.join(&file)).unwrap();
    assert!(!stored.contains("s3cret") && !first.err.contains("s3cret"), "{stored}\n{}", first.err);

    let then = Printed::of(output(in_folder(&folder).args(["--resume", &file, &server.url("/"), "-H", key, "--json"])))
        .expect(0);
    then.tells(&["resuming: ", "poll 1: Succeeded", "Succeeded after 1 poll "]);
    assert_eq!(then.json()["state"], "Succeeded");
    assert_eq!(server.paths(), ["POST /start".to_owned(), format!("GET {MONITOR}")]);
    assert_eq!(server.requests()[1].headers["x-key"], "s3cret");
}

/// As of one that was interrupted yesterday.
#[test]
fn a_timeout_counts_from_the_resumption() {
    let file = folder("resumed-late").join("operation.json");
    let server = Server::of(Script::new(Reply::accepted().retry_after(FOREVER)).polls([Reply::status("Succeeded")]));
    let name = file.to_str().unwrap();
    lro([&server.url("/start"), "-d", "{}", "--timeout", "20ms", "--store", name]).expect(4);
    let mut stored: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    stored["deadline_ms"] = 1_000_000_000_000_u64.into();
    fs::write(&file, stored.to_string()).unwrap();
    lro(["--resume", name, &server.url("/"), "--timeout", "1h"]).expect(0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stores_the_operation() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder("interrupted");
    let waits = Reply::json(r#"{"id": "../a/b", "status": "Paused"}"#).retry_after(FOREVER);
    let server = Server::of(polls([waits, running(), Reply::status("Succeeded")]));
    let mut child = in_folder(&folder)
        .args([&server.url("/start"), "-d", "{}", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    while told.matches("waiting").count() < 2 {
        assert_ne!(errors.read_line(&mut told).unwrap(), 0, "{told}");
    }
    let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status().unwrap();
    assert!(kill.success());
    errors.read_to_string(&mut told).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = Printed { code: output.status.code(), out: output.stdout, err: told }.expect(130);
    printed.tells(&["left running after 1 poll ", "interrupted", "lro --resume ./lro-"]);
    assert_eq!((&printed.json()["status"], &printed.json()["error"]), (&json!("Paused"), &json!("interrupted")));

    // Nowhere but in the folder, whatever the service calls it.
    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let printed = lro(["--resume", file.to_str().unwrap(), &server.url("/")]).expect(0);
    printed.tells(&["poll 2: Running", "poll 3: Succeeded", "Succeeded after 3 polls"]);
    assert_eq!(server.simulator.started(), 1);
}

#[test]
fn a_result_streams_and_is_not_lost_if_it_breaks_off() {
    let stalled = Reply::status_with_result("Succeeded", 200_000).fault(Fault::StalledAfter(100_000));
    let server = Server::of(polls([stalled, Reply::status_with_result("Succeeded", 200_000)]));
    let file = folder("broken").join("operation.json");
    let file = file.to_str().unwrap();
    let mut child = command("lro")
        .args([&server.url("/start"), "-d", "{}", "--store", file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut vec![0; 100_000]).unwrap();
    server.break_connections();
    let printed = Printed::of(child.wait_with_output().unwrap()).expect(4);
    printed.tells(&["Succeeded after 1 poll ", "the response could not be passed on", &format!("lro --resume {file}")]);

    let printed = lro(["--resume", file, &server.url("/")]).expect(0);
    assert!(printed.out.len() > 200_000, "{}", printed.out.len());
    assert_eq!(server.simulator.started(), 1);
}

/// A name that is an address ends like any other, and operations of one name have files of their own.
#[test]
fn operations_of_one_name_are_stored_beside_each_other() {
    let folder = folder("named-alike");
    let start = |monitor: &str| {
        let server =
            Server::of(Script::new(Reply::http(202).header("operation-location", monitor).retry_after(FOREVER)));
        let url = server.url("/start");
        let printed = Printed::of(output(in_folder(&folder).args([&url, "-d", "{}", "--timeout", "20ms"]))).expect(4);
        printed.tells(&["The operation may go on at the service. To resume it:"]);
    };
    start("/nodes/1/states/");
    start("/nodes/2/states/");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["lro-states-2.json", "lro-states.json"]);
}

#[test]
fn a_file_that_begins_like_an_option_can_be_resumed() {
    let folder = folder("like-an-option");
    let server = Server::of(polls([Reply::http(403), Reply::status("Succeeded")]));
    let url = server.url("/start");
    let printed = Printed::of(output(in_folder(&folder).args([&url, "-d", "{}", "--store=-x.json"]))).expect(4);
    printed.tells(&["lro --resume ./-x.json http"]);
    Printed::of(output(in_folder(&folder).args(["--resume", "./-x.json", &url]))).expect(0);
}

#[test]
fn an_operation_that_cannot_be_stored_is_printed() {
    let server = Server::of(polls([Reply::http(403)]));
    let printed = lro([&server.url("/start"), "-d", "{}", "--store", "/no/such/folder/file"]).expect(4);
    printed.tells(&["could not be stored in /no/such/folder/file", &server.url(MONITOR)]);
}

#[test]
fn origins_are_those_of_the_command_line() {
    let elsewhere = Server::of(polls([Reply::status("Succeeded")]));
    // So that the monitor has an operation to report.
    lro([&elsewhere.url("/"), "-d", "{}"]).expect(0);
    let origin = elsewhere.url("");
    let away = Reply::http(202).header("operation-location", &elsewhere.url(MONITOR));
    let server = Server::of(Script::new(away.retry_after(Duration::from_millis(2))));
    let start = |option: &str| lro([&server.url("/start"), "-d", "{}", "-H", "x-key: k", option, &origin]);
    let sent_key = || elsewhere.requests().last().unwrap().headers.get("x-key").is_some();

    let file = folder("allowed").join("operation.json");
    let file = file.to_str().unwrap();
    let refused = lro([&server.url("/start"), "-d", "{}", "--store", file]).expect(4);
    refused.tells(&["did not complete: address not allowed", "neither allowed nor trusted"]);
    start("--allow-origin").expect(0);
    assert!(!sent_key());
    start("--trust-origin").expect(0);
    assert!(sent_key());

    let away = Reply::http(202).header("operation-location", &elsewhere.url(MONITOR)).retry_after(FOREVER);
    let server = Server::of(Script::new(away));
    let start = [&server.url("/start"), "-d", "{}", "-H", "x-key: k", "--timeout", "20ms", "--store", file];
    let allowed = ["--allow-origin", origin.as_str()];
    let printed = Printed::of(output(command("lro").args(start).args(allowed))).expect(4);
    assert!(!printed.err.contains("x-key"), "{}", printed.err);
    lro(["--resume", file, &server.url("/"), "-H", "x-key: k", "--allow-origin", &origin]).expect(0);
    assert!(!sent_key());
}

#[test]
fn what_is_printed_of_a_success_is_as_the_command_line_says() {
    let server = Server::of(polls([Reply::status("Succeeded").header("resource-location", "/resources/{id}")]));
    let printed = lro([&server.url("/start"), "-d", "{}", "--final", "resource"]).expect(0);
    assert_eq!(printed.out(), format!(r#"{{"id": "{ID}"}}"#));
    let printed = lro([&server.url("/else"), "-d", "{}", "--final", "original-uri"]).expect(0);
    assert!(printed.out().contains(r#""at": "/else""#), "{}", printed.out());
}

/// A script of a protocol's own service, how its operation is started, and what is in the final response.
fn service(protocol: &str) -> (Script, &'static str, &'static str, &'static str) {
    let status = |word: &str| Reply::json(format!(r#"{{"status": "{word}"}}"#));
    match protocol {
        "operation-location" => (Script::azure_maps(), "POST", "/mapData", r#""status": "Succeeded""#),
        "location" => (Script::azure_maps_v1(), "POST", "/mapData", r#""resourceLocation": "http://127.0.0.1"#),
        "azure-core" => (Script::azure_core(), "PUT", "/users/madge", r#""name": "madge""#),
        "azure-resource-manager" => {
            (Script::azure_resource_manager(), "PUT", "/topics/topic1", r#""provisioningState": "Succeeded""#)
        }
        // The simulator's monitors are on foreign hosts.
        "fabric" => {
            let monitor = "{origin}/v1/operations/{id}";
            let start = Reply::http(202).header("location", monitor);
            let done = status("Succeeded").header("location", &format!("{monitor}/result"));
            let script = Script::new(start).polls([status("Running").header("location", monitor), done]);
            (script.resource(Reply::json(r#"{"type": "Lakehouse"}"#)), "POST", "/v1/items", "Lakehouse")
        }
        "graph" => {
            let start = Reply::http(202).header("location", "{origin}/monitor/operations/{id}");
            let script = Script::new(start).polls([status("inProgress").code(202), status("completed").code(202)]);
            (script, "POST", "/v1.0/copy", r#""status": "completed""#)
        }
        "odata" => (Script::odata(), "POST", "/service/Orders", r##"$metadata#Orders"##),
        "fhir" => (Script::fhir(), "GET", "/Patient/$export", r#""transactionTime""#),
        "async-request-reply" => (Script::async_request_reply(), "POST", "/api/work", r#"{"it": "is done"}"#),
        "key-vault" => (Script::key_vault(), "POST", "/certificates/cert1/create", r#""enabled": true"#),
        "aip-151" => (Script::aip_151(), "POST", "/v3/projects/p:translate", r#""totalCharacters": "12""#),
        "http-202" => (Script::http_202(), "POST", "/reports", r#""total": 7"#),
        "ogc-processes" => (Script::ogc_processes(), "POST", "/processes/hello/execution", r#""value": "Hello""#),
        "redfish" => {
            let script =
                Script::redfish().polls([Reply::http(202), Reply::json(r#"{"MessageId": "Base.1.8.Success"}"#)]);
            (script, "POST", "/redfish/v1/UpdateService", "Base.1.8.Success")
        }
        "lxd" => (Script::lxd(), "POST", "/1.0/instances", r#""status_code": 200"#),
        "durable-functions" => (Script::durable_functions(), "POST", "/api/start", "Hello Tokyo!"),
        "snowflake-sql" => (Script::snowflake_sql(), "POST", "/api/v2/statements", r#""data": [["1"]]"#),
        "dataverse" => (Script::dataverse(), "POST", "/api/data/v9.2/export", r#""backgroundOperationStatusCode": 30"#),
        "meilisearch" => (Script::meilisearch(), "POST", "/indexes/movies/documents", r#""status": "succeeded""#),
        other => panic!("there is no service of {other:?} here"),
    }
}

#[test]
fn every_known_protocol_is_spoken_by_its_name() {
    for protocol in Protocol::known() {
        let name = protocol.name();
        let (script, method, path, expected) = service(name);
        let server = Server::in_haste(script);
        let printed = lro(["-X", method, &server.url(path), "--protocol", name]).expect(0);
        printed.tells(&["accepted: ", &format!("({name})"), "poll 2", "Succeeded after"]);
        assert!(printed.out().contains(expected), "{name}: {}", printed.out());
        assert_eq!(server.simulator.started(), 1, "{name}");
    }
}

#[test]
fn with_no_arguments_it_shows_itself() {
    let printed = lro([]).expect(0);
    printed.tells(&[
        "    lro -H 'content-type: application/json' -d '{\"from\": \"dwg\"}' 'http://127.0.0.1:",
        "poll 2: Running, 40 %",
        "poll 3 failed: HTTP 503",
        "Succeeded after 5 polls",
    ]);
    assert_eq!(printed.json()["percentComplete"], 100);
}

#[cfg(unix)]
#[test]
fn storing_replaces_a_file_and_nothing_else() {
    use std::os::unix::{fs::symlink, net::UnixListener};

    let folder = folder("replaced");
    let server = Server::of(polls([Reply::http(403)]));
    let store_in = |file: &str| {
        let file = folder.join(file);
        let printed = lro([&server.url("/start"), "-d", "{}", "--store", file.to_str().unwrap()]).expect(4);
        (file, printed)
    };
    fs::write(folder.join("before"), "{}").unwrap();
    symlink("before", folder.join("link")).unwrap();
    let (link, _) = store_in("link");
    assert!(fs::symlink_metadata(link).unwrap().is_symlink());
    assert!(fs::read_to_string(folder.join("before")).unwrap().contains(MONITOR));

    // Bound where its path is short enough.
    let short = std::env::temp_dir().join(format!("lro-{}", std::process::id()));
    let socket = UnixListener::bind(&short).unwrap();
    symlink(&short, folder.join("socket")).unwrap();
    let (file, printed) = store_in("socket");
    printed.tells(&["could not be stored in", "\"version\""]);
    assert!(!fs::metadata(file).unwrap().is_file());
    drop(socket);
    fs::remove_file(short).unwrap();
    // Nor is anything left beside them.
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
}
