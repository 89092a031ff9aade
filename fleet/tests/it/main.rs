//! Tests of the fleet, on every queue that can be had here.

mod commands;
mod contract;
mod crew;
mod hostile;
#[cfg(feature = "postgres")]
mod outage;
mod strangers;
mod worker;

#[cfg(not(all(feature = "postgres", feature = "nats")))]
#[test]
fn queues_that_are_not_built_are_not_tested() {
    use std::io::Write;

    for (name, is_built) in [("Postgres", cfg!(feature = "postgres")), ("NATS", cfg!(feature = "nats"))] {
        if !is_built {
            // Not by a macro, whose output a test that passes keeps to itself.
            _ = writeln!(std::io::stderr(), "NOT COMPILED: the tests on {name} (`--features all`)");
        }
    }
}
