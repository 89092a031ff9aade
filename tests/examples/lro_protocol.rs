//! `lro --protocol FILE` and `lro protocol`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tower_lro::{
    Protocol,
    simulator::{Reply, Script},
};

use crate::lro::support::{Printed, Server, folder, lro};

pub const JOBS: &str = r#"
name = "jobs"
succeeded = "Done"
failed = "Broken"
resource_at = { template = "{monitor}/result" }
final_response = "resource"
cancel = { method = "DELETE", template = "{monitor}" }

[[announced]]
by_link = "/links/self"
statuses = [200]
status = { status_at = "/phase", failure_at = "/reason" }
"#;

pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn jobs() -> Script {
    let phase = |phase: &str| Reply::json(format!(r#"{{"phase": "{phase}"}}"#));
    let link = Reply::json(r#"{"links": {"self": "/jobs/operations/{id}"}}"#);
    Script::new(link).polls([phase("Drawing"), phase("Done")]).resource(Reply::json(r#"{"a": "picture"}"#))
}

#[test]
fn a_file_describes_a_service() {
    let folder = folder("described");
    let toml = write(&folder, "jobs.toml", JOBS);
    let json = lro(["protocol", "show", &toml, "--json"]).expect(0).out();
    let json = write(&folder, "jobs.json", &json);
    for file in [toml, json] {
        let server = Server::in_haste(jobs());
        let printed = lro(["-X", "POST", &server.url("/jobs"), "--protocol", &file]).expect(0);
        assert_eq!(printed.out(), r#"{"a": "picture"}"#);
        printed.tells(&["(jobs)", "poll 1: Drawing", "poll 2: Done", "Succeeded after"]);
    }
    let wrong = write(&folder, "wrong.toml", &JOBS.replace("\"/phase\"", "7"));
    let printed = lro(["-X", "POST", "http://127.0.0.1:9/", "--protocol", &wrong]).expect(2);
    printed.tells(&["announced[0].status.status_at: ", "line 12", "expected a JSON pointer"]);
    lro(["http://127.0.0.1:9/", "--protocol", "/no/such.toml"]).expect(2).tells(&["No such file"]);
}

#[test]
fn an_operation_by_a_file_is_resumed_with_that_file() {
    let folder = folder("resumed");
    let file = write(&folder, "jobs.toml", JOBS);
    let stored = folder.join("operation.json");
    let stored = stored.to_str().unwrap();
    let server = Server::in_haste(jobs().polls([Reply::http(403), Reply::json(r#"{"phase": "Done"}"#)]));
    let start = ["-X", "POST", &server.url("/jobs"), "--protocol", &file, "--store", stored];
    let printed = lro(start).expect(4);
    printed.tells(&["lro --resume", &format!(" --protocol {file}\n")]);
    // Without it the error is told in the command line's own words.
    lro(["--resume", stored, &server.url("/")]).expect(4).tells(&["(--protocol NAME|FILE)"]);
    let printed = lro(["--resume", stored, &server.url("/"), "--protocol", &file]).expect(0);
    assert_eq!(printed.out(), r#"{"a": "picture"}"#);
}

#[test]
fn protocols_are_listed_and_shown() {
    let listed = lro(["protocol", "list"]).expect(0).out();
    let known: Vec<_> = Protocol::known().map(|known| known.name().to_owned()).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), known);
    for name in &known {
        let shown = lro(["protocol", "show", name]).expect(0).out();
        let read: Protocol = toml::from_str(&shown).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), {
            let known = Protocol::known().find(|known| known.name() == name).unwrap();
            serde_json::to_string(&known).unwrap()
        });
    }
    lro(["protocol", "show", "homemade"]).expect(2).tells(&["neither a file nor one of operation-location, "]);
    lro(["protocol"]).expect(2).tells(&["list", "show", "check"]);
}

#[test]
fn every_description_here_is_valid() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/protocols")).unwrap();
    let files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() > 6);
    for file in files {
        lro(["protocol", "show", file.to_str().unwrap()]).expect(0);
    }
}

const CURL: &str = r#"HTTP/1.1 200 OK
content-type: application/json

{"links": {"self": "http://127.0.0.1:8080/jobs/7"}}
HTTP/1.1 200 OK
content-type: application/json
retry-after: 3600

{"phase": "Sketching", "percentComplete": 10}
HTTP/1.1 503 Service Unavailable

HTTP/1.1 200 OK
content-type: application/json

{"phase": "Done"}
HTTP/1.1 200 OK

a picture
"#;

pub fn check<const N: usize>(arguments: [&str; N]) -> Printed {
    Printed::of(crate::run::output(crate::run::command("lro").args(["protocol", "check"]).args(arguments)))
}

#[track_caller]
pub fn assert_says(printed: &Printed, parts: &[&str]) {
    let out = printed.out();
    let mut rest = out.as_str();
    for part in parts {
        let (_, behind) = rest.split_once(part).unwrap_or_else(|| panic!("{part:?} is not in {out}"));
        rest = behind;
    }
}

#[test]
fn a_recording_of_curl_is_explained() {
    let folder = folder("curl");
    let (jobs, transcript) = (write(&folder, "jobs.toml", JOBS), write(&folder, "transcript", CURL));
    let printed = check([&jobs, "--transcript", &transcript]).expect(0);
    assert_says(
        &printed,
        &[
            "taken for one to http://127.0.0.1:8080/path-of-the-start-request (--url",
            "POST http://127.0.0.1:8080/path-of-the-start-request → 200 OK",
            "accepted: http://127.0.0.1:8080/jobs/7 (jobs)",
            "GET http://127.0.0.1:8080/jobs/7 → 200 OK",
            "poll 1: Sketching, 10 %",
            "\"Sketching\" is not known, and taken for running",
            "waiting 3600.0s, as the service asks",
            "→ 503 Service Unavailable",
            "poll 2 failed: HTTP 503",
            "poll 3: Done",
            "GET http://127.0.0.1:8080/jobs/7/result → 200 OK",
            "Succeeded after 3 polls",
            "What the caller gets: 200 OK, 9 bytes\n    a picture",
            "DELETE",
        ],
    );

    // A transcript that ends too early.
    let (early, _) = CURL.split_once("HTTP/1.1 503").unwrap();
    let printed = check([&jobs, "--transcript", &write(&folder, "early", early)]).expect(4);
    assert_says(&printed, &["Not at its end: the transcript has no answer to GET http://127.0.0.1:8080/jobs/7"]);
}

#[test]
fn what_does_not_fit_is_said_with_what_there_is_instead() {
    let folder = folder("mismatch");
    let transcript = write(&folder, "transcript", CURL);
    let printed =
        check([&write(&folder, "a.toml", &JOBS.replace("/phase", "/state")), "--transcript", &transcript]).expect(4);
    assert_says(&printed, &["The operation would be lost", "looked for at \"/state\"", "/phase = \"Sketching\""]);
    let printed =
        check([&write(&folder, "b.toml", &JOBS.replace("/links/self", "/href")), "--transcript", &transcript])
            .expect(3);
    assert_says(
        &printed,
        &["passes through", "announced[0]: the body has nothing at /href; it has /links/self (text)"],
    );
    let printed = check(["operation-location", "--transcript", &transcript]).expect(3);
    assert_says(&printed, &["announced[0]: the HTTP status 200 is not among the statuses [202]"]);
    let printed = check(["location", "--transcript", &write(&folder, "202", "HTTP/2 202\nx-job: 1\n\n")]).expect(3);
    assert_says(&printed, &["there is no header operation-location; there are x-job"]);
    check(["fhir", "--transcript", &write(&folder, "empty", "nothing")])
        .expect(2)
        .tells(&["no line begins with HTTP/"]);
}

#[test]
fn a_har_is_played_by_its_addresses() {
    let entry = |method: &str, path: &str, status: u16, headers: &str, content: &str| {
        format!(
            r#"{{"request": {{"method": "{method}", "url": "https://api.test{path}"}},
                "response": {{"status": {status}, "headers": [{headers}], "content": {content}}}}}"#
        )
    };
    let location = r#"{"name": "Operation-Location", "value": "https://api.test/op/1?sig=s3cret"}, {"name": "Content-Encoding", "value": "gzip"}"#;
    let entries = [
        entry("GET", "/favicon.ico", 404, "", "{}"),
        entry("POST", "/start", 202, location, "{}"),
        entry("GET", "/op/1?sig=s3cret", 200, "", r#"{"text": "{\"status\": \"Running\"}"}"#),
        entry("GET", "/favicon.ico", 404, "", "{}"),
        entry(
            "GET",
            "/op/1?sig=s3cret",
            200,
            "",
            r#"{"text": "eyJzdGF0dXMiOiAiRmFpbGVkIiwgImVycm9yIjogeyJjb2RlIjogIlgifX0=", "encoding": "base64"}"#,
        ),
    ];
    let har = format!(r#"{{"log": {{"entries": [{}]}}}}"#, entries.join(","));
    let file = write(&folder("har"), "recorded.har", &har);
    let printed = check(["operation-location", "--transcript", &file]).expect(0);
    assert_says(
        &printed,
        &[
            "GET https://api.test/favicon.ico → 404 Not Found",
            "passes through",
            "POST https://api.test/start → 202 Accepted",
            "GET https://api.test/op/1?sig=*** → 200 OK",
            "poll 1: Running",
            "poll 2: Failed",
            "Why it did not succeed: [X]",
        ],
    );
    assert!(!printed.out().contains("s3cret"), "{}", printed.out());
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_cancels_the_operation_at_the_service() {
    use std::{
        io::{BufRead, BufReader, Read},
        process::{Command, Stdio},
        time::Duration,
    };

    let accepted = Reply::http(202).header("location", "/operations/{id}").retry_after(Duration::from_secs(3600));
    let server = Server::of(Script::new(accepted).polls([Reply::http(204)]));
    let folder = folder("canceled");
    let mut child = crate::lro::support::in_folder(&folder)
        .args(["-X", "POST", "-H", "x-key: k", "-H", "content-type: text/x-start", "-d", "1", &server.url("/Orders")])
        .args(["--protocol", "odata"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut told = String::new();
    for until in ["waiting", "Ctrl-C within 2 seconds cancels it."] {
        while !told.contains(until) {
            assert_ne!(errors.read_line(&mut told).unwrap(), 0, "{told}");
        }
        let kill = Command::new("sh").arg("-c").arg(format!("kill -INT {}", child.id())).status().unwrap();
        assert!(kill.success());
    }
    errors.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(told.contains("with the headers' values for …"), "{told}");
    assert!(told.contains("lro --resume ./lro-") && told.contains("was asked to cancel it: 204 No Content"), "{told}");
    let [start, cancel] = &server.requests()[..] else { panic!("{:?}", server.paths()) };
    assert_eq!((cancel.method.as_str(), cancel.headers.get("x-key")), ("DELETE", start.headers.get("x-key")));
    assert!(cancel.uri.path().starts_with("/operations/"));
    // The start request's body is not this one's.
    assert_eq!(cancel.headers.get("content-type"), None);
}
