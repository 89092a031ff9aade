//! Running an example.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

/// The binary of an example, which `cargo test` has built.
pub fn binary(name: &str) -> PathBuf {
    // From target/debug/deps/examples-….
    let mut folder = env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let binary = folder.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(binary.exists(), "{} has not been built: run `cargo test`, or `cargo build --examples`", binary.display());
    binary
}

/// To be run in the folder of the package, as by `cargo run --example`.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Its standard output, if it succeeds.
pub fn prints(name: &str) -> String {
    let output = output(&mut command(name));
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// An example that serves until this is dropped.
pub struct Serving {
    process: Child,
    address: String,
}

impl Serving {
    /// Reads the address from the example's first line.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = command(name);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split([',', '\n']).next());
        let address = address.unwrap_or_else(|| panic!("no address: {line:?}")).to_owned();
        Self { process, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
