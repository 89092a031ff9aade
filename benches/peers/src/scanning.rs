//! Looking for the status in a body, against parsers, and against copying it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use actson::{JsonEvent, JsonParser, feeder::SliceJsonFeeder};
use serde::Deserialize;
use sonic_rs::JsonValueTrait;
use tower_lro::internals::Scanner;

use crate::{
    bodies::{self, SIZES, STATUSES, Status},
    table,
};

type Scan = fn(&[u8]) -> bool;

const WAYS: [(&str, Scan); 6] = [
    ("Lro's scanner", |body| Scanner::new().scan(body) == Some("Succeeded")),
    ("serde_json, struct", |body| serde_json::from_slice(body).is_ok_and(|StatusOf { status }| status == "Succeeded")),
    ("serde_json, Value", |body| {
        serde_json::from_slice(body).is_ok_and(|value: serde_json::Value| value["status"] == "Succeeded")
    }),
    ("actson", actson),
    ("sonic-rs, get", |body| {
        sonic_rs::get_from_slice(body, ["status"]).is_ok_and(|value| value.as_str() == Some("Succeeded"))
    }),
    ("memcpy", |body| !black_box(body.to_vec()).is_empty()),
];

#[derive(Deserialize)]
struct StatusOf<'a> {
    status: &'a str,
}

/// Up to the status, as it is done with a parser of events.
fn actson(body: &[u8]) -> bool {
    let mut parser = JsonParser::new(SliceJsonFeeder::new(body));
    let (mut depth, mut is_status) = (0, false);
    while let Ok(Some(event)) = parser.next_event() {
        match event {
            JsonEvent::StartObject | JsonEvent::StartArray => depth += 1,
            JsonEvent::EndObject | JsonEvent::EndArray => depth -= 1,
            JsonEvent::FieldName if depth == 1 => is_status = parser.current_str().is_ok_and(|key| key == "status"),
            JsonEvent::ValueString if depth == 1 && is_status => {
                return parser.current_str().is_ok_and(|status| status == "Succeeded");
            }
            _ => {}
        }
    }
    false
}

pub fn report() {
    let mut columns = vec!["status"];
    columns.extend(WAYS.iter().map(|(name, _)| *name));
    let (mut times, mut ratios) = (Vec::new(), Vec::new());
    for (size_name, size) in SIZES {
        for status in STATUSES {
            let body = bodies::body(size, status);
            let measured: Vec<f64> = WAYS.iter().map(|&(_, scan)| shortest(scan, body)).collect();
            let label = match status {
                Status::First => format!("first in {size_name}"),
                Status::Middle => format!("in the middle of {size_name}"),
                Status::Last => format!("last in {size_name}"),
            };
            let text = |cell: &dyn Fn(f64) -> String| {
                [label.clone()].into_iter().chain(measured.iter().map(|&time| cell(time))).collect::<Vec<_>>()
            };
            times.push(text(&|time| format!("{} ({:.2})", table::grouped(time), body.len() as f64 / time)));
            ratios.push(text(&|time| table::ratio(measured[0], time)));
        }
    }
    table::print("Looking for the status: nanoseconds (gigabytes of body per second)", &columns, &times);
    table::print("Looking for the status: the time of Lro's scanner, as a part of the others'", &columns, &ratios);
}

/// The shortest of many times, in nanoseconds.
fn shortest(scan: Scan, body: &[u8]) -> f64 {
    let began = Instant::now();
    let rounds = if body.len() < 100_000 { 100 } else { 1 };
    let mut shortest = f64::INFINITY;
    let mut samples = 0;
    while samples < 10 || began.elapsed() < Duration::from_millis(300) {
        samples += 1;
        let began = Instant::now();
        for _ in 0..rounds {
            assert!(scan(black_box(body)));
        }
        shortest = shortest.min(began.elapsed().as_nanos() as f64 / f64::from(rounds));
    }
    shortest
}
