//! SECURITY.md names tests that exist.

use std::{fs, path::Path};

/// The code of the files called `module`.
fn code(folder: &Path, module: &str) -> String {
    let mut found = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            found += &code(&path, module);
        } else if path.file_name().unwrap() == format!("{module}.rs").as_str() {
            found += &fs::read_to_string(&path).unwrap();
        }
    }
    found
}

#[test]
fn every_promise_names_tests_that_there_are() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let security = fs::read_to_string(package.join("SECURITY.md")).unwrap();
    let is_promise =
        |line: &&str| line.starts_with("| ") && !line.starts_with("| promise") && !line.starts_with("| ---");
    let mut promises = 0;
    for row in security.lines().filter(is_promise) {
        let tests = row.rsplit('|').nth(1).unwrap();
        let tests: Vec<_> = tests.split('`').filter_map(|name| name.split_once("::")).collect();
        assert!(!tests.is_empty(), "no test holds: {row}");
        for (module, test) in tests {
            let code = code(&package.join("tests"), module) + &code(&package.join("src"), module);
            assert!(code.contains(&format!("fn {test}(")), "there is no test {module}::{test}");
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises}");
}
