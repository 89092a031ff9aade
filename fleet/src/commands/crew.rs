//! `Crew`: worker processes against a queue and the test service, for the demo, the kill test and the measurements.

use std::{
    env, fs,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use fleet::{BoxError, service::KEY_HEADER};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// The tenant that it works for.
pub const TENANT: &str = "acme";

/// The variable that has the tenant's key.
pub const KEY: &str = "FLEET_DEMO_KEY";

/// How long a process may take to stop when it is asked to.
const STOP: Duration = Duration::from_secs(30);

pub struct Crew {
    queue: String,
    tenants: PathBuf,
    key: String,
    options: Vec<String>,
    pub workers: Vec<Child>,
}

impl Crew {
    /// A crew without workers. `folder` is for its configuration.
    pub fn new(queue: &str, folder: &std::path::Path, endpoint: &str, key: &str) -> Result<Self, BoxError> {
        let tenants = folder.join("tenants.json");
        let tenant = serde_json::json!({
            "endpoint": endpoint, "key_header": KEY_HEADER, "key_env": KEY, "repeatable_starts": true,
        });
        fs::write(&tenants, serde_json::json!({TENANT: tenant}).to_string())?;
        let (queue, key) = (queue.to_owned(), key.to_owned());
        Ok(Self { queue, tenants, key, options: Vec::new(), workers: Vec::new() })
    }

    /// Further arguments of its workers.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self
    }

    /// This program with other arguments. It is killed with this one's handle of it.
    pub fn command(&self, command: &str) -> Result<Command, BoxError> {
        let mut process = Command::new(env::current_exe()?);
        process.arg(command).env("FLEET_QUEUE", &self.queue).stdin(Stdio::null()).kill_on_drop(true);
        Ok(process)
    }

    /// One more worker.
    pub fn spawn(&mut self) -> Result<(), BoxError> {
        let worker = self.worker()?.spawn()?;
        self.workers.push(worker);
        Ok(())
    }

    /// A worker that is not started yet.
    pub fn worker(&self) -> Result<Command, BoxError> {
        let mut process = self.command("work")?;
        process.arg("--tenants").arg(&self.tenants).args(&self.options).env(KEY, &self.key);
        process.arg("--with-parent").stdin(Stdio::piped()).stderr(Stdio::null());
        Ok(process)
    }

    /// `kill -9`
    pub async fn kill(&mut self, index: usize) -> Result<(), BoxError> {
        let mut worker = self.workers.swap_remove(index);
        worker.kill().await?;
        Ok(())
    }

    /// Asks all workers to stop, and waits for them.
    pub async fn stop(&mut self) -> Result<(), BoxError> {
        for mut worker in self.workers.drain(..) {
            let status = terminate(&mut worker).await?;
            if !status.success() {
                return Err(format!("a worker did not stop well: {status}").into());
            }
        }
        Ok(())
    }
}

/// SIGTERM
pub async fn terminate(process: &mut Child) -> Result<ExitStatus, BoxError> {
    let pid = process.id().ok_or("it has ended before it was stopped")?.to_string();
    Command::new("kill").args(["-TERM", &pid]).status().await?;
    Ok(timeout(STOP, process.wait()).await.map_err(|_| "a process does not stop")??)
}
