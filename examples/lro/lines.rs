//! Lines on standard output, whose reader may have seen enough (`lro protocol show fhir | head -1`), and on standard error. None of them
//! drives the terminal.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    process,
};

use crate::printable::printable;

/// A text that may have line breaks of others, which would forge lines.
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\u000a")
}

pub fn print_line(line: impl Display) {
    match writeln!(io::stdout(), "{}", printable(&line.to_string())) {
        Ok(()) => {}
        // The exit code is still to come.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            tell(format_args!("standard output: {error}"));
            process::exit(1);
        }
    }
}

/// On standard error. Nobody may be there any more, as after Ctrl-C in `lro … 2>&1 | tee log`: unlike `eprintln!` it goes on then.
pub fn tell(line: impl Display) {
    _ = writeln!(io::stderr(), "{}", printable(&line.to_string()));
}
