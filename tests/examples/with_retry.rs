//! Retries above and below the layer.

use crate::run::prints;

#[test]
fn only_the_retry_that_does_not_check_starts_the_work_again() {
    let printed = prints("with_retry");
    let lines: Vec<_> = printed.lines().filter_map(|line| line.trim().split_once(" starts: ")).collect();
    let (refused, interrupted, lost) =
        ("a start request is answered 503", "a poll is answered 503", "all polls are answered 503");
    let happened = "an error that says: accepted, do not send it again (the layer's last operation took 3 polls)";
    let good = "200 OK (the layer's last operation took 2 polls)";
    let expected = [
        // reqwest-retry above
        (refused, format!("2, polls:  2 → {good}")),
        (lost, format!("1, polls:  3 → {happened}")),
        // and below
        (refused, format!("2, polls:  2 → {good}")),
        (interrupted, format!("1, polls:  3 → {good}")),
        (lost, format!("1, polls: 12 → {happened}")),
        // tower::retry above, without a check
        (lost, format!("4, polls: 12 → {happened}")),
        // and with it
        (refused, format!("2, polls:  2 → {good}")),
        (lost, format!("1, polls:  3 → {happened}")),
        // over a buffer
        (refused, format!("2, polls:  2 → {good}")),
        (lost, format!("1, polls:  3 → {happened}")),
    ];
    let lines: Vec<_> = lines.into_iter().map(|(what, saw)| (what.trim(), saw.to_owned())).collect();
    assert_eq!(lines, expected, "{printed}");
}
