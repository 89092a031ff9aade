//! The example `progress`.

use crate::run::prints;

/// The lines of one of the operations.
fn lines<'a>(printed: &'a str, file: &str) -> Vec<&'a str> {
    printed.lines().map(str::trim_start).filter_map(|line| line.strip_prefix(file)).map(str::trim_start).collect()
}

#[test]
fn each_of_the_operations_shows_its_own_progress() {
    let printed = prints("progress");
    assert_eq!(
        lines(&printed, "atrium"),
        ["0 % accepted", "33 % Running", "66 % Running", "100 % Succeeded", "100 % done, 3 polls"]
    );
    assert_eq!(
        lines(&printed, "basement"),
        ["0 % accepted", "25 % Running", "50 % Running", "75 % Running", "100 % Succeeded", "100 % done, 4 polls"]
    );
    for file in ["atrium", "basement", "canteen", "library", "lobby", "offices", "roof"] {
        let lines = lines(&printed, file);
        let last = lines.last().unwrap();
        assert!(last.starts_with("100 % done, "), "{file}: {printed}");
    }
    assert_eq!(printed.lines().last(), Some("7 of 8 operations succeeded"), "{printed}");
}

#[test]
fn failures_are_shown_where_they_happen() {
    let printed = prints("progress");
    assert_eq!(
        lines(&printed, "garage"),
        ["0 % accepted", "16 % Running", "16 % Failed", "16 % [NoGeometry] There is nothing in it."]
    );
    let roof = lines(&printed, "roof");
    assert!(roof[2].starts_with("16 % poll failed: HTTP 503 Service Unavailable, retrying in "), "{printed}");
    assert_eq!(printed.matches("poll failed").count(), 1, "{printed}");
}
