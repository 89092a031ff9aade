//! Processes of this program's own, with a role; some of them counted by valgrind.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::BoxError;

fn of_self(arguments: &[String], is_counted: bool) -> Result<Command, BoxError> {
    let program = env::current_exe()?;
    let mut command = if is_counted {
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind").arg("--callgrind-out-file=/dev/null").arg(program);
        command
    } else {
        Command::new(program)
    };
    // With it, azure_core takes a backtrace for every header that is missing.
    command.args(arguments).env_remove("RUST_BACKTRACE");
    Ok(command)
}

/// The numbers that a role prints.
pub fn numbers(arguments: &[String]) -> Result<Vec<f64>, BoxError> {
    let output = of_self(arguments, false)?.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?}: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// The instructions of a role.
pub fn instructions(arguments: &[String]) -> Result<f64, BoxError> {
    let output = of_self(arguments, true)?.stdout(Stdio::null()).output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let counted = report.lines().find_map(|line| line.split_once("Collected : "));
    match counted {
        Some((_, counted)) if output.status.success() => Ok(counted.trim().parse()?),
        _ => Err(format!("{arguments:?}: {report}").into()),
    }
}

/// A server in a process of its own, ended when this is dropped.
pub struct Server {
    process: Child,
    pub url: String,
    files: Option<PathBuf>,
}

impl Server {
    pub fn start(is_tls: bool) -> Result<Self, BoxError> {
        let mut arguments = vec!["server".to_owned()];
        let mut files = None;
        if is_tls {
            let directory = env::temp_dir().join(format!("tower-lro-peers-{}", std::process::id()));
            fs::create_dir_all(&directory)?;
            let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
            fs::write(directory.join("certificate"), certified.cert.der())?;
            fs::write(directory.join("key"), certified.signing_key.serialize_der())?;
            arguments.push(directory.display().to_string());
            files = Some(directory);
        }
        let mut process = of_self(&arguments, false)?.stdout(Stdio::piped()).spawn()?;
        let mut url = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut url)?;
        Ok(Self { process, url: url.trim().to_owned(), files })
    }

    /// Where the certificate is; `-` if it has no certificate.
    pub fn certificate(&self) -> String {
        let file = self.files.as_deref().map(|files: &Path| files.join("certificate").display().to_string());
        file.unwrap_or_else(|| "-".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
        if let Some(files) = &self.files {
            _ = fs::remove_dir_all(files);
        }
    }
}
