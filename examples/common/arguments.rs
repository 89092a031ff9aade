//! Command lines, and how their mistakes are told.

use std::{
    ffi::OsString,
    io::{self, Write},
    process,
};

use clap::{Error, Parser};

use crate::printable::printable;

/// Like `Parser::parse_from`, but for how a mistake is told.
pub fn parse<P: Parser>(arguments: impl IntoIterator<Item = OsString>) -> P {
    P::try_parse_from(arguments).unwrap_or_else(|error| exit(&error))
}

/// Like `Error::exit`, but that files which are quoted cannot drive the terminal.
pub fn exit(error: &Error) -> ! {
    let text = printable(&error.render().to_string());
    // Whether or not anybody reads it.
    _ = match error.use_stderr() {
        true => write!(io::stderr(), "{text}"),
        false => write!(io::stdout(), "{text}"),
    };
    process::exit(error.exit_code())
}
