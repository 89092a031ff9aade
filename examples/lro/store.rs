//! Operations that did not complete, in files.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use tower_lro::Operation;

use crate::options::{Options, quoted};

/// Stores the operation, and returns how to resume it. Nothing is printed before: nobody may read it, or want to.
#[must_use]
pub fn keep(operation: &Operation, options: &Options) -> String {
    let file = options.store().cloned().unwrap_or_else(|| free_file(operation));
    // A name that begins with `-` would be taken for an option.
    let file = if file.to_string_lossy().starts_with('-') { Path::new(".").join(file) } else { file };
    let name = file.display();
    let json = match serde_json::to_string_pretty(operation) {
        Ok(json) => json,
        Err(error) => return format!("The operation could not be stored: {error}"),
    };
    let (what, then) = match operation.state().is_terminal() {
        true => ("The operation has ended, but its result is not here", "ask for it again"),
        false => ("The operation may go on at the service", "resume it"),
    };
    match write(&file, &json) {
        Ok(()) => {
            // They may be secrets.
            let left_out = match options.left_out(operation.is_anonymous()).as_slice() {
                [] => String::new(),
                [one] => format!(", with {one}"),
                [all @ .., last] => format!(", with {} and {last}", all.join(", ")),
            };
            format!(
                "{what}. To {then}{left_out}:\n\n    lro --resume {} {}{}\n",
                quoted(&name.to_string()),
                quoted(&options.service()),
                options.again(operation.is_anonymous()),
            )
        }
        // Then here, rather than nowhere: there is no other way back to it.
        Err(error) => format!(
            "{what}. It could not be stored in {name} ({error}); \
             a file with this is what --resume takes:\n\n{json}"
        ),
    }
}

pub fn read(file: &Path) -> Result<Operation, String> {
    let name = file.display();
    let stored = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_str(&stored).map_err(|error| format!("{name} is no stored operation: {error}"))
}

/// For nobody else to read: everybody who knows a signed address may use it.
fn write(file: &Path, json: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    let Some(file) = to_replace(file)? else {
        return writeln!(options.open(file)?, "{json}");
    };
    // Beside it first, so that what is there already is not lost half-way.
    let mut new = file.clone().into_os_string();
    new.push(format!(".{}", process::id()));
    // As of a process that had this number before, and was killed.
    _ = fs::remove_file(&new);
    options.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&new)?;
    let stored = writeln!(written, "{json}").and_then(|()| written.sync_all()).and_then(|()| fs::rename(&new, file));
    if stored.is_err() {
        _ = fs::remove_file(new);
    }
    stored
}

/// The file, at the end of a link, where it is one or can become one. A device or a pipe is not, not even one that is a file
/// now, such as `/dev/stdout`: it is written to, since a file in its place would be in everybody's way.
fn to_replace(file: &Path) -> io::Result<Option<PathBuf>> {
    if ["/dev", "/proc"].iter().any(|devices| file.starts_with(devices)) {
        return Ok(None);
    }
    match fs::metadata(file) {
        Ok(found) if found.is_file() => fs::canonicalize(file).map(Some),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(file.to_owned())),
        Err(error) => Err(error),
    }
}

/// In the current folder, whatever the service calls its operation: the first that there is not, or that has this operation.
fn free_file(operation: &Operation) -> PathBuf {
    let last_segment = operation.monitor().path().trim_end_matches('/').rsplit('/').next();
    let id = operation.id().or(last_segment).unwrap_or_default();
    let is_harmless = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let id: String = id.chars().filter(is_harmless).take(64).collect();
    let mut file = PathBuf::from(format!("./lro-{id}.json"));
    let mut number = 1;
    loop {
        let has_this = file.is_file() && read(&file).is_ok_and(|it| it.monitor() == operation.monitor());
        // Claimed by making it: another `lro` may look for a name at the same time.
        match OpenOptions::new().write(true).create_new(true).open(&file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !has_this => {}
            _ => return file,
        }
        number += 1;
        file = PathBuf::from(format!("./lro-{id}-{number}.json"));
    }
}
