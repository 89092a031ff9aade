//! `fleet list` and `fleet show`.

use std::process::ExitCode;

use fleet::{
    BoxError,
    job::JobId,
    queue::{self, State},
    table::table,
    terminal::{log, print, printable},
};
use serde_json::Value;

pub async fn list(queue: &str, limit: usize) -> Result<(), BoxError> {
    let queue = queue::open_existing(queue).await?;
    let (table, counts) = (table(&queue.list(limit).await?), queue.counts().await?);
    print(&format!("{table}{} open, {} finished, {} given up\n", counts.open, counts.finished, counts.dead))
}

pub async fn show(queue: &str, id: &JobId) -> Result<ExitCode, BoxError> {
    let queue = queue::open_existing(queue).await?;
    let Some(entry) = queue.show(id).await? else {
        log(&format!("there is no job {id}"));
        return Ok(ExitCode::FAILURE);
    };
    let envelope = match serde_json::from_str::<Value>(&entry.envelope) {
        Ok(envelope) => format!("{envelope:#}"),
        Err(_) => entry.envelope.clone(),
    };
    let end = match &entry.state {
        State::Finished(_, body) => format!("\n{body}\n"),
        State::Dead(reason) => format!("\ngiven up: {reason}\n"),
        State::Waiting(_) | State::Leased => String::new(),
    };
    print(&format!("{}\n{}\n{}", table(&[entry]), printable(&envelope), printable(&end)))?;
    Ok(ExitCode::SUCCESS)
}
