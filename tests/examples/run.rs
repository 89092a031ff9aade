//! Running an example.

use std::{
    env,
    path::PathBuf,
    process::{Command, Output, Stdio},
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

/// What it prints, if it succeeds.
pub fn prints(name: &str) -> String {
    let output = output(&mut command(name));
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    text
}
