//! The examples of the three integrations.

use crate::run::{command, output, prints};

#[test]
fn quickstart_prints_each_step_and_what_to_look_at_next() {
    let printed = prints("quickstart");
    for line in ["accepted", "NotStarted", "Running", "finished: Succeeded after 4 polls", "HTTP/1.1 200 OK"] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert!(printed.contains("\"status\": \"Succeeded\"\n}"), "{printed}");
    let last: Vec<_> = printed.lines().rev().take(2).collect();
    assert!(last[0].starts_with("Next: ") && last[1].contains("after 4 polls"), "{printed}");
}

#[test]
fn quickstart_says_what_is_wrong() {
    for (arguments, message) in [
        (&["--endpoint"][..], "--endpoint needs a value"),
        (&["--header", "no colon"], "a header is written as 'name: value'"),
        (&["--speed", "9"], "unknown option --speed"),
        (&["--help"], "unknown option --help: there are --endpoint, "),
        (&["--file", "/no/such/file"], "/no/such/file: No such file"),
        (&["--endpoint", "nowhere"], "--endpoint is not an address"),
    ] {
        let output = output(command("quickstart").args(arguments));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && errors.contains(message), "{arguments:?}: {errors}");
    }
}

#[test]
fn tower_client_runs_ten_operations_two_requests_at_a_time() {
    let printed = prints("tower_client");
    assert_eq!(printed.matches("Succeeded after 2 polls").count(), 10, "{printed}");
}

#[test]
fn reqwest_tower_shows_a_failure_and_a_success() {
    let printed = prints("reqwest_tower");
    assert!(
        printed.contains("the operation failed: [InvalidFeature] The provided feature is invalid. — NoGeometry:"),
        "{printed}"
    );
    assert!(printed.contains("\"status\": \"Succeeded\""), "{printed}");
}
