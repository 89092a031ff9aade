//! `--protocol NAME|FILE`: a protocol that the crate knows, or one that a file describes.

use std::{fs, path::Path};

use tower_lro::Protocol;

/// The names of the protocols that the crate knows.
pub fn names() -> String {
    Protocol::known().map(|known| known.name().to_owned()).collect::<Vec<_>>().join(", ")
}

/// By its name, or from a file of TOML or JSON.
pub fn protocol(name_or_file: &str) -> Result<Protocol, String> {
    if let Some(known) = Protocol::known().find(|known| known.name() == name_or_file) {
        return Ok(known);
    }
    // A name has neither, and a mistaken one should not be reported as a missing file.
    let is_path = name_or_file.contains(['.', '/', '\\']) || Path::new(name_or_file).exists();
    if !is_path {
        return Err(format!("it is neither a file nor one of {}", names()));
    }
    read(Path::new(name_or_file))
}

fn read(file: &Path) -> Result<Protocol, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    // Windows begins files with it.
    let text = text.trim_start_matches('\u{feff}');
    let is_json = match file.extension().and_then(|extension| extension.to_str()) {
        Some(extension) => extension.eq_ignore_ascii_case("json"),
        None => text.trim_start().starts_with('{'),
    };
    if is_json {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}
