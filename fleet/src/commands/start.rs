//! `fleet start`: stores requests that start operations. Workers send them.

use clap::Args;
use fleet::{
    BoxError,
    job::{Job, JobId, Start},
    queue::{self, NewJob},
    terminal::print,
};

use crate::QueueArguments;

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    queue: QueueArguments,
    /// Whose
    #[arg(long)]
    tenant: String,
    /// The path and query of the request, at the tenant's endpoint
    #[arg(long, default_value = "/jobs")]
    path: String,
    /// Its body, JSON
    #[arg(long, default_value = "{}")]
    body: String,
    /// The id of the job, so that it can be started again without harm; with --count, followed by `-` and a number
    #[arg(long)]
    id: Option<JobId>,
    /// How many
    #[arg(long, default_value_t = 1)]
    count: usize,
}

/// How many are stored in one transaction.
const BATCH: usize = 50;

pub async fn run(arguments: Arguments) -> Result<(), BoxError> {
    let queue = queue::open(&arguments.queue.queue).await?;
    let jobs = (0..arguments.count).map(|number| new_job(&arguments, number)).collect::<Result<Vec<_>, _>>()?;
    for batch in jobs.chunks(BATCH) {
        let stored = queue.accept(batch).await?;
        if arguments.count == 1 {
            print(&format!("{}{}\n", batch[0].id, if stored[0] { "" } else { " (was there)" }))?;
        }
    }
    if arguments.count > 1 {
        print(&format!("{} jobs are in the queue\n", arguments.count))?;
    }
    Ok(())
}

fn new_job(arguments: &Arguments, number: usize) -> Result<NewJob, BoxError> {
    let id = match &arguments.id {
        Some(id) if arguments.count == 1 => id.clone(),
        Some(id) => format!("{id}-{number}").parse()?,
        None => JobId::random(),
    };
    let start = Start::post(&arguments.path, &arguments.body);
    Ok(NewJob { id, job: Job::start(&arguments.tenant, start) })
}
