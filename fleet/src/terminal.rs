//! Printing: stored texts cannot move the cursor, and a reader that has gone is not an error.

use std::io::{self, Write as _};

use crate::BoxError;

/// The examples' own.
#[path = "../../examples/common/printable.rs"]
mod printable;

pub use printable::printable;

/// Prints to the standard output. Where its reader has gone (`| head`), there is nobody left to tell.
pub fn print(text: &str) -> Result<(), BoxError> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A line on the standard error. A worker goes on where nobody reads it.
pub fn log(text: &str) {
    _ = writeln!(io::stderr(), "{}", printable(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        let hostile = "a\u{1b}[2J\u{7f}\u{9b}2J\r\u{202e}\0é\tb\n";
        assert_eq!(printable(hostile), "a\\u001b[2J\\u007f\\u009b2J\\u000d\\u202e\\u0000é\tb\n");
    }
}
