//! `lro protocol check`: what it reads, and what it says where a description does not fit.

use crate::{
    lro::support::{Printed, folder},
    lro_protocol::{JOBS, assert_says, check, write},
};

/// As curl 7.88 prints them, byte for byte but for some headers: the first has a length, the second is chunked.
const PRINTED: [(&str, &str); 7] = [
    (
        "-i",
        "HTTP/1.1 202 Accepted\r\nLocation: /op/7\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"id\":\"7\"}\
         HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{\"status\":\"Running\"}\
         HTTP/2 200 \r\ncontent-type: application/json\r\n\r\n{\"status\":\"Succeeded\"}",
    ),
    (
        "-i, with line feeds alone, without lengths, of something else than JSON first",
        "HTTP/1.1 100 Continue\n\nHTTP/1.1 202 Accepted\nLocation: /op/7\n\naccepted, HTTP/1.1 202 in words\
         HTTP/1.1 200 Connection established\n\n\
         HTTP/1.1 200 OK\nContent-Type: application/json\n\n{\"status\":\"Running\", \"said\": \"HTTP/1.1 200 OK\"}\
         HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: 9999\n\n{\"status\":\"Succeeded\"}\n",
    ),
    (
        "-sv 2>&1",
        "*   Trying 127.0.0.1:8080...\n* Connected to 127.0.0.1 (127.0.0.1) port 8080 (#0)\n> POST /jobs HTTP/1.1\r\n\
         > Host: 127.0.0.1:8080\r\n> Content-Length: 1\r\n> \r\n} [1 bytes data]\n< HTTP/1.1 100 Continue\r\n< \r\n\
         < HTTP/1.1 202 Accepted\r\n< Location: /op/7\r\n< Content-Type: application/json\r\n< Content-Length: 10\r\n< \r\n{ [10 bytes data]\n\
         * Connection #0 to host 127.0.0.1 left intact\n{\"id\":\"7\"}*   Trying 127.0.0.1:8080...\n> GET /op/7 HTTP/1.1\r\n\
         > Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n< Content-Type: application/json\r\n< Transfer-Encoding: chunked\r\n\
         < \r\n{ [33 bytes data]\n* Connection #0 to host 127.0.0.1 left intact\n{\"status\":\"Running\"}*   Trying 127.0.0.1:8080...\n\
         > GET /op/7 HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n< Content-Type: application/json\r\n< \r\n\
         {\"status\":\"Succeeded\"}\n* Connection #0 to host 127.0.0.1 left intact\n",
    ),
    (
        "-iv 2>&1 to a file, with its progress",
        "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n\
         \x20                                Dload  Upload   Total   Spent    Left  Speed\n\
         \r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0*   Trying 127.0.0.1:8080...\n\
         > POST /jobs HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n} [1 bytes data]\n< HTTP/1.1 202 Accepted\r\n< Location: /op/7\r\n\
         < Content-Length: 10\r\n< \r\n{ [10 bytes data]\n\
         \r100    11  100    10  100     1   8149    814 --:--:-- --:--:-- --:--:-- 11000\n\
         * Connection #0 to host 127.0.0.1 left intact\nHTTP/1.1 202 Accepted\r\nLocation: /op/7\r\nContent-Length: 10\r\n\r\n{\"id\":\"7\"}\
         \x20 % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n\
         \x20                                Dload  Upload   Total   Spent    Left  Speed\n\
         \r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0*   Trying 127.0.0.1:8080...\n\
         > GET /op/7 HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n< Content-Type: application/json\r\n< \r\n\
         * Connection #0 to host 127.0.0.1 left intact\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"Running\"}\
         *   Trying 127.0.0.1:8080...\n> GET /op/7 HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n\
         < Content-Type: application/json\r\n< \r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"status\":\"Succeeded\"}",
    ),
    (
        "-iv on a terminal, where the two are mixed",
        "*   Trying 127.0.0.1:8080...\n> POST /jobs HTTP/1.1\n> Host: 127.0.0.1:8080\n> \n< HTTP/1.1 202 Accepted\nHTTP/1.1 202 Accepted\n\
         < Location: /op/7\nLocation: /op/7\n\n< \n* Connection #0 to host 127.0.0.1 left intact\n{\"id\":\"7\"}*   Trying 127.0.0.1:8080...\n\
         > GET /op/7 HTTP/1.1\n> Host: 127.0.0.1:8080\n> \n< HTTP/1.1 200 OK\nHTTP/1.1 200 OK\n< Content-Type: application/json\n\
         Content-Type: application/json\n\n< \n{\"status\":\"Running\"}* Closing connection 0\n*   Trying 127.0.0.1:8080...\n\
         > GET /op/7 HTTP/1.1\n> Host: 127.0.0.1:8080\n> \n< HTTP/1.1 200 OK\n< Content-Type: application/json\n< \n{\"status\":\"Succeeded\"}\n",
    ),
    (
        "-iv on a terminal, recorded by script",
        "Script started\n> POST /jobs HTTP/1.1\r\r\n> Host: 127.0.0.1:8080\r\r\n> \r\r\n*   Trying 127.0.0.1:8080...\r\n\
         < HTTP/1.1 202 Accepted\r\r\nHTTP/1.1 202 Accepted\r\r\n< Server: x\r\r\n\
         \x1b[1mServer\x1b[0m: x\r\r\n< Location: /op/7\r\r\n\x1b[1mLocation\x1b[0m:\x1b]8;;http://127.0.0.1:8080/op/7\x1b\\ /op/7\r\r\n\x1b]8;;\x1b\\\r\r\n< \r\r\n\
         * Connection #0 to host 127.0.0.1 left intact\r\n{\"id\":\"7\"}> GET /op/7 HTTP/1.1\r\r\n> Host: 127.0.0.1:8080\r\r\n> \r\r\n\
         < HTTP/1.1 200 OK\r\r\n< Content-Type: application/json\r\r\n< \r\r\n{\"status\":\"Running\"}*   Trying 127.0.0.1:8080...\r\n\
         > GET /op/7 HTTP/1.1\r\r\n> Host: 127.0.0.1:8080\r\r\n> \r\r\n< HTTP/1.1 200 OK\r\r\n\
         < Content-Type: application/json\r\r\n< \r\r\n{\"status\":\"Succeeded\"}\r\n",
    ),
    (
        "-v through a proxy",
        "> CONNECT 127.0.0.1:8080 HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n< \r\n*   Trying 127.0.0.1:8080...\n\
         > POST /jobs HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 202 Accepted\r\n< Location: /op/7\r\n< \r\n\
         > GET /op/7 HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n< Content-Type: application/json\r\n< \r\n\
         {\"status\":\"Running\"}\n> GET /op/7 HTTP/1.1\r\n> Host: 127.0.0.1:8080\r\n> \r\n< HTTP/1.1 200 OK\r\n\
         < Content-Type: application/json\r\n< \r\n{\"status\":\"Succeeded\"}",
    ),
];

