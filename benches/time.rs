//! Time per call, for those who want it in nanoseconds: `cargo bench --bench time [PART OF A GROUP'S NAME]`.
//!
//! It depends on the machine and on what else it is doing; `instructions` and `allocations` do not. The tables at the end
//! have the shortest of the samples.

#[path = "common/mod.rs"]
mod common;

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use common::{Case, Group};
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args();
    let groups = common::wanted_groups();
    let times: Vec<Vec<Option<f64>>> = groups.iter().map(|group| measure(&mut criterion, group)).collect();
    criterion.final_summary();
    for (group, times) in groups.iter().zip(times) {
        let mut times = times.into_iter();
        group.print("nanoseconds", |_| times.next().flatten());
    }
}

/// The shortest time per call of each case, what is bare first.
fn measure(criterion: &mut Criterion, group: &Group) -> Vec<Option<f64>> {
    let mut benches = criterion.benchmark_group(&group.name);
    let cases = group.bare.iter().chain(&group.cases);
    let times = cases.map(|Case { name, run }| {
        let shortest = Cell::new(f64::INFINITY);
        benches.bench_function(*name, |bencher| {
            bencher.iter_custom(|iterations| {
                let began = Instant::now();
                run(iterations as usize);
                let elapsed = began.elapsed();
                shortest.set(shortest.get().min(elapsed.as_nanos() as f64 / iterations as f64));
                elapsed
            });
        });
        Some(shortest.get()).filter(|time| time.is_finite())
    });
    let times = times.collect();
    benches.finish();
    times
}
