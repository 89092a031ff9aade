//! The resources that a process has used, from Linux's `/proc`.

use std::{fs, time::Duration};

/// The resources that a process has used.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// Memory that is resident.
    pub resident_bytes: u64,
}

/// Measures this process. `None` where there is no `/proc`.
#[must_use]
pub fn usage() -> Option<Usage> {
    usage_of("self")
}

/// Measures another process, or all of its threads.
#[must_use]
pub fn usage_of(pid: &str) -> Option<Usage> {
    // `USER_HZ` is 100 on every architecture that Linux counts with it.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(Usage { cpu: TICK * ticks, resident_bytes: kilobytes * 1024 })
}
