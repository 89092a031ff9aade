//! Instructions per call: counts that do not depend on what else the machine is doing.
//!
//! `cargo bench --bench instructions [PART OF A CASE'S NAME]…` prints a table. They are counted by valgrind, which has to
//! be installed (Debian: `apt install valgrind`); without it there is nothing to see.

#[path = "common/mod.rs"]
mod common;

use std::{
    env,
    process::{Command, Stdio},
};

use common::cases::CASES;

/// What is counted is the difference, so that the start of the program is not.
const FEW: usize = 10;
const MANY: usize = 110;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [name, iterations] = &arguments[..] {
        if let (Some(case), Ok(iterations)) = (CASES.iter().find(|case| case.name == name), iterations.parse()) {
            return (case.run)(iterations);
        }
    }
    let wanted = |name: &str| arguments.is_empty() || arguments.iter().any(|part| name.contains(part.as_str()));
    println!("{:<44} {:>14}", "case", "instructions");
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        let counted = match (instructions(case.name, FEW), instructions(case.name, MANY)) {
            (Some(few), Some(many)) => ((many - few) / (MANY - FEW) as u64).to_string(),
            _ => "no valgrind".to_owned(),
        };
        println!("{:<44} {counted:>14}", case.name);
    }
}

/// How many instructions it takes to run a case so often, the start of the program included.
fn instructions(name: &str, iterations: usize) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .args([name, &iterations.to_string()])
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = report.lines().find_map(|line| line.split_once("Collected : "))?;
    collected.1.trim().parse().ok()
}
