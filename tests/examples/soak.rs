//! The example `soak`, small.

use crate::run::{command, output};

/// The numbers of a row, of both columns. A `-` is no number.
fn row(table: &str, name: &str) -> Vec<Option<u64>> {
    let line = table.lines().find(|line| line.trim_start().starts_with(name));
    let values = line.unwrap_or_else(|| panic!("{name}: {table}"))[28..].split("  ").map(str::trim);
    values.filter(|value| !value.is_empty()).map(|value| value.split(' ').next().unwrap().parse().ok()).collect()
}

fn counts(table: &str, name: &str) -> [u64; 2] {
    let counts: Option<Vec<u64>> = row(table, name).into_iter().collect();
    counts.and_then(|counts| counts.try_into().ok()).unwrap_or_else(|| panic!("{name}: {table}"))
}

#[test]
fn every_operation_comes_to_its_own_end_and_nothing_is_left_of_it() {
    let output = output(command("soak").args(["--operations", "500", "--connections", "8"]));
    let (table, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && errors.is_empty(), "{table}\n{errors}");
    assert_eq!(counts(&table, "operations"), [500, 500]);

    let ends = table.lines().skip_while(|line| !line.starts_with("operations")).skip(1);
    let ends: Vec<_> = ends.take_while(|line| line.starts_with("  ")).map(|line| line[..28].trim()).collect();
    let expected = [
        "canceled",
        "failed",
        "monitor: 403",
        "monitor: no status",
        "monitor: wrong address",
        "start: 503",
        "start: connection closed",
        "succeeded",
    ];
    assert_eq!(ends, expected);
    let ends: Vec<_> = ends.into_iter().map(|end| counts(&table, end)).collect();
    for column in 0..2 {
        assert!(ends.iter().all(|end| end[column] > 0), "{table}");
        assert_eq!(ends.iter().map(|end| end[column]).sum::<u64>(), 500, "{table}");
        assert!(counts(&table, "polls")[column] > 500, "{table}");
    }
    // The end of that name is the first.
    let retryable_statuses = row(table.split_once("\npolls").unwrap().1, "failed");
    assert!(retryable_statuses.iter().all(|polls| polls.is_some_and(|polls| polls > 100)), "{table}");
    let connections = row(&table, "connections at once");
    assert!(connections[0].is_none() && (2..=16).contains(&connections[1].unwrap()), "{table}");
    let waiting = row(&table, "per waiting operation");
    assert!((100..4000).contains(&waiting[0].unwrap()) && waiting[1].is_none(), "{table}");
    let (peak, end) = (counts(&table, "at its peak"), counts(&table, "at the end"));
    assert!((0..2).all(|column| end[column] < peak[column] * 1000 / 10), "{table}");
}

#[test]
fn it_stops_in_time_and_fails_then() {
    // More than any machine does in that time.
    let output = output(command("soak").args(["--operations", "1000000", "--seconds", "1"]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("Not over after 1 s"), "{errors}");
}

#[test]
fn it_wants_something_to_do() {
    for arguments in [["--operations", "0"], ["--connections", "0"], ["--seconds", "soon"]] {
        let output = output(command("soak").args(arguments));
        assert!(String::from_utf8_lossy(&output.stderr).contains(arguments[0]), "{arguments:?}");
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
    }
}
