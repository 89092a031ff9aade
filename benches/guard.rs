//! Holds the counts to `benches/baseline.txt`: allocations exactly, instructions to within 3 %.
//!
//! `cargo bench --bench guard` fails if there is more of anything; `cargo bench --bench guard -- --update` writes what there
//! is. Instructions need valgrind, and mean something with the compiler of the baseline only: with another they are a
//! warning, and without valgrind they are left out. Both are said.

#[path = "common/counted.rs"]
mod allocations;
#[path = "common/mod.rs"]
mod common;

use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    fs,
    process::{Command, ExitCode},
};

use common::{Group, callgrind};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline.txt");
const TOLERANCE: f64 = 0.03;

/// The cost that this crate adds in one iteration.
#[derive(Clone, Copy)]
struct Counts {
    allocations: i64,
    instructions: Option<i64>,
}

fn main() -> ExitCode {
    if callgrind::was_run() {
        return ExitCode::SUCCESS;
    }
    let has_valgrind = callgrind::is_there();
    let groups: Vec<Group> = common::groups().into_iter().filter(|group| !group.is_heavy).collect();
    let counted = groups.iter().map(|group| (group.name.clone(), count(group, has_valgrind))).collect();
    let compiler = compiler();
    if env::args().any(|argument| argument == "--update") {
        if !has_valgrind {
            eprintln!("a baseline needs valgrind");
            return ExitCode::FAILURE;
        }
        return match fs::write(BASELINE, written(&compiler, &counted)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{BASELINE}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match fs::read_to_string(BASELINE).map_err(|error| error.to_string()).and_then(|text| read(&text)) {
        Ok((baseline_compiler, baseline)) => {
            if !has_valgrind {
                println!("No valgrind: only allocations are compared.");
            } else if baseline_compiler != compiler {
                println!(
                    "The baseline is of {baseline_compiler}, this is {compiler}: instructions are a warning only."
                );
            }
            compare(&baseline, &counted, baseline_compiler == compiler)
        }
        Err(error) => {
            eprintln!("{BASELINE}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn count(group: &Group, has_valgrind: bool) -> Counts {
    let ours = &group.cases[0];
    let allocations = |case| allocations::count(case) as i64;
    let instructions = |case| callgrind::instructions(group, case).map(|counted| counted.round() as i64);
    let bare = group.bare.as_ref();
    Counts {
        allocations: allocations(ours) - bare.map_or(0, allocations),
        instructions: if has_valgrind {
            instructions(ours).and_then(|ours| Some(ours - bare.map_or(Some(0), instructions)?))
        } else {
            None
        },
    }
}

fn compiler() -> String {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn written(compiler: &str, counted: &BTreeMap<String, Counts>) -> String {
    let mut text =
        String::from("# Written by `cargo bench --bench guard -- --update`: allocations, instructions, of what.\n");
    _ = writeln!(text, "compiler: {compiler}");
    for (name, Counts { allocations, instructions }) in counted {
        _ = writeln!(text, "{allocations:>5} {:>9}  {name}", instructions.unwrap_or_default());
    }
    text
}

fn read(text: &str) -> Result<(String, BTreeMap<String, Counts>), String> {
    let mut compiler = String::new();
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        if let Some(version) = line.strip_prefix("compiler: ") {
            version.clone_into(&mut compiler);
            continue;
        }
        let parsed = line.trim_start().split_once(' ').and_then(|(allocations, rest)| {
            let (instructions, name) = rest.trim_start().split_once("  ")?;
            let counted =
                Counts { allocations: allocations.parse().ok()?, instructions: Some(instructions.parse().ok()?) };
            Some((name.to_owned(), counted))
        });
        let (name, counted) = parsed.ok_or_else(|| format!("not understood: {line:?}"))?;
        counts.insert(name, counted);
    }
    Ok((compiler, counts))
}

fn compare(
    baseline: &BTreeMap<String, Counts>,
    counted: &BTreeMap<String, Counts>,
    is_same_compiler: bool,
) -> ExitCode {
    let mut has_grown = false;
    println!("{:<56} {:>24} {:>34}", "", "allocations", "instructions");
    for (name, now) in counted {
        let Some(before) = baseline.get(name) else {
            println!("{name:<56} {:>24}", "not in the baseline");
            has_grown = true;
            continue;
        };
        let allocates_more = now.allocations > before.allocations;
        let allocations = format!("{} → {}", before.allocations, now.allocations);
        let mut verdict = if allocates_more { "  GROWN" } else { "" };
        let instructions = match (before.instructions, now.instructions) {
            (Some(before), Some(now)) => {
                let change = now as f64 / before as f64 - 1.0;
                if change > TOLERANCE && is_same_compiler {
                    verdict = "  GROWN";
                } else if change > TOLERANCE && verdict.is_empty() {
                    verdict = "  grown";
                } else if change < -TOLERANCE && verdict.is_empty() {
                    verdict = "  less: update the baseline";
                }
                format!("{before} → {now} ({:+.1} %)", change * 100.0)
            }
            _ => String::new(),
        };
        has_grown |= verdict == "  GROWN";
        println!("{name:<56} {allocations:>24} {instructions:>34}{verdict}");
    }
    for name in baseline.keys().filter(|name| !counted.contains_key(*name)) {
        println!("{name:<56} {:>24}", "only in the baseline");
        has_grown = true;
    }
    if has_grown { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
