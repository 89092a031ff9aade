//! `Report`: what a soak has seen, as a column of a table.

use std::{
    collections::BTreeSet,
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use allocation_counter::AllocationInfo;
use tower_lro::{Event, LroLayer};

use crate::plan::Tally;

/// The bytes that may stay allocated when all is over: what the runtime and the standard library make once for a thread.
const KEPT_BYTES: i64 = 16 << 10;

pub struct Report {
    pub title: &'static str,
    pub tally: Tally,
    pub failures: u64,
    pub peak_connections: Option<usize>,
    pub took: Duration,
    /// On top of what was allocated before.
    pub memory: AllocationInfo,
    pub script_bytes: Option<i64>,
    pub bytes_per_waiting: Option<i64>,
    pub complaints: Vec<String>,
}

/// How many polls have failed.
#[derive(Default)]
pub struct Failures(Arc<AtomicU64>);

impl Failures {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A layer that counts them, and survives one failed poll in a row: what a plan has no place for shows.
    pub fn layer(&self) -> LroLayer {
        let failures = self.0.clone();
        LroLayer::new().max_consecutive_failures(1).on_event(move |event| {
            if let Event::PollFailed { .. } = event {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        })
    }
}

impl Report {
    /// Runs a soak, and notes its time and its memory.
    pub fn of(title: &'static str, soak: impl FnOnce(&mut Self)) -> Self {
        let mut report = Self {
            title,
            tally: Tally::default(),
            failures: 0,
            peak_connections: None,
            took: Duration::ZERO,
            memory: AllocationInfo::default(),
            script_bytes: None,
            bytes_per_waiting: None,
            complaints: Vec::new(),
        };
        let began = Instant::now();
        report.memory = allocation_counter::measure(|| soak(&mut report));
        report.took = began.elapsed();
        report
    }

    /// Notes whether two numbers that must agree do.
    pub fn expect(&mut self, what: &str, seen: u64, expected: u64) {
        if seen != expected {
            self.complaints.push(format!("{what}: {seen} instead of {expected}"));
        }
    }

    /// The errors, once the soak is over.
    pub fn complaints(&self, connections: usize) -> Vec<String> {
        let mut complaints = self.complaints.clone();
        let kept = self.memory.bytes_current;
        if kept > KEPT_BYTES {
            complaints.push(format!("{kept} bytes are still allocated"));
        }
        // A connection is idle again a little after its response has been read, and the server sees late that one has ended.
        if let Some(peak) = self.peak_connections.filter(|&peak| peak > 2 * connections) {
            complaints.push(format!("{peak} connections at once, for {connections} requests at a time"));
        }
        complaints.extend_from_slice(&self.tally.wrong);
        complaints
    }
}

/// The reports side by side.
pub fn table(reports: &[Report]) -> String {
    let mut table = String::new();
    let mut row = |name: &str, value: &dyn Fn(&Report) -> String| {
        let values: String = reports.iter().map(|report| format!("{:>16}", value(report))).collect();
        _ = writeln!(table, "{name:<28}{values}");
    };
    row("", &|report| report.title.to_owned());
    row("operations", &|report| report.tally.operations().to_string());
    let ends: BTreeSet<_> = reports.iter().flat_map(|report| report.tally.ends.keys()).collect();
    for end in ends {
        row(&format!("  {end}"), &|report| report.tally.ends.get(end).copied().unwrap_or_default().to_string());
    }
    row("polls", &|report| report.tally.polls.to_string());
    row("  failed", &|report| report.failures.to_string());
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    row("connections at once", &|report| optional(report.peak_connections.map(|peak| peak.to_string())));
    row("time", &|report| format!("{:.1} s", report.took.as_secs_f64()));
    row("memory, on top of the start", &|_| String::new());
    row("  at its peak", &|report| format!("{} kB", report.memory.bytes_max / 1000));
    row("    scripts", &|report| optional(report.script_bytes.map(|bytes| format!("{} kB", bytes / 1000))));
    row("  per waiting operation", &|report| optional(report.bytes_per_waiting.map(|bytes| format!("{bytes} B"))));
    row("  at the end", &|report| format!("{} B", report.memory.bytes_current));
    table
}
