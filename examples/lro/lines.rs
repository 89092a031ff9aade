//! Lines on standard output, whose reader may have seen enough: `lro protocol show fhir | head -1`.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process,
};

pub fn print_line(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        // The exit code is still to come.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            _ = writeln!(io::stderr(), "standard output: {error}");
            process::exit(1);
        }
    }
}
