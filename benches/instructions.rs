//! Instructions per call: counts that do not depend on what else the machine is doing.
//!
//! `cargo bench --bench instructions [PART OF A GROUP'S NAME]…` prints a table. They are counted by valgrind, which has to
//! be installed (Debian: `apt install valgrind`); without it there is nothing to see.

#[path = "common/mod.rs"]
mod common;

use common::callgrind;

fn main() {
    if callgrind::was_run() {
        return;
    }
    for group in common::wanted_groups() {
        group.print("instructions", |case| callgrind::instructions(&group, case));
    }
}
