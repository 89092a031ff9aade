//! The table of `fleet list`.

use std::time::Duration;

use serde_json::Value;

use crate::{
    queue::{Entry, State},
    terminal::printable,
};

const HEAD: [&str; 6] = ["tenant", "operation", "state", "age", "next poll", "failures"];

/// The entries as a table, one line for each.
#[must_use]
pub fn table(entries: &[Entry]) -> String {
    let head = HEAD.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(entries.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..HEAD.len()).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width));
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn row(entry: &Entry) -> [String; 6] {
    let envelope: Value = serde_json::from_str(&entry.envelope).unwrap_or_default();
    let tenant = clean(envelope["tenant"].as_str().unwrap_or("?"));
    let work = if envelope["start"].is_object() { &envelope["start"] } else { &envelope["operation"] };
    let status = match work["status"].as_str() {
        Some(status) => clean(status),
        None if envelope["start"].is_object() => "to be started".to_owned(),
        None => "started".to_owned(),
    };
    let (state, next) = match &entry.state {
        State::Waiting(due) if due.is_zero() => (status, "now".to_owned()),
        State::Waiting(due) => (status, format!("in {}", short(*due))),
        State::Leased => (status, "being polled".to_owned()),
        State::Finished(status, _) => (clean(status), "-".to_owned()),
        State::Dead(reason) => (format!("dead: {}", clean(reason)), "-".to_owned()),
    };
    let failures = work["failures"].as_u64().unwrap_or_default().to_string();
    [tenant, one_line(entry.id.as_str()), state, short(entry.age), next, failures]
}

/// All of it, in a cell.
fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// The beginning of it, for a cell.
fn clean(text: &str) -> String {
    let mut clean = one_line(text);
    if let Some((end, _)) = clean.char_indices().nth(60) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

fn short(duration: Duration) -> String {
    match duration.as_secs() {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::job::JobId;

    #[test]
    fn one_line_for_each_job() {
        let entry = |id: &str, envelope: &str, state| Entry {
            id: JobId::stored(id.to_owned()),
            envelope: envelope.to_owned(),
            state,
            accepted: SystemTime::UNIX_EPOCH,
            age: Duration::from_secs(75),
        };
        let running = r#"{"tenant":"acme","operation":{"status":"Running","failures":2}}"#;
        let table = table(&[
            entry("a", running, State::Waiting(Duration::from_millis(4200))),
            entry("b", running, State::Finished("Succeeded".to_owned(), String::new())),
            entry("c\u{9b}", "no JSON", State::Dead("\u{1b}[2J".to_owned())),
        ]);
        let expected = "\
tenant  operation  state            age   next poll  failures
acme    a          Running          75 s  in 4.2 s   2
acme    b          Succeeded        75 s  -          2
?       c\\u009b    dead: \\u001b[2J  75 s  -          0
";
        assert_eq!(table, expected);
    }
}
