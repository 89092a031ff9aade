//! Allocations per call, and how many bytes are allocated at once at most.
//!
//! `cargo bench --bench allocations [PART OF A GROUP'S NAME]…` prints a table.

#[path = "common/counted.rs"]
mod allocations;
#[path = "common/mod.rs"]
mod common;

fn main() {
    for group in common::wanted_groups() {
        group.print("allocations", |case| Some(allocations::count(case) as f64));
        group.print("bytes at once", |case| Some(peak(case) as f64));
    }
}

/// How many bytes are allocated at once at most.
fn peak(case: &common::Case) -> u64 {
    (case.run)(1);
    allocation_counter::measure(|| (case.run)(1)).bytes_max
}
