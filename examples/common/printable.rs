//! Texts of others, as a terminal may get them.

use std::fmt::Write;

/// With what a terminal would obey escaped as in JSON, so that JSON stays what it is. Lines stay lines.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        if is_harmless(char) {
            printable.push(char);
        } else {
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
