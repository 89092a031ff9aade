//! Shared by the benches: the cases, and how they are printed. Each bench uses a part of it.

#![allow(dead_code)]

/// Runs a future that never waits, but may let others have a turn. A macro, so that the future is made where it is polled, as
/// in an `async fn`.
macro_rules! now {
    ($future:expr) => {{
        let mut future = std::pin::pin!($future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut turns = 0;
        loop {
            match std::future::Future::poll(future.as_mut(), &mut context) {
                std::task::Poll::Ready(output) => break output,
                std::task::Poll::Pending if turns < 1000 => turns += 1,
                std::task::Poll::Pending => panic!("it waits"),
            }
        }
    }};
}

use std::sync::LazyLock;

use tokio::runtime::{self, Runtime};

pub mod bodies;
pub mod by_hand;
pub mod callgrind;
pub mod operation;
pub mod pass_through;
pub mod status;

/// Different ways to do the same thing.
pub struct Group {
    pub name: String,
    /// Whether one round of it is a matter of milliseconds.
    pub is_heavy: bool,
    /// The part that all candidates share, which counts for none of them.
    pub bare: Option<Case>,
    /// The ways. The first is this crate's, and the others are what it is held against.
    pub cases: Vec<Case>,
}

/// One way: its name, and what does it so many times.
pub struct Case {
    pub name: &'static str,
    pub run: Box<dyn Fn(usize)>,
}

/// Runs within a runtime, whose timer the layer asks for, and which is never waited for.
pub fn case(name: &'static str, run: impl Fn(usize) + 'static) -> Case {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let run = move |iterations| {
        let _context = RUNTIME.enter();
        run(iterations);
    };
    Case { name, run: Box::new(run) }
}

pub fn groups() -> Vec<Group> {
    [pass_through::groups(), status::groups(), operation::groups()].into_iter().flatten().collect()
}

/// Those whose name has one of the parts in it that the command line gives, or all if it gives none.
pub fn wanted_groups() -> Vec<Group> {
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let is_wanted = |group: &Group| parts.is_empty() || parts.iter().any(|part| group.name.contains(part.as_str()));
    groups().into_iter().filter(is_wanted).collect()
}

impl Group {
    /// Measures every case, and prints what each costs beyond what is bare, and what part of it this crate's is.
    pub fn print(&self, unit: &str, mut measure: impl FnMut(&Case) -> Option<f64>) {
        println!("\n{:<56} {unit:>14} {:>12}", self.name, "Lro ÷ it");
        let mut bare = 0.0;
        if let Some(case) = &self.bare {
            let Some(measured) = measure(case) else { return println!("  not measured") };
            println!("  {:<54} {measured:>14.0}", case.name);
            bare = measured;
        }
        let sign = if self.bare.is_some() { "+" } else { "" };
        let mut ours = None;
        for case in &self.cases {
            let Some(measured) = measure(case) else { return println!("  not measured") };
            let cost = measured - bare;
            let ours = *ours.get_or_insert(cost);
            let ratio = if cost > 0.0 { format!("{:.2}", ours / cost) } else { "–".to_owned() };
            println!("  {:<54} {:>14} {ratio:>12}", case.name, format!("{sign}{cost:.0}"));
        }
    }
}
