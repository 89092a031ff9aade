//! `fleet list` and `fleet show`.

use std::process::ExitCode;

use fleet::{
    BoxError,
    job::JobId,
    queue::{self, State},
    table::{printable, table},
};
use serde_json::Value;

pub async fn list(queue: &str, limit: usize) -> Result<(), BoxError> {
    let queue = queue::open(queue).await?;
    print!("{}", table(&queue.list(limit).await?));
    let counts = queue.counts().await?;
    println!("{} open, {} finished, {} given up", counts.open, counts.finished, counts.dead);
    Ok(())
}

pub async fn show(queue: &str, id: &JobId) -> Result<ExitCode, BoxError> {
    let queue = queue::open(queue).await?;
    let Some(entry) = queue.show(id).await? else {
        eprintln!("there is no job {id}");
        return Ok(ExitCode::FAILURE);
    };
    print!("{}", table(std::slice::from_ref(&entry)));
    match serde_json::from_str::<Value>(&entry.envelope) {
        Ok(envelope) => println!("\n{envelope:#}"),
        Err(_) => println!("\n{}", printable(&entry.envelope)),
    }
    match entry.state {
        State::Finished(_, body) => println!("\n{}", printable(&body)),
        State::Dead(reason) => println!("\ngiven up: {}", printable(&reason)),
        State::Waiting(_) | State::Leased => {}
    }
    Ok(ExitCode::SUCCESS)
}
