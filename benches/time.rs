//! Time per call, for those who want it in nanoseconds: `cargo bench --bench time`.
//!
//! It depends on the machine and on what else it is doing; `instructions` and `allocations` do not.

#![allow(missing_docs)]

#[path = "common/mod.rs"]
mod common;

use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn calls(criterion: &mut Criterion) {
    for case in common::cases::CASES {
        criterion.bench_function(case.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let began = Instant::now();
                (case.run)(iterations as usize);
                began.elapsed()
            });
        });
    }
}

/// 10 MB, with the status at the end.
fn large_bodies(criterion: &mut Criterion) {
    let body = common::cases::large();
    let mut group = criterion.benchmark_group("status last in 10 MB");
    group.sample_size(20).throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("scanner", |bencher| bencher.iter(|| common::cases::scan(&body, 1)));
    group.bench_function("serde_json struct", |bencher| bencher.iter(|| common::cases::deserialize(&body, 1)));
    group.bench_function("memcpy", |bencher| bencher.iter(|| std::hint::black_box(body.clone())));
    group.finish();
}

criterion_group!(benches, calls, large_bodies);
criterion_main!(benches);
