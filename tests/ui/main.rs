//! The compiler's messages for the usual mistakes: each of `package/examples`, with its message beside it.
//!
//! `UPDATE_UI=1 cargo test --test ui` writes down what is printed now. Not by trybuild, which would build all development
//! dependencies again, with all features on: here is a small package, with features off but for those of reqwest 0.13 where the case has a client of 0.12.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The compiler that the messages are of. Others word them differently: with those nothing is compared.
const RUSTC: &str = "rustc 1.95.0";

fn cargo(package: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    // Beside the other things of this build, whichever that is, and without the warnings of the crate itself.
    command.current_dir(package).env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui"));
    command.env("RUSTFLAGS", "-A warnings").env("CARGO_TERM_COLOR", "never");
    command
}

/// The compiler's message, without the parts that differ from machine to machine or with the line that something is on.
fn printed(package: &Path, case: &str) -> (bool, String) {
    let features = if case.starts_with("other_version_") { "reqwest-0-13" } else { "" };
    let check = ["check", "--quiet", "--locked", "--features", features, "--example", case];
    let output = cargo(package).args(check).output().unwrap();
    let mut printed = String::new();
    let mut is_in_list = false;
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        let text = line.trim_start();
        // Implementations come and go.
        is_in_list = is_in_list && (line.starts_with("             ") || text.starts_with("and "));
        let is_left_out = is_in_list
            || line.starts_with("error: could not compile")
            || line.contains("the full name for the type has been written to");
        if is_left_out {
            continue;
        }
        is_in_list = line.contains("the following other types implement trait");
        printed += &match text.split_once(' ') {
            Some(("-->" | ":::", place)) => {
                let file = place.rsplit('/').next().and_then(|file| file.split(':').next()).unwrap_or_default();
                format!("--> {file}")
            }
            Some((number, code)) if code.starts_with(['|', '+']) && number.parse::<u32>().is_ok() => {
                format!("LL {code}")
            }
            _ if text.starts_with(['|', '=']) => format!("   {text}"),
            _ => line.to_owned(),
        };
        printed.truncate(printed.trim_end().len());
        printed.push('\n');
    }
    (output.status.success(), printed)
}

#[test]
fn the_compiler_names_the_usual_mistakes() {
    let version = Command::new("rustc").arg("-vV").output().map(|output| String::from_utf8(output.stdout).unwrap());
    let Some(version) = version.ok().filter(|version| version.starts_with(RUSTC)) else {
        eprintln!("skipped: the messages are those of {RUSTC}");
        return;
    };
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/package");
    let fetched = cargo(&package).args(["fetch", "--quiet", "--locked", "--target", host]).output().unwrap();
    if !fetched.status.success() {
        let why = String::from_utf8_lossy(&fetched.stderr);
        assert!(!why.contains("--locked"), "run `cargo metadata` in {}: {why}", package.display());
        eprintln!("skipped: the crates that the mistakes are compiled against cannot be downloaded: {why}");
        return;
    }
    let mut cases: Vec<PathBuf> =
        fs::read_dir(package.join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    cases.sort();
    assert!(cases.len() >= 9, "{cases:?}");
    let mut differs = Vec::new();
    for case in cases {
        let name = case.file_stem().unwrap().to_str().unwrap();
        let (compiles, printed) = printed(&package, name);
        assert!(!compiles, "{name} compiles");
        let file = case.with_extension("stderr");
        if env::var_os("UPDATE_UI").is_some() {
            fs::write(&file, &printed).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != printed {
            differs.push(format!("── {name}\n{printed}"));
        }
    }
    assert!(differs.is_empty(), "not what is in the .stderr files:\n{}", differs.join("\n"));
}
