//! Printing: stored texts cannot move the cursor, and a reader that has gone is not an error.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use crate::BoxError;

/// Text for a terminal, chosen by services, by tenants, or by others who can write to the queue. Lines stay lines.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        if is_harmless(char) {
            printable.push(char);
        } else {
            // As JSON has it: what is printed as JSON stays that.
            _ = write!(printable, "\\u{:04x}", u32::from(char));
        }
    }
    printable
}

/// Neither C0, DEL or C1, nor what turns the direction of the text around it.
fn is_harmless(char: char) -> bool {
    let turns =
        matches!(char, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    matches!(char, '\n' | '\t') || !(char.is_control() || turns)
}

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
