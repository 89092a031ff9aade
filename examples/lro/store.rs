//! Operations that are not seen through, in files.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tower_lro::Operation;

use crate::options::Options;

/// Stores the operation, and says how to carry on with it.
pub fn keep(operation: &Operation, options: &Options) {
    let file = options.store().cloned().unwrap_or_else(|| default_file(operation));
    let name = file.display();
    let json = match serde_json::to_string_pretty(operation) {
        Ok(json) => json,
        Err(error) => return eprintln!("The operation goes on at the service; it could not be stored: {error}"),
    };
    match write(&file, &json) {
        Ok(()) => eprintln!(
            "The operation goes on at the service. To carry on with it:\n\n    lro --resume {name}{}\n",
            options.again(operation.is_anonymous())
        ),
        // Then here, rather than nowhere: there is no other way back to it.
        Err(error) => eprintln!(
            "The operation goes on at the service. It could not be stored in {name} ({error}); \
             a file with this is what --resume takes:\n\n{json}"
        ),
    }
}

pub fn read(file: &Path) -> Result<Operation, String> {
    let name = file.display();
    let stored = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_str(&stored).map_err(|error| format!("{name} is no stored operation: {error}"))
}

/// For nobody else to read: whoever knows a signed address may use it.
fn write(file: &Path, json: &str) -> io::Result<()> {
    // Beside it first, so that what is there already is not lost half-way.
    let new = file.with_extension("new");
    _ = fs::remove_file(&new);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&new)?;
    writeln!(written, "{json}")?;
    written.sync_all()?;
    fs::rename(new, file)
}

/// In the current folder, whatever the service calls its operation.
fn default_file(operation: &Operation) -> PathBuf {
    let last_segment = operation.monitor().path().rsplit('/').next();
    let id = operation.id().or(last_segment).unwrap_or_default();
    let is_harmless = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let id: String = id.chars().filter(is_harmless).take(64).collect();
    PathBuf::from(format!("./lro-{id}.json"))
}
