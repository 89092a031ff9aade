//! Allocations per call, and how many bytes are allocated at once at most.
//!
//! `cargo bench --bench allocations` prints a table.

#[path = "common/mod.rs"]
mod common;

use common::cases::CASES;

fn main() {
    println!("{:<44} {:>12} {:>12}", "case", "allocations", "peak bytes");
    for case in CASES {
        // What is made once has been made then.
        (case.run)(2);
        let one = allocation_counter::measure(|| (case.run)(1));
        let eleven = allocation_counter::measure(|| (case.run)(11));
        println!("{:<44} {:>12} {:>12}", case.name, (eleven.count_total - one.count_total) / 10, one.bytes_max);
    }
}
