//! The guide's tables agree with the code.

use std::collections::BTreeMap;

const LIMITS: &str = include_str!("../../src/limits.rs");
const PAGE: &str = include_str!("../../src/guide/limits.md");
const STORED: &str = include_str!("../../src/operation/stored.rs");
const FORMAT: &str = include_str!("../../src/guide/stored_format.md");

/// The names and values of the constants, as they are written.
fn constants() -> BTreeMap<&'static str, &'static str> {
    let items = LIMITS.split("pub(crate) const ").skip(1);
    items
        .map(|item| {
            let (name, rest) = item.split_once(':').unwrap();
            let (_, value) = rest.split_once(" = ").unwrap();
            (name, value.split_once(';').unwrap().0)
        })
        .collect()
}

/// The value of an expression of one or two operands.
fn value(expression: &str, constants: &BTreeMap<&str, &str>) -> u64 {
    let operand = |text: &str| match text {
        "u16::MAX as usize" => u64::from(u16::MAX),
        "u32::MAX as usize" => u64::from(u32::MAX),
        text => text.replace('_', "").parse().unwrap_or_else(|_| value(constants[text], constants)),
    };
    if let Some((a, b)) = expression.split_once(" * ") {
        operand(a) * operand(b)
    } else if let Some((a, b)) = expression.split_once(" << ") {
        operand(a) << operand(b)
    } else if let Some((a, b)) = expression.split_once(" >> ") {
        operand(a) >> operand(b)
    } else if let Some((a, b)) = expression.split_once(" - ") {
        operand(a) - operand(b)
    } else {
        operand(expression)
    }
}

/// The value as a reader wants it.
fn readable(name: &str, expression: &str, constants: &BTreeMap<&str, &str>) -> String {
    if let Some(time) = expression.strip_prefix("Duration::from_") {
        let (unit, number) = time.trim_end_matches(')').split_once('(').unwrap();
        return format!("{} {}", value(number, constants), if unit == "secs" { "s" } else { "ms" });
    }
    match value(expression, constants) {
        bytes if !name.contains("BYTES") => bytes.to_string(),
        bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

#[test]
fn every_limit_is_on_its_page_with_its_value() {
    let constants = constants();
    assert!(constants.len() > 20, "{constants:?}");
    let expected: BTreeMap<_, _> =
        constants.iter().map(|(name, value)| ((*name).to_owned(), readable(name, value, &constants))).collect();
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let page: BTreeMap<_, _> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            (cells.next().unwrap().trim_end_matches('`').to_owned(), cells.next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(page, expected);
}

#[test]
fn every_member_of_a_stored_operation_is_on_its_page() {
    let (_, fields) = STORED.split_once("struct Stored<'a> {").unwrap();
    let (fields, _) = fields.split_once("\n}").unwrap();
    let names = fields.lines().map(str::trim).filter(|line| !line.starts_with(['#', '/']));
    let names: Vec<_> =
        names.filter_map(|line| Some(line.split_once(':')?.0)).filter(|name| *name != "unknown").collect();
    assert!(names.len() > 20, "{names:?}");
    let rows = FORMAT.lines().filter_map(|line| line.strip_prefix("| `"));
    let page: Vec<_> = rows.filter_map(|row| Some(row.split_once('`')?.0)).collect();
    assert_eq!(page, names);
}

#[cfg(unix)]
#[test]
fn every_relative_link_of_a_document_leads_somewhere() {
    // The tests are those of more than one package.
    let folders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let script = folders.map(|folder| folder.join("scripts/check-links")).find(|script| script.exists()).unwrap();
    let output = std::process::Command::new(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
