//! `lro`, where Ctrl-C comes, or nobody reads what it says.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

use tower_lro::simulator::{Fault, Reply, Script};

use crate::{
    lro::support::{Server, folder},
    run::command,
};

/// Longer than a test may take.
const FOREVER: Duration = Duration::from_secs(3600);

fn never_polled() -> Server {
    Server::of(Script::new(Reply::accepted().retry_after(FOREVER)))
}

/// Where its operation is stored; without standard output, which it would wait for.
fn lro_storing(name: &str) -> (Command, PathBuf) {
    let stored = folder(name).join("operation.json");
    let mut lro = command("lro");
    lro.arg("--store").arg(&stored).stdout(Stdio::null());
    (lro, stored)
}

fn spawn(lro: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let mut child = lro.stderr(Stdio::piped()).spawn().unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    (child, errors)
}

fn read_until(errors: &mut impl BufRead, part: &str) -> String {
    let mut told = String::new();
    while !told.contains(part) {
        assert_ne!(errors.read_line(&mut told).unwrap(), 0, "{part} is not in {told}");
    }
    told
}

fn ctrl_c(child: &Child) {
    send("INT", child);
}

fn send(signal: &str, child: &Child) {
    let kill = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", child.id())).status().unwrap();
    assert!(kill.success());
}

#[test]
fn the_operation_is_stored_though_nobody_reads_how_it_ended() {
    let server = never_polled();
    let (mut lro, stored) = lro_storing("unread");
    let (closed, writer) = UnixStream::pair().unwrap();
    drop(closed);
    lro.args([&server.url("/start"), "-d", "{}", "--timeout", "20ms"]).stderr(Stdio::from(OwnedFd::from(writer)));
    assert_eq!(lro.status().unwrap().code(), Some(4));
    assert!(fs::read_to_string(stored).unwrap().contains("/operations/"));
}

/// As in `lro … 2>&1 | tee log`.
#[test]
fn ctrl_c_stores_the_operation_though_it_ends_the_reader_too() {
    let server = never_polled();
    let (mut lro, stored) = lro_storing("interrupted-unread");
    let (mut child, mut errors) = spawn(lro.args([&server.url("/start"), "-d", "{}"]));
    read_until(&mut errors, "waiting");
    drop(errors);
    ctrl_c(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(fs::read_to_string(stored).unwrap().contains("/operations/"));
}

/// As `timeout`, containers and CI send it.
#[test]
fn a_program_that_is_terminated_stores_the_operation() {
    let server = never_polled();
    let (mut lro, stored) = lro_storing("terminated");
    let (mut child, mut errors) = spawn(lro.args([&server.url("/start"), "-d", "{}"]));
    read_until(&mut errors, "waiting");
    send("TERM", &child);
    read_until(&mut errors, "lro --resume");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(fs::read_to_string(stored).unwrap().contains("/operations/"));
}

/// Fabric and Graph name origins that are not polled without them.
#[test]
fn the_command_to_resume_names_known_protocols_and_no_user() {
    let server = Server::of(Script::new(Reply::http(202).header("location", "/operations/1").retry_after(FOREVER)));
    let (mut lro, _) = lro_storing("known");
    let url = server.url("/start?key=s3cret").replacen("//", "//user:s3c@ret@", 1);
    let lro = lro.args([&url, "-d", "{}", "--timeout", "20ms", "--protocol", "graph", "--protocol", "fabric"]);
    let told = String::from_utf8(lro.stderr(Stdio::piped()).output().unwrap().stderr).unwrap();
    let expected = format!("{} --protocol graph --protocol fabric\n", server.url("/start"));
    assert!(told.contains(&expected) && !told.contains("s3c") && !told.contains("user:"), "{told}");
}

/// Without them a service refuses the poll.
#[test]
fn the_command_to_resume_says_which_credentials_it_leaves_out() {
    let server = never_polled();
    let (url, with_user) = (server.url("/start"), server.url("/start").replacen("//", "//user:s3cret@", 1));
    let (user, query, headers) =
        ("the user information of the address", "the query of the address", "the headers' values for …");
    let elsewhere = Server::of(Script::new(
        Reply::http(202).header("operation-location", "https://elsewhere.test/1").retry_after(FOREVER),
    ));
    for (arguments, expected) in [
        (&[url.as_str()][..], "To resume it:".to_owned()),
        (&[&format!("{url}?api-version=1")], "To resume it:".to_owned()),
        (&[&url, "-H", "x-key: s3cret"], format!("To resume it, with {headers}:")),
        (&[&with_user], format!("To resume it, with {user}:")),
        (
            &[&format!("{with_user}?subscription-key=s3cret"), "-H", "x-key: s3cret"],
            format!("To resume it, with {user}, {query} and {headers}:"),
        ),
        // To which none of them goes.
        (
            &[&elsewhere.url("/?key=s3cret"), "-H", "x-key: s3cret", "--allow-origin", "https://elsewhere.test"],
            "To resume it:".to_owned(),
        ),
    ] {
        let (mut lro, _) = lro_storing("credentials");
        let lro = lro.args(arguments).args(["-d", "{}", "--timeout", "20ms"]).stderr(Stdio::piped());
        let told = String::from_utf8(lro.output().unwrap().stderr).unwrap();
        assert!(told.contains(&expected) && !told.contains("s3cret"), "{arguments:?}: {told}");
    }
}

/// FHIR servers delete the result then.
#[test]
fn an_operation_that_has_ended_is_not_canceled() {
    let result = Reply::json("").body(vec![b' '; 2000]).fault(Fault::StalledAfter(1000));
    let server = Server::in_haste(Script::fhir().polls([result]));
    let (mut lro, stored) = lro_storing("ended");
    let (mut child, mut errors) = spawn(lro.args([&server.url("/Patient/$export"), "--protocol", "fhir"]));
    read_until(&mut errors, "after 1 poll");
    ctrl_c(&child);
    for line in errors.lines().map(Result::unwrap) {
        if line.contains("Ctrl-C within") {
            ctrl_c(&child);
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(stored.exists());
    assert_eq!(
        server.requests().iter().filter(|request| request.method == "DELETE").count(),
        0,
        "{:?}",
        server.paths()
    );
}
