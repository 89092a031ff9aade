//! A protocol of one's own.

use crate::run::prints;

#[test]
fn the_protocol_works_and_errors_in_it_are_named() {
    let printed = prints("custom_protocol");
    let lines: Vec<_> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let expected = [
        r#"200 OK after 3 polls: {"signedBy": "the neighbor"}"#,
        "Lost",
        r#"201 Created passed through: {"draft": 7}"#,
        "a protocol needs a start rule",
        r#""x job" is not the name of a header"#,
        r#""job.phase" is not a JSON pointer to a member"#,
        "404 is not an HTTP status that can stand here",
        "the monitor answered 200 OK with 93 bytes that give no status",
        r#"It was {"job": {"number": "#,
        "did not end in time (Shipped, after ",
        r#"The last word was Some("Shipped")"#,
    ];
    assert_eq!(lines.len(), expected.len(), "{printed}");
    for (lines, expected) in lines.iter().zip(expected) {
        assert!(lines.contains(expected), "{lines:?} is not {expected:?}");
    }
}
