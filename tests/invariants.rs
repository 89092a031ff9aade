//! The checks of the fuzz targets, on random bytes and on everything in their corpora.

use std::{fs, path::Path};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

#[path = "../fuzz/src/address.rs"]
mod address;
#[path = "../fuzz/src/machine.rs"]
mod machine;
#[path = "../fuzz/src/origin.rs"]
mod origin;
#[path = "../fuzz/src/protocol.rs"]
mod protocol;
#[path = "../fuzz/src/retry_after.rs"]
mod retry_after;
#[path = "../fuzz/src/scanner.rs"]
mod scanner;

use machine::Summary;
use protocol::Played;
use tower_lro::Outcome;

/// Checks every file of a corpus. The message of a failure names the file.
fn corpus<T>(target: &str, check: impl Fn(&[u8]) -> T) -> Vec<T> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let checked = |file: std::path::PathBuf| {
        let bytes = fs::read(&file).unwrap();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&bytes)))
            .unwrap_or_else(|_| panic!("{} fails", file.display()))
    };
    let checked: Vec<_> = files.map(checked).collect();
    assert!(checked.len() >= 20, "the corpus is not there");
    checked
}

/// Checks random bytes, the same ones every time.
fn random(cases: u32, bytes: impl Strategy<Value = Vec<u8>>, check: impl Fn(&[u8])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    // Which print on one line.
    let bytes = bytes.prop_map(bytes::Bytes::from);
    let outcome = TestRunner::new_with_rng(config, rng).run(&bytes, |bytes| {
        check(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// That tapes do not all end before something happens.
fn assert_is_varied(played: &[Summary]) {
    use Outcome::{Address, Body, Dropped, Failed, Monitor, Response, Service, Status, Timeout};
    for wanted in [Response, Timeout, Service, Body, Monitor, Address, Status, Failed, Dropped] {
        assert!(played.iter().any(|summary| summary.outcome == Some(wanted)), "no operation ends in {wanted:?}");
    }
    assert!(played.iter().any(|summary| summary.is_handed_back), "no operation is handed back");
    let passes_through = |summary: &Summary| summary.outcome.is_none() && !summary.is_handed_back;
    assert!(played.iter().any(passes_through), "nothing passes through");
    let polled = played.iter().filter(|summary| summary.polls > 0).count();
    assert!(polled * 4 > played.len(), "of {} tapes no more than {polled} come to a poll", played.len());
}

#[test]
fn the_layer_keeps_its_rules_whatever_the_server_does() {
    let played = std::cell::RefCell::new(Vec::new());
    random(4000, vec(any::<u8>(), 0..200), |bytes| played.borrow_mut().push(machine::check(bytes)));
    assert_is_varied(&played.into_inner());
}

#[test]
fn the_layer_keeps_its_rules_on_what_was_found() {
    assert_is_varied(&corpus("machine", machine::check));
}

#[test]
fn the_scanner_agrees_with_serde_json_on_what_was_found() {
    corpus("scanner", scanner::check);
}

#[test]
fn addresses_are_those_of_url() {
    corpus("address", address::check);
    let settings = vec(any::<u8>(), 4);
    let value = vec(
        prop_oneof![Just(b"//".to_vec()), Just(b"example.com".to_vec()), "[ -~]{1,3}".prop_map(String::into_bytes)],
        0..8,
    );
    random(2000, (settings, value).prop_map(|(settings, value)| [settings, value.concat()].concat()), address::check);
}

#[test]
fn retry_after_is_read_as_by_a_simple_parser() {
    corpus("retry_after", retry_after::check);
    let line = ("[smxdw]", "[0-9]{1,21}|PT[0-9HMS.]{0,9}|[0-9., s]{1,12}|[ -~]{0,20}")
        .prop_map(|(which, value)| format!("{which}{value}\n"));
    random(2000, vec(line, 0..5).prop_map(|lines| lines.concat().into_bytes()), retry_after::check);
}

#[test]
fn protocols_of_files_keep_the_rules() {
    corpus("protocol", protocol::check);
    let played = std::cell::RefCell::new(Vec::new());
    random(2000, vec(any::<u8>(), 0..400), |bytes| played.borrow_mut().push(protocol::check(bytes)));
    let count = |wanted| played.borrow().iter().filter(|played| **played == wanted).count();
    for wanted in [Played::PassedThrough, Played::Ended, Played::DidNotComplete] {
        assert!(count(wanted) > 50, "{} tapes come to {wanted:?}", count(wanted));
    }
}

#[test]
fn transcripts_say_all_that_was_seen() {
    let transcripts = corpus("machine", machine::transcript);
    for seen in ["POST https://", "GET https://", "Accepted", "Polled", "Finished", "200 OK", "Pending"] {
        assert!(transcripts.iter().any(|transcript| transcript.contains(seen)), "nobody has seen {seen}");
    }
}
