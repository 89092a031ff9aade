//! Allocations, counted in this process. Not among the others, because the counting has its own instructions.

use allocation_counter::measure;

use crate::common::Case;

/// The allocations of one iteration.
pub fn count(case: &Case) -> u64 {
    // By then, everything that is made only once has been made.
    (case.run)(2);
    let one = measure(|| (case.run)(1));
    let three = measure(|| (case.run)(3));
    (three.count_total - one.count_total) / 2
}
