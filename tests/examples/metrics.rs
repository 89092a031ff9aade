//! The example `metrics`.

use crate::run::prints;

/// The lines of a metric with their values, sorted.
fn samples<'a>(printed: &'a str, metric: &str) -> Vec<&'a str> {
    let is_of_it = |line: &&str| line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let mut samples: Vec<&str> = printed.lines().filter(is_of_it).collect();
    samples.sort_unstable();
    samples
}

#[test]
fn every_ending_is_counted_by_its_outcome_and_state() {
    let printed = prints("metrics");
    assert_eq!(
        samples(&printed, "lro_operations_ended_total"),
        [
            r#"lro_operations_ended_total{outcome="address",state="notstarted"} 1"#,
            r#"lro_operations_ended_total{outcome="body",state="notstarted"} 1"#,
            r#"lro_operations_ended_total{outcome="dropped",state="running"} 1"#,
            r#"lro_operations_ended_total{outcome="failed",state="failed"} 1"#,
            r#"lro_operations_ended_total{outcome="monitor",state="notstarted"} 2"#,
            r#"lro_operations_ended_total{outcome="protocol",state="running"} 1"#,
            r#"lro_operations_ended_total{outcome="response",state="canceled"} 1"#,
            r#"lro_operations_ended_total{outcome="response",state="failed"} 1"#,
            r#"lro_operations_ended_total{outcome="response",state="succeeded"} 2"#,
            r#"lro_operations_ended_total{outcome="service",state="notstarted"} 1"#,
            r#"lro_operations_ended_total{outcome="status",state="notstarted"} 1"#,
            r#"lro_operations_ended_total{outcome="timeout",state="running"} 1"#,
        ],
        "{printed}"
    );
    assert_eq!(
        samples(&printed, "lro_operations_in_flight"),
        [
            r#"lro_operations_in_flight{protocol="homemade"} 0"#,
            r#"lro_operations_in_flight{protocol="operation-location"} 1"#,
        ],
        "{printed}"
    );
}

#[test]
fn polls_and_their_failures_are_counted() {
    let printed = prints("metrics");
    assert_eq!(
        samples(&printed, "lro_poll_failures_total"),
        [
            r#"lro_poll_failures_total{kind="body"} 2"#,
            r#"lro_poll_failures_total{kind="http_429"} 1"#,
            r#"lro_poll_failures_total{kind="http_500"} 1"#,
            r#"lro_poll_failures_total{kind="http_503"} 1"#,
            r#"lro_poll_failures_total{kind="service"} 3"#,
        ],
        "{printed}"
    );
    // 34 statuses, 20 of them before the timeout, and the 8 failures.
    let polls = samples(&printed, "lro_polls_total");
    assert_eq!(polls, [r#"lro_polls_total{protocol="operation-location"} 42"#], "{printed}");
}

#[test]
fn waits_and_durations_are_measured() {
    let printed = prints("metrics");
    // Time is paused in there: these are no matter of the clock.
    let waits = samples(&printed, "lro_wait_seconds_sum");
    assert!(waits.contains(&r#"lro_wait_seconds_sum{reason="retryafter"} 840"#), "{printed}");
    let durations = samples(&printed, "lro_operation_duration_seconds_sum");
    assert!(durations.contains(&r#"lro_operation_duration_seconds_sum{outcome="timeout"} 600"#), "{printed}");
    let patient = r#"lro_operation_duration_seconds_bucket{outcome="timeout",le="300"} 0"#;
    assert!(printed.contains(patient), "{printed}");
}
