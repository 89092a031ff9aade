//! Settings for a single request.

use crate::run::prints;

#[test]
fn each_request_goes_by_its_own_settings() {
    let printed = prints("per_request");
    let lines: Vec<_> = printed.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let result = r#"200 OK {"status": "Succeeded", "result": "xxxxxxxx"}"#;
    let expected: [&[&str]; 9] = [
        &[result],
        &["it did not end in time", "and 0 polls"],
        &[result],
        &["202 Accepted, operation-location: true"],
        &["200 OK, Failed"],
        &["the operation failed: [InvalidFeature]"],
        &["202 Accepted, location: true"],
        &[result],
        &["202 Accepted, operation-location: true"],
    ];
    assert_eq!(lines.len(), expected.len(), "{printed}");
    for (lines, expected) in lines.iter().zip(expected) {
        assert!(expected.iter().all(|part| lines.contains(part)), "{lines:?} is not {expected:?}");
    }
}
