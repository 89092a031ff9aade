//! The cost of depending on this crate: how many crates, and none of reqwest's features.

use std::{collections::BTreeSet, process::Command};

/// The crates that the default feature set builds, this one included, on Linux. The `dependencies` page of the guide says what each brings.
const DEFAULT: usize = 50;

const FEATURES: [&str; 8] = [
    "reqwest",
    "reqwest-middleware",
    "reqwest-0-12",
    "reqwest-middleware-0-4",
    "serde",
    "simulator",
    "tracing",
    "full",
];

/// The lines of `cargo tree` with these features of this crate, each once.
fn tree(features: &str, edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", "tower-lro", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--features", features, "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).filter(|line| !line.is_empty()).collect()
}

fn reqwest_features(features: &str, edges: &str) -> BTreeSet<String> {
    tree(features, edges).into_iter().filter(|line| line.starts_with("reqwest feature ")).collect()
}

#[test]
fn the_default_features_build_as_many_crates_as_the_readme_says() {
    let crates = tree("", "normal");
    assert_eq!(crates.len(), DEFAULT, "{crates:#?}");
}

#[test]
fn the_guide_has_the_number_of_crates_for_each_feature() {
    let page = include_str!("../src/guide/dependencies.md");
    let (_, table) = page.split_once("| features | crates built, in all |").unwrap();
    let mut checked = BTreeSet::new();
    for row in table.lines().skip(2).map_while(|line| line.strip_prefix('|')) {
        let (features, count) = row.trim_end_matches('|').split_once('|').unwrap();
        let names: Vec<_> = features.split('`').skip(1).step_by(2).collect();
        let crates = tree(&names.join(","), "normal,build");
        assert_eq!(crates.len().to_string(), count.trim(), "{features}");
        checked.extend(names);
    }
    assert_eq!(checked, BTreeSet::from(FEATURES));
}

#[test]
fn no_feature_of_ours_switches_one_of_reqwest_on() {
    // This crate's own tests do, which is how such a thing looks like.
    assert!(reqwest_features("full", "normal,dev,features").contains("reqwest feature \"rustls\""));
    for features in FEATURES {
        assert_eq!(reqwest_features(features, "normal,features"), BTreeSet::new(), "{features}");
    }
    assert!(tree("full", "normal").iter().any(|line| line.starts_with("reqwest v")));
}

#[test]
fn each_feature_brings_its_own_version_of_reqwest_alone() {
    let versions = |features: &str| {
        let crates = tree(features, "normal").into_iter();
        let version =
            |line: String| line.strip_prefix("reqwest v")?.rsplit_once('.').map(|(minor, _)| minor.to_owned());
        crates.filter_map(version).collect::<Vec<_>>()
    };
    for (features, expected) in [
        ("serde,simulator,tracing", &[][..]),
        ("full", &["0.13"]),
        ("reqwest-middleware-0-4", &["0.12"]),
        ("full,reqwest-middleware-0-4", &["0.12", "0.13"]),
    ] {
        assert_eq!(versions(features), expected, "{features}");
    }
}