#[test]
fn what_curl_prints_is_read_as_it_is() {
    let folder = folder("printed");
    for (how, printed) in PRINTED {
        let transcript = write(&folder, "transcript", printed);
        let url = if how.starts_with("-i,") || how == "-i" { "http://127.0.0.1:8080/jobs" } else { "http://not.test/" };
        let printed = check(["location", "--transcript", &transcript, "--url", url]);
        eprintln!("curl {how}");
        let printed = printed.expect(0);
        assert_says(
            &printed,
            &[
                "POST http://127.0.0.1:8080/jobs → 202 Accepted",
                "GET http://127.0.0.1:8080/op/7 → 200 OK",
                "poll 1: Running",
                "poll 2: Succeeded",
                "What the caller gets: 200 OK, 22 bytes\n    {\"status\":\"Succeeded\"}\n",
            ],
        );
        assert_eq!(printed.out().matches('→').count(), 3, "{}", printed.out());
    }
}

fn described(name: &str, description: &str, transcript: &str) -> Printed {
    let folder = folder(name);
    check([&write(&folder, "jobs.toml", description), "--transcript", &write(&folder, "transcript", transcript)])
}

const STARTED: &str = "HTTP/1.1 202 Accepted\nx-job: 17\nx-key: s3cret\n\n";

