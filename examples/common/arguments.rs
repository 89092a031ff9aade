//! Command lines, and how their mistakes are told.

use std::{
    ffi::OsString,
    io::{self, Write},
    process,
};

use clap::{
    Error, Parser,
    error::{ContextKind, ContextValue},
};
use reqwest::Url;

use crate::printable::printable;

/// Like `Parser::parse_from`, but for how a mistake is told.
pub fn parse<P: Parser>(arguments: impl IntoIterator<Item = OsString>) -> P {
    P::try_parse_from(arguments).unwrap_or_else(|error| exit(&error))
}

/// Like `Error::exit`, but that addresses are printed without credentials, and that files which are quoted cannot drive the terminal.
pub fn exit(error: &Error) -> ! {
    let mut text = error.render().to_string();
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(given)) = error.get(kind) {
            text = text.replace(given, &without_credentials(given));
        }
    }
    let text = printable(&text);
    // Whether or not anybody reads it.
    _ = match error.use_stderr() {
        true => write!(io::stderr(), "{text}"),
        false => write!(io::stdout(), "{text}"),
    };
    process::exit(error.exit_code())
}

/// Without what may be user information, or a key in a query. What is refused may be no URL: all before the last `@` counts.
fn without_credentials(given: &str) -> String {
    let (user, rest) = match given.rsplit_once('@') {
        Some((user, rest)) if user.contains(':') => {
            (format!("{}***@", user.find("://").map_or("", |at| &user[..at + "://".len()])), rest)
        }
        _ => (String::new(), given),
    };
    match rest.split_once('?') {
        Some((address, _)) if given.contains("://") => format!("{user}{address}?***"),
        _ => user + rest,
    }
}

/// An address of a service. Not told in the error: it may have a password.
pub fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("the address is no URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("the address is neither an http nor an https one".to_owned()),
    }
}
