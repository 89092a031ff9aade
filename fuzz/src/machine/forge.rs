//! Changes that someone who can write to a store makes to an operation.

use serde_json::{Value, json};
use tower_lro::Operation;

use super::{reply::ADDRESSES, settings::PROTOCOLS, tape::Tape};

const NUMBERS: [u64; 6] = [0, 1, 10, 200, u32::MAX as u64, u64::MAX];
const STATES: [&str; 4] = ["NotStarted", "Running", "Succeeded", "Failed"];
const MEMBERS: [&str; 19] = [
    "monitor",
    "start",
    "result",
    "location",
    "resource",
    "protocol",
    "anonymous",
    "rule",
    "state",
    "polls",
    "elapsed_ms",
    "accepted_ms",
    "deadline_ms",
    "backoff_ns",
    "failures",
    "moves",
    "has_status",
    "redirected_from",
    "no_monitor",
];

/// Changes some members. `None` if what comes out is refused.
pub fn forge(operation: &str, tape: &mut Tape) -> Option<Operation> {
    let mut stored: Value = serde_json::from_str(operation).expect("operations are JSON");
    for _ in 0..=tape.byte() % 4 {
        let member = tape.pick(&MEMBERS);
        let address = |tape: &mut Tape| String::from_utf8_lossy(&tape.text(&ADDRESSES)).into_owned();
        stored[member] = match member {
            "monitor" | "location" | "resource" | "redirected_from" => json!(address(tape)),
            "start" => json!({"method": tape.pick(&["POST", "PUT", "GET"]), "uri": address(tape)}),
            "result" => json!({"uri": address(tape), "anonymous": tape.byte() % 2 == 1}),
            "protocol" => json!(tape.pick(&PROTOCOLS)),
            "anonymous" | "has_status" | "no_monitor" => json!(tape.byte() % 2 == 1),
            "state" => json!(tape.pick(&STATES)),
            "rule" | "moves" => json!(tape.byte()),
            _ => json!(tape.pick(&NUMBERS)),
        };
    }
    serde_json::from_value(stored).ok()
}