fn by_name(more: &str, status: &str) -> String {
    format!(
        "name = \"jobs\"\n{more}\n[[announced]]\nby_name_header = {{ header = \"x-job\", template = \"{{path}}/{{name}}\" }}\n\
         status = {{ {status} }}"
    )
}

fn answer(body: &str) -> String {
    format!("{STARTED}HTTP/1.1 200 OK\ncontent-type: application/json\n\n{body}")
}

#[test]
fn an_address_made_of_an_unknown_path_is_a_placeholder() {
    let description = by_name("", "status_at = \"/status\"");
    let printed = described("placeholder", &description, &answer(r#"{"status": "Succeeded"}"#)).expect(0);
    assert_says(
        &printed,
        &[
            "taken for one to https://service.example/path-of-the-start-request (--url",
            "GET https://service.example/path-of-the-start-request/17 → 200",
        ],
    );
    let folder = folder("placeholder-url");
    let (file, transcript) = (write(&folder, "a.toml", &description), answer(r#"{"status": "Succeeded"}"#));
    let transcript = write(&folder, "transcript", &transcript);
    let printed = check([&file, "--transcript", &transcript, "--url", "https://api.test/"]).expect(0);
    assert_says(&printed, &["GET https://api.test/17 → 200"]);
    let printed = check([&file, "--transcript", &transcript, "--url", "https://user:s3cret@api.test/?a"]).expect(0);
    assert_says(&printed, &["POST https://api.test/?*** → 202"]);
    assert!(!printed.out().contains("s3cret"), "{}", printed.out());
}

/// A case, the description, the transcript, the exit code, and what is printed.
type Row<'a> = (&'a str, String, String, i32, &'a [&'a str]);

#[track_caller]
fn assert_hints<const N: usize>(rows: [Row<'_>; N]) {
    for (name, description, transcript, code, says) in rows {
        eprintln!("{name}");
        let printed = described(&format!("said-{}", name.replace(' ', "-")), &description, &transcript).expect(code);
        assert_says(&printed, says);
        let hints = printed.out();
        let mut hints = hints.lines().filter(|line| line.contains('·'));
        assert!(!hints.any(|hint| hint.contains("s3cret")), "{}", printed.out());
    }
}

#[test]
fn what_announces_or_tells_a_status_is_said_with_what_there_is() {
    let at = "status_at = \"/phase\"";
    assert_hints([
        (
            "number",
            by_name("", at),
            answer(r#"{"phase": 3, "url": "https://x.test/?sig=s3cret"}"#),
            4,
            &["looked for at \"/phase\"", "a number at /phase: status_at = { scalar = \"/phase\" }", "/url (text)"],
        ),
        (
            "in a header",
            by_name("", "status_header = \"x-phase\", when_status_missing = \"error\""),
            answer("{}"),
            4,
            &["in the header \"x-phase\"", "there are content-type"],
        ),
        (
            "announcement",
            by_name("", at).replace("x-job", "x-task"),
            STARTED.to_owned(),
            3,
            &["announced[0]: there is no header x-task; there are x-job, x-key"],
        ),
        (
            "relation",
            format!("name = \"jobs\"\n[[announced]]\nby_relation = \"self\"\nstatus = {{ {at} }}"),
            "HTTP/1.1 201 Created\ncontent-type: application/json\n\n{\"links\": [{\"rel\": \"up\", \"href\": \"/s3cret\"}]}"
                .to_owned(),
            3,
            &["announced[0]: no link has the relation self", "links or _links, which have: up"],
        ),
        (
            "condition",
            by_name("", at).replace("status =", "unless_present = \"/error\"\nstatus ="),
            "HTTP/1.1 202 Accepted\nx-job: 1\ncontent-type: application/json\n\n{\"error\": {\"key\": \"s3cret\"}}"
                .to_owned(),
            3,
            &["announced[0]: unless_present: the body has an object at /error"],
        ),
    ]);
}

#[test]
fn a_result_that_was_not_fetched_is_explained() {
    let at = "status_at = \"/phase\"";
    assert_hints([
        (
            "result",
            by_name("final_response = \"resource\"\nresource_at = \"/links/file\"\nsucceeded = \"Done\"", at),
            answer(r#"{"phase": "Done", "links": {"picture": "https://x.test/?sig=s3cret"}}"#)
                .replace("?sig=s3cret", ""),
            0,
            &["no address of a result was found", "/links/file", "/links/picture (text)", "content-type"],
        ),
        (
            "no effect",
            by_name("resource_at = \"/file\"\nsucceeded = \"Done\"", at),
            answer(r#"{"phase": "Done", "link": "/files/1"}"#),
            0,
            &["resource_at had no effect: nothing at /file; the body has /phase = \"Done\", /link (text)"],
        ),
        (
            "not fetched",
            by_name("resource_at = \"/file\"\nsucceeded = \"Done\"", at),
            answer("{\"phase\": \"Done\", \"file\": \"/files/1\"}HTTP/1.1 200 OK\ncontent-type: image/png\n\npng"),
            0,
            &["final_response = \"resource\" would fetch it", "the operation had ended before it"],
        ),
    ]);
}

#[test]
fn a_failure_without_a_reason_and_a_response_without_a_use_are_explained() {
    let at = "status_at = \"/phase\"";
    assert_hints([
        (
            "failure",
            by_name("", &format!("{at}, failure_at = \"/job\"")),
            answer(r#"{"phase": "Failed", "job": {"why": "s3cret", "since": 7}}"#).replace("s3cret", "no light"),
            0,
            &[
                "no reason was found in the response",
                "an object at /job, with since, why, and no `code`",
                "/job/why (text)",
            ],
        ),
        (
            "no failure",
            by_name("", at),
            answer(r#"{"phase": "Failed"}"#),
            0,
            &["it was looked for at /error; failure_at says where else it is"],
        ),
        (
            "unused",
            by_name("", at),
            format!(
                "> POST https://a.test/jobs\n{STARTED}> GET https://a.test/elsewhere?sig=s3cret\nHTTP/1.1 200 OK\n\n"
            ),
            4,
            &["no answer to GET https://a.test/jobs/17", "responses to GET https://a.test/elsewhere?sig=*** (200 OK)"],
        ),
    ]);
}

#[test]
fn usage_is_that_of_the_command_that_was_given() {
    for (arguments, usage) in [
        (&["--help"][..], "Usage: lro protocol <COMMAND>"),
        (&["show", "--help"], "Usage: lro protocol show [OPTIONS] <NAME|FILE>"),
        (&["check", "--help"], "Usage: lro protocol check [OPTIONS] --transcript <FILE> <NAME|FILE>"),
        (&["check", "--help"], "  4  one starts and does not come to its end"),
        (&["list", "--help"], "Usage: lro protocol list"),
    ] {
        let printed = Printed::of(crate::run::output(crate::run::command("lro").arg("protocol").args(arguments)));
        assert!(printed.out().contains(usage), "{usage}: {}", printed.out());
    }
    let mistaken = check(["fhir", "--transcript", "/no/such"]).expect(2);
    mistaken.tells(&["/no/such: ", "Usage: lro protocol check "]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    use std::{
        os::{fd::OwnedFd, unix::net::UnixStream},
        process::Stdio,
    };

    let folder = folder("closed");
    let (jobs, transcript) = (write(&folder, "jobs.toml", JOBS), write(&folder, "transcript", STARTED));
    for (arguments, code) in
        [(&["show", "fhir"][..], 0), (&["list"], 0), (&["check", &jobs, "--transcript", &transcript], 3)]
    {
        let (closed, writer) = UnixStream::pair().unwrap();
        drop(closed);
        let mut command = crate::run::command("lro");
        let child =
            command.arg("protocol").args(arguments).stdout(Stdio::from(OwnedFd::from(writer))).stderr(Stdio::piped());
        let output = child.spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(code), ""), "{arguments:?}");
    }
}

#[test]
fn origins_are_spoken_of_where_one_is_missing() {
    let folder = folder("origins");
    for (location, is_foreign) in
        [("https://else.test/op", true), ("https://u:p@a.test/op", false), ("ftp://a.test/op", false)]
    {
        let transcript = write(&folder, "transcript", &format!("HTTP/1.1 202 Accepted\nlocation: {location}\n\n"));
        let printed = check(["location", "--transcript", &transcript, "--url", "https://a.test/"]).expect(4);
        assert_eq!(printed.out().contains("the description may name origins"), is_foreign, "{}", printed.out());
    }
}

/// As polls are: the layer sends what is before the `@` as a header.
#[test]
fn a_recorded_address_is_compared_without_its_user_information() {
    let done = "HTTP/1.1 200 OK\n\n{\"status\": \"Succeeded\"}";
    let transcript = format!(
        "> POST https://us3r:s3cret@a.test/start\nHTTP/1.1 202 Accepted\nlocation: /op/7\n\n> GET https://us3r:s3cret@a.test/op/7\n{done}"
    );
    let transcript = write(&folder("user"), "transcript", &transcript);
    let printed = check(["location", "--transcript", &transcript]).expect(0);
    assert_says(
        &printed,
        &["POST https://a.test/start → 202", "GET https://a.test/op/7 → 200", "What the caller gets"],
    );
    assert!(!printed.out().contains("s3cret"), "{}", printed.out());
}

/// Recordings as browsers and test tools write them, and with the byte order mark of Windows.
#[test]
fn a_har_of_a_browser_is_read() {
    let folder = folder("browser");
    let entry = |url: &str, status: i32, header: (&str, &str), text: serde_json::Value| {
        let method = if url.ends_with("/start") { "POST" } else { "GET" };
        let header = serde_json::json!({ "name": header.0, "value": header.1 });
        serde_json::json!({
            "request": { "method": method, "url": url },
            "response": { "status": status, "headers": [header], "content": { "text": text, "encoding": null } },
        })
    };
    let nothing = || serde_json::Value::Null;
    let entries = [
        entry("data:image/png;base64,iVBORw0KGgo=", 200, ("x-a", ""), nothing()),
        entry("blob:https://a.test/1", 200, ("x-a", ""), nothing()),
        entry("https://a.test/aborted", -1, ("x-a", ""), nothing()),
        entry("https://a.test/page", 200, ("set-cookie", "a=1\nb=2"), nothing()),
        entry("https://a.test/start", 202, ("location", "/op/1"), nothing()),
        entry("https://a.test/op/1", 200, ("content-type", "application/json"), r#"{"status": "Succeeded"}"#.into()),
    ];
    let har = serde_json::json!({ "log": { "entries": entries } }).to_string();
    let file = write(&folder, "a.har", &format!("\u{feff}{har}"));
    let printed = check(["location", "--transcript", &file]).expect(0);
    assert_says(&printed, &["/page → 200 OK", "/start → 202 Accepted", "What the caller gets: 200 OK, 23 bytes"]);
    assert!(!printed.out().contains("base64") && !printed.out().contains("aborted"), "{}", printed.out());

    let file = write(&folder, "b.har", r#"{"log": {"entries": []}}"#);
    check(["location", "--transcript", &file]).expect(2).tells(&["b.har has no response: none of its requests"]);
    let long = entry(&format!("https://a.test/{}?sig=s3cret", "a".repeat(70_000)), 200, ("x-a", ""), nothing());
    let file = write(&folder, "c.har", &serde_json::json!({ "log": { "entries": [long] } }).to_string());
    let printed = check(["location", "--transcript", &file]).expect(2);
    assert!(printed.err.len() < 1000 && !printed.err.contains("s3cret"), "{}", printed.err);
}

#[test]
fn files_of_windows_are_read() {
    let folder = folder("windows");
    let transcript =
        "\u{feff}HTTP/1.1 202 Accepted\r\nlocation: /op/7\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{\"status\": \"Succeeded\"}";
    let jobs = crate::lro::support::lro(["protocol", "show", "location", "--json"]).out();
    let jobs = write(&folder, "jobs.json", &format!("\u{feff}{jobs}"));
    // `>` of PowerShell writes UTF-16.
    let utf_16: Vec<u8> = transcript.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [("utf-8", transcript.as_bytes()), ("utf-16", &utf_16)] {
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        let printed = check([&jobs, "--transcript", file.to_str().unwrap()]).expect(0);
        assert_says(&printed, &["→ 202 Accepted", "What the caller gets: 200 OK, 23 bytes"]);
    }
}
