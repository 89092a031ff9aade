//! Instructions, counted by valgrind in a process of their own.

use std::{
    env,
    process::{Command, Stdio},
};

use super::{Case, Group, groups};

const RUN: &str = "--run-case";

/// Runs the case that the command line names, if it names one: this is the process that is counted.
pub fn was_run() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [flag, group, case, iterations] = &arguments[..] else { return false };
    let (RUN, Ok(iterations)) = (flag.as_str(), iterations.parse()) else { return false };
    let group = groups().into_iter().find(|candidate| candidate.name == *group);
    let cases = group.into_iter().flat_map(|group| group.bare.into_iter().chain(group.cases));
    cases.filter(|candidate| candidate.name == case).for_each(|case| (case.run)(iterations));
    true
}

pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The instructions of one iteration; none if they cannot be counted.
pub fn instructions(group: &Group, case: &Case) -> Option<f64> {
    // The difference is counted, so that the start of the program is not.
    let (few, many) = if group.is_heavy { (1, 2) } else { (10, 110) };
    let difference = total(group, case, many)?.saturating_sub(total(group, case, few)?);
    Some(difference as f64 / (many - few) as f64)
}

fn total(group: &Group, case: &Case, iterations: usize) -> Option<u64> {
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg("--callgrind-out-file=/dev/null")
        .arg(env::current_exe().ok()?)
        .args([RUN, &group.name, case.name, &iterations.to_string()])
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, collected) = report.lines().find_map(|line| line.split_once("Collected : "))?;
    output.status.success().then_some(collected.trim().parse().ok()?)
}
