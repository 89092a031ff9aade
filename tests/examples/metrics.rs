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
fn every_ending_is_counted_by_its_outcome_state_and_error() {
    let printed = prints("metrics");
    let expected = [
        ("address", "notstarted", "address", 1),
        ("body", "notstarted", "body", 1),
        ("dropped", "running", "", 1),
        ("failed", "failed", "failed", 1),
        ("monitor", "notstarted", "monitor", 2),
        ("protocol", "running", "protocol", 1),
        ("response", "canceled", "canceled", 1),
        ("response", "failed", "failed", 1),
        ("response", "succeeded", "", 2),
        ("service", "notstarted", "service", 1),
        ("status", "notstarted", "status", 1),
        ("timeout", "running", "timeout", 1),
    ];
    let expected = expected.map(|(outcome, state, error, count)| {
        let error = if error.is_empty() { String::new() } else { format!(r#",error_type="{error}""#) };
        let metric = "lro_client_operation_duration_seconds_count";
        format!(r#"{metric}{{lro_outcome="{outcome}",lro_state="{state}"{error}}} {count}"#)
    });
    assert_eq!(samples(&printed, "lro_client_operation_duration_seconds_count"), expected, "{printed}");
    assert_eq!(
        samples(&printed, "lro_client_active_operations"),
        [
            r#"lro_client_active_operations{lro_protocol="homemade"} 0"#,
            r#"lro_client_active_operations{lro_protocol="operation-location"} 1"#,
        ],
        "{printed}"
    );
}

#[test]
fn polls_and_their_failures_are_counted() {
    let printed = prints("metrics");
    // 34 statuses, 20 of them before the timeout, and the 8 failures.
    assert_eq!(
        samples(&printed, "lro_client_polls_total"),
        [
            r#"lro_client_polls_total{lro_protocol="operation-location",error_type="429"} 1"#,
            r#"lro_client_polls_total{lro_protocol="operation-location",error_type="500"} 1"#,
            r#"lro_client_polls_total{lro_protocol="operation-location",error_type="503"} 1"#,
            r#"lro_client_polls_total{lro_protocol="operation-location",error_type="body"} 2"#,
            r#"lro_client_polls_total{lro_protocol="operation-location",error_type="service"} 3"#,
            r#"lro_client_polls_total{lro_protocol="operation-location"} 34"#,
        ],
        "{printed}"
    );
}

#[test]
fn waits_and_durations_are_measured() {
    let printed = prints("metrics");
    // Time is paused in there: these are no matter of the clock.
    let delays = samples(&printed, "lro_client_poll_delay_seconds_sum");
    assert!(delays.contains(&r#"lro_client_poll_delay_seconds_sum{lro_delay_reason="retryafter"} 840"#), "{printed}");
    let timeout = r#"lro_outcome="timeout",lro_state="running",error_type="timeout""#;
    let sum = format!("lro_client_operation_duration_seconds_sum{{{timeout}}} 600");
    assert!(samples(&printed, "lro_client_operation_duration_seconds_sum").contains(&&*sum), "{printed}");
    let patient = format!(r#"lro_client_operation_duration_seconds_bucket{{{timeout},le="300"}} 0"#);
    assert!(printed.contains(&patient), "{printed}");
}
