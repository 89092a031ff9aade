//! The demonstration: a service, a process that starts an operation and is killed, and another that resumes it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines},
    process::{self, Child, ChildStdout, Command, Stdio},
};

use super::{BoxError, KEY};

pub fn run() -> Result<(), BoxError> {
    let folder = env::temp_dir().join(format!("tower-lro-resume-{}", process::id()));

    println!("A simulated Azure Maps is started, in a process of its own.");
    let mut service = command(&["serve"])?.stdin(Stdio::piped()).spawn()?;
    let mut service_lines = lines(&mut service)?;
    let endpoint = service_lines.next().ok_or("the service says no address")??;
    println!("  service    | {endpoint}");

    let journal = folder.to_str().ok_or("the folder for temporary files has no name in UTF-8")?;
    let run = |operations| command(&["run", "--endpoint", &endpoint, "--journal", journal, "--operations", operations]);

    println!("\nA first run starts an operation, and waits for its end:");
    let mut first = run("1")?.spawn()?;
    let mut is_running = false;
    for line in lines(&mut first)? {
        let line = line?;
        println!("  first run  | {line}");
        is_running |= line.ends_with(": Running");
        if is_running && line.contains(": waiting") {
            first.kill()?;
            println!("The first run was killed while it waited.");
            break;
        }
    }
    if first.wait()?.success() {
        return Err("the first run came to its end before it could be killed".into());
    }
    for file in fs::read_dir(&folder)? {
        println!("It has left a record of the operation:\n\n{}", fs::read_to_string(file?.path())?);
    }

    println!("\nA second run finds it, and resumes it:");
    let mut second = run("0")?.spawn()?;
    for line in lines(&mut second)? {
        println!("  second run | {}", line?);
    }
    if !second.wait()?.success() {
        return Err(format!("the second run failed; the journal is in {journal}").into());
    }
    println!("The operation has ended, and {} records are left.", fs::read_dir(&folder)?.count());

    println!("\nThe service is stopped, and says how often it was asked:");
    drop(service.stdin.take());
    for line in service_lines {
        println!("  service    | {}", line?);
    }
    service.wait()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// This program with other arguments, and the key that both sides know.
fn command(arguments: &[&str]) -> Result<Command, BoxError> {
    let mut command = Command::new(env::current_exe()?);
    command.args(arguments).env(KEY, "demo-key").stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}

fn lines(child: &mut Child) -> Result<Lines<BufReader<ChildStdout>>, BoxError> {
    let output = child.stdout.take().ok_or("its output is not to be had")?;
    Ok(BufReader::new(output).lines())
}
