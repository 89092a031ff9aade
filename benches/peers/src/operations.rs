//! Whole operations over loopback: instructions, heap, and the time to the first byte of the result.

use crate::{
    BoxError,
    clients::{
        AZURE_CORE, GOOGLE_CLOUD_LRO, HYPER, HYPER_BY_HAND, HYPER_BY_HAND_VALUE, HYPER_DOCUMENTED, REQWEST,
        REQWEST_BY_HAND, REQWEST_BY_HAND_VALUE, REQWEST_DOCUMENTED,
    },
    plot::{Plot, Series},
    process::{Server, instructions, numbers},
    server::SMALL,
    table::{self, grouped, ratio},
};

const CLIENTS: [&str; 6] = [HYPER, HYPER_BY_HAND, REQWEST, REQWEST_BY_HAND, AZURE_CORE, GOOGLE_CLOUD_LRO];

const LARGE: usize = 10_000_000;

/// A size, and how often its time is taken.
const FIRST_BYTES: [(usize, usize); 6] =
    [(1000, 101), (10_000, 101), (100_000, 51), (1_000_000, 31), (LARGE, 15), (100_000_000, 5)];

pub fn report() -> Result<(), BoxError> {
    let plain = Server::start(false)?;
    small(&plain)?;
    protocols(&plain)?;
    large(&plain)?;
    first_bytes(&plain)
}

/// The arguments of a client.
fn arguments(
    client: &str,
    server: &Server,
    protocol: &str,
    bytes: usize,
    times: usize,
    how: &str,
    what: &str,
) -> Vec<String> {
    let (bytes, times) = (bytes.to_string(), times.to_string());
    ["client", client, &server.url, protocol, &server.certificate(), &bytes, &times, how, what]
        .map(str::to_owned)
        .into()
}

/// The instructions of one operation, without those of the client's set-up.
fn per_operation(
    client: &str,
    server: &Server,
    protocol: &str,
    bytes: usize,
    (few, many): (usize, usize),
    how: &str,
) -> Result<f64, BoxError> {
    let count = |times| instructions(&arguments(client, server, protocol, bytes, times, how, "run"));
    Ok((count(many)? - count(few)?) / (many - few) as f64)
}

/// The hand-written loop over the same client.
fn by_hand(client: &str) -> &'static str {
    if client.contains("hyper") { HYPER_BY_HAND } else { REQWEST_BY_HAND }
}

fn small(server: &Server) -> Result<(), BoxError> {
    let mut counts = Vec::new();
    let others = [HYPER_BY_HAND_VALUE, HYPER_DOCUMENTED, REQWEST_BY_HAND_VALUE, REQWEST_DOCUMENTED];
    for client in CLIENTS.into_iter().chain(others) {
        let counted = per_operation(client, server, "http1", SMALL, (20, 220), "collected")?;
        let heap = numbers(&arguments(client, server, "http1", SMALL, 1, "collected", "heap"))?;
        counts.push((client, counted, heap.first().copied().unwrap_or_default()));
    }
    let of =
        |client| counts.iter().find(|(name, ..)| *name == client).map_or((0.0, 0.0), |&(_, count, heap)| (count, heap));
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|&(client, counted, heap)| {
            let hand = of(by_hand(client));
            vec![client.to_owned(), grouped(counted), ratio(counted, hand.0), grouped(heap), ratio(heap, hand.1)]
        })
        .collect();
    table::print(
        &format!("A whole operation over loopback HTTP/1.1: start, 3 polls, {SMALL} B"),
        &["client", "instructions", "÷ by hand", "heap at once, bytes", "÷ by hand"],
        &rows,
    );
    Ok(())
}

