//! Very many operations at once: each must come to its own end, and nothing may be left of it.
//!
//! ```text
//! cargo run --release --example soak -- [--operations N] [--connections M] [--seconds S]
//! ```
//!
//! First N operations in memory, in paused time; then as many, 2000 at most, over loopback sockets, M requests at a time. In
//! both, connections are closed without an answer, bodies break off, and monitors answer 404 at first, 429, 503, redirects, and
//! slowly, each 5 times in 100. Exits with 1, and says why, if anything is not as it was planned.
//!
//! 100 000 operations, the default, take 1.2 GB, most of which is the simulator's scripts.

mod in_memory;
mod limit;
mod plan;
mod report;
mod sockets;

use std::{
    process::{self, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use clap::Parser;

#[derive(Parser)]
#[command(about = "Very many operations at once")]
struct Arguments {
    /// How many operations run in memory
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    operations: u32,
    /// How many requests are under way over sockets
    #[arg(long, value_name = "M", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// When to give up
    #[arg(long, value_name = "S", default_value_t = 120)]
    seconds: u64,
}

const MOST_OVER_SOCKETS: usize = 2000;
const COMPLAINTS_SHOWN: usize = 10;

/// How many operations have ended.
#[derive(Clone, Default)]
struct Progress(Arc<AtomicUsize>);

impl Progress {
    fn ended(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the program after so long, whatever hangs.
    fn give_up_after(&self, seconds: u64) {
        let progress = self.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(seconds));
            let ended = progress.0.load(Ordering::Relaxed);
            eprintln!("Not over after {seconds} s: {ended} operations have ended.");
            process::exit(1);
        });
    }
}

fn main() -> ExitCode {
    let Arguments { operations, connections, seconds } = Arguments::parse();
    let (operations, connections) = (operations as usize, connections as usize);
    let progress = Progress::default();
    progress.give_up_after(seconds);
    // By then, everything that is made only once has been made.
    in_memory::soak(1, &progress);
    sockets::soak(1, connections, &progress);

    let reports = [
        in_memory::soak(operations, &progress),
        sockets::soak(operations.min(MOST_OVER_SOCKETS), connections, &progress),
    ];
    print!("{}", report::table(&reports));
    let mut is_good = true;
    for report in &reports {
        let complaints = report.complaints(connections);
        is_good &= complaints.is_empty();
        for complaint in complaints.iter().take(COMPLAINTS_SHOWN) {
            eprintln!("{}: {complaint}", report.title);
        }
        if let Some(more) = complaints.len().checked_sub(COMPLAINTS_SHOWN).filter(|&more| more > 0) {
            eprintln!("{}: {more} more", report.title);
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
