//! `lro`, and texts of services and files that a terminal would obey.

use http::HeaderValue;
use serde_json::json;
use tower_lro::simulator::{Reply, Script};

use crate::{
    lro::support::{Printed, Server, folder, lro},
    lro_protocol::{JOBS, assert_says, check, write},
};

/// Escape sequences of C0 and C1, a tab, DEL, and what turns the direction of a text.
const HOSTILE: &str = "a\u{1b}]0;x\u{7}\r\t\u{7f}\u{9b}2J\u{202e}\u{2066}\u{61c}z";
const ESCAPED: &str = "a\\u001b]0;x\\u0007\\u000d\t\\u007f\\u009b2J\\u202e\\u2066\\u061cz";

#[track_caller]
fn assert_harmless(text: &str) {
    let is_obeyed =
        |char: char| (char.is_control() && !['\n', '\t'].contains(&char)) || "\u{202e}\u{2066}\u{61c}".contains(char);
    assert!(!text.contains(is_obeyed), "{text:?}");
}

/// A HAR, which can have every character, of addresses and the bodies that they answered with.
fn har(answers: &[(&str, &str)]) -> String {
    let entry = |(url, body): &(&str, &str)| {
        json!({
            "request": { "method": if url.ends_with("/start") { "POST" } else { "GET" }, "url": url },
            "response": {
                "status": 200,
                "headers": [{ "name": "content-type", "value": "application/json" }],
                "content": { "text": body },
            },
        })
    };
    let entries: Vec<_> = answers.iter().map(entry).collect();
    json!({ "log": { "entries": entries } }).to_string()
}

#[test]
fn a_transcript_cannot_drive_the_terminal() {
    const OP: &str = "https://a.test/op";
    let folder = folder("terminal");
    let jobs = write(&folder, "jobs.toml", JOBS);
    let member = json!({ format!("{HOSTILE}\nforged"): 1 }).to_string();
    let link = json!({ "links": { "self": "/op" } }).to_string();
    let phase = |phase: &str| json!({ "phase": phase, "reason": HOSTILE, HOSTILE: "" }).to_string();
    let (hostile, done, broken) = (phase(HOSTILE), phase("Done"), phase("Broken"));
    let start = ("https://a.test/start", link.as_str());
    let result = format!("{HOSTILE}\r\n{HOSTILE}");
    let unused = ("https://a.test/\u{9b}2J", "");
    for (answers, code, says) in [
        (&[("https://a.test/start", member.as_str())][..], 3, format!("/{ESCAPED}\\u000aforged (a number)\n")),
        (&[start, (OP, &done), ("https://a.test/op/result", &result)], 0, format!("\n    {ESCAPED}\n    {ESCAPED}\n")),
        (&[start, (OP, &hostile), (OP, &broken)], 0, "Why it did not succeed: a".to_owned()),
        (&[start, unused], 4, "not used".to_owned()),
    ] {
        let printed = check([&jobs, "--transcript", &write(&folder, "recorded.har", &har(answers))]).expect(code);
        assert_says(&printed, &[&says]);
        assert_harmless(&printed.out());
        assert_harmless(&printed.err);
    }
}

#[test]
fn files_that_are_refused_cannot_drive_the_terminal() {
    let folder = folder("terminal-files");
    let described = write(&folder, "a.toml", &format!("name = \"{HOSTILE}"));
    let stored = write(&folder, "a.json", &json!({"version": 1, "protocol": {"known": HOSTILE}}).to_string());
    let har = write(&folder, "a.har", &har(&[(HOSTILE, "")]));
    for arguments in [
        &["protocol", "show", &described][..],
        &["http://127.0.0.1:9/", "--protocol", &described],
        &["http://127.0.0.1:9/", "--resume", &stored],
        &["protocol", "check", "location", "--transcript", &har],
    ] {
        let printed = Printed::of(crate::run::output(crate::run::command("lro").args(arguments))).expect(2);
        assert_harmless(&printed.err);
    }
}

#[test]
fn a_service_cannot_drive_the_terminal_but_by_its_body() {
    let status = json!({"status": "Failed", "error": {"code": HOSTILE, "message": HOSTILE}}).to_string();
    let server = Server::serving(Script::new(Reply::accepted()).polls([Reply::json(&status)]), |mut response| {
        let headers = response.headers_mut();
        headers.insert("retry-after-ms", HeaderValue::from_static("1"));
        // A C1 control and a letter in UTF-8, and a letter in Latin 1.
        headers.insert("x-hostile", HeaderValue::from_bytes(b"a\xc2\x9b2J\xc3\xa9\xe9").unwrap());
        response
    });
    let printed = lro([&server.url("/start"), "-d", "{}", "-i"]).expect(1);
    assert_harmless(&printed.err);
    let head = b"x-hostile: a\\u009b2J\xc3\xa9\xe9\r\n";
    assert!(printed.out.windows(head.len()).any(|part| part == head), "{:?}", printed.out());
    assert!(printed.out().ends_with(&status), "{:?}", printed.out());

    let printed = lro([&server.url("/start"), "-d", "{}", "--json"]).expect(1);
    assert_harmless(&printed.err);
    assert_harmless(&printed.out());
    let json = printed.json();
    assert_eq!((&json["failure"]["message"], &json["body"]["error"]["code"]), (&json!(HOSTILE), &json!(HOSTILE)));
}