fn protocols(plain: &Server) -> Result<(), BoxError> {
    let tls = Server::start(true)?;
    let mut rows = Vec::new();
    for (name, server, protocol) in
        [("HTTP/1.1", plain, "http1"), ("HTTP/2", plain, "http2"), ("HTTP/1.1 over TLS", &tls, "http1")]
    {
        for client in [HYPER, REQWEST] {
            let ours = per_operation(client, server, protocol, SMALL, (20, 220), "collected")?;
            let hand = per_operation(by_hand(client), server, protocol, SMALL, (20, 220), "collected")?;
            let difference =
                if ours < hand { format!("−{}", grouped(hand - ours)) } else { format!("+{}", grouped(ours - hand)) };
            rows.push(vec![format!("{name}, {client}"), grouped(ours), grouped(hand), difference, ratio(ours, hand)]);
        }
    }
    table::print(
        "The same over other protocols: instructions",
        &["", "Lro", "by hand", "difference", "Lro ÷ by hand"],
        &rows,
    );
    Ok(())
}

fn large(server: &Server) -> Result<(), BoxError> {
    let mut rows = Vec::new();
    let mut hands: Vec<(&str, [f64; 3])> = Vec::new();
    let mut measured = Vec::new();
    for client in CLIENTS {
        for how in ["streamed", "collected"] {
            if how == "streamed" && ![HYPER, REQWEST].contains(&client) {
                continue;
            }
            let run = |times, what| numbers(&arguments(client, server, "http1", LARGE, times, how, what));
            let counted = per_operation(client, server, "http1", LARGE, (1, 4), how)?;
            let heap = run(1, "heap")?.first().copied().unwrap_or_default();
            let first = median(run(15, "first-byte")?);
            measured.push((client, how, [counted, heap, first]));
            if client == by_hand(client) {
                hands.push((client, [counted, heap, first]));
            }
        }
    }
    for (client, how, numbers) in measured {
        let hand = hands.iter().find(|(name, _)| *name == by_hand(client)).map_or([0.0; 3], |(_, numbers)| *numbers);
        let [counted, heap, first] = numbers;
        rows.push(vec![
            format!("{client}, {how}"),
            format!("{:.1}", counted / 1e6),
            ratio(counted, hand[0]),
            format!("{:.2}", heap / 1e6),
            ratio(heap, hand[1]),
            format!("{:.2}", first / 1e6),
            ratio(first, hand[2]),
        ]);
    }
    table::print(
        "A result of 10 MB over loopback HTTP/1.1, its status first",
        &[
            "client",
            "million instructions",
            "÷ by hand",
            "heap at once, MB",
            "÷ by hand",
            "first byte, ms",
            "÷ by hand",
        ],
        &rows,
    );
    Ok(())
}

fn first_bytes(server: &Server) -> Result<(), BoxError> {
    let mut series = Vec::new();
    let mut rows: Vec<Vec<String>> = FIRST_BYTES.iter().map(|&(bytes, _)| vec![grouped(bytes as f64)]).collect();
    for client in CLIENTS {
        let how = if [HYPER, REQWEST].contains(&client) { "streamed" } else { "collected" };
        let mut points = Vec::new();
        for (&(bytes, times), row) in FIRST_BYTES.iter().zip(&mut rows) {
            let took = median(numbers(&arguments(client, server, "http1", bytes, times, how, "first-byte"))?) / 1e6;
            points.push((bytes as f64, took));
            row.push(format!("{took:.3}"));
        }
        series.push(Series { name: client, points, is_ours: [HYPER, REQWEST].contains(&client) });
    }
    let mut columns = vec!["bytes"];
    columns.extend(CLIENTS);
    table::print(
        "From the sending of the last poll to the first byte of its result: milliseconds, median",
        &columns,
        &rows,
    );
    Plot {
        title: "Time from the last poll to the first byte of its result",
        x_axis: "size of the result",
        y_axis: "time to its first byte",
        x_unit: |bytes| si(bytes, "B"),
        y_unit: |milliseconds| si(milliseconds / 1000.0, "s"),
        series,
    }
    .write("first-byte.svg")
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// A power of ten with its prefix.
pub fn si(value: f64, unit: &str) -> String {
    let prefixes = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")];
    let (size, prefix) = prefixes.into_iter().find(|(size, _)| value >= size * 0.999).unwrap_or((1.0, ""));
    format!("{:.0} {prefix}{unit}", value / size)
}
