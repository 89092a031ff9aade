//! `Metrics`: what a worker has done, and the page that Prometheus reads.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{process, queue::Counts};

/// The content type of the page: Prometheus 3 refuses a page without it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds so many.
    pub fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The work of a worker since it began.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Jobs that were claimed.
    pub claimed: Counter,
    /// Requests that polled an operation.
    pub polls: Counter,
    /// Requests that were to start one.
    pub starts: Counter,
    /// Jobs that were put back.
    pub later: Counter,
    /// Results that were stored.
    pub finished: Counter,
    /// Jobs that were given up.
    pub dead: Counter,
    /// Writes that came too late: the lease had run out, or the result was there.
    pub refused: Counter,
    /// Requests to the queue that failed, and were repeated.
    pub queue_errors: Counter,
    /// Jobs that this worker has at this moment.
    pub in_flight: AtomicU64,
}

impl Metrics {
    /// The page, in the text format of Prometheus.
    #[must_use]
    pub fn page(&self, counts: Option<Counts>) -> String {
        let mut page = String::new();
        let counters = [
            ("fleet_claimed_total", "Jobs claimed.", &self.claimed),
            ("fleet_polls_total", "Requests that polled an operation.", &self.polls),
            ("fleet_starts_total", "Requests that were to start an operation.", &self.starts),
            ("fleet_put_back_total", "Jobs put back for later.", &self.later),
            ("fleet_finished_total", "Results stored.", &self.finished),
            ("fleet_dead_total", "Jobs given up.", &self.dead),
            ("fleet_refused_total", "Writes that came too late.", &self.refused),
            ("fleet_queue_errors_total", "Requests to the queue that failed.", &self.queue_errors),
        ];
        for (name, help, counter) in counters {
            metric(&mut page, name, help, "counter", counter.get() as f64);
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        metric(&mut page, "fleet_in_flight", "Jobs that this worker has.", "gauge", in_flight as f64);
        if let Some(Counts { open, finished, dead }) = counts {
            metric(&mut page, "fleet_queue_open", "Jobs in the queue that wait or are leased.", "gauge", open as f64);
            metric(&mut page, "fleet_queue_finished", "Jobs in the queue with a result.", "gauge", finished as f64);
            metric(&mut page, "fleet_queue_dead", "Jobs in the queue that were given up.", "gauge", dead as f64);
        }
        if let Some(usage) = process::usage() {
            let (cpu, memory) = (usage.cpu.as_secs_f64(), usage.resident_bytes as f64);
            metric(&mut page, "process_cpu_seconds_total", "CPU time, user and system.", "counter", cpu);
            metric(&mut page, "process_resident_memory_bytes", "Resident memory.", "gauge", memory);
        }
        page
    }
}

fn metric(page: &mut String, name: &str, help: &str, kind: &str, value: f64) {
    _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_one_line_for_each_number() {
        let metrics = Metrics::default();
        metrics.polls.add(3);
        let page = metrics.page(Some(Counts { open: 2, finished: 1, dead: 0 }));
        assert!(page.contains("\n# TYPE fleet_polls_total counter\nfleet_polls_total 3\n"));
        assert!(page.contains("\nfleet_queue_open 2\n"));
    }
}
