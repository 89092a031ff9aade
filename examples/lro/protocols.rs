//! `lro protocol`: what protocols there are, how they are described, and whether a description is right.

use std::{ffi::OsString, iter, path::PathBuf};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use http::Method;
use reqwest::Url;
use tower_lro::Protocol;

use crate::{
    Exit, arguments, check,
    description::{names, protocol},
    lines::print_line,
    transcript,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  an operation starts and is followed to its end, be that success or failure
  2  a mistake on the command line, in the description or in the transcript
  3  no response of the transcript starts an operation
  4  one starts and does not come to its end: the transcript ends before it, or a response is not understood";

/// Descriptions of protocols: list them, print one as a file, or check one against a recorded exchange.
#[derive(Parser)]
#[command(name = "lro protocol")]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the protocols that have a name
    List,
    /// Print a protocol as a file, to start from a neighbour
    Show {
        #[arg(value_name = "NAME|FILE", value_parser = protocol, help = format!("One of {}, or a file", names()))]
        protocol: Protocol,
        /// In JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
    /// Play a recorded exchange against a description, offline, and say how each response is understood
    #[command(after_help = EXIT_CODES)]
    Check {
        #[arg(value_name = "NAME|FILE", value_parser = protocol, help = "The description: a file in TOML or JSON, or the name of a known one")]
        protocol: Protocol,
        /// A recording: a HAR, or the output of `curl -i`, `curl -v` or `curl -iv`, one call after another
        #[arg(long, value_name = "FILE")]
        transcript: PathBuf,
        /// The address of the start request, if the transcript does not say it, as that of `curl -i` does not
        #[arg(long, value_parser = arguments::address)]
        url: Option<Url>,
        /// The method of the start request, if the transcript does not say it
        #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "POST")]
        method: Method,
    },
}

/// The subcommands of `lro protocol`.
pub fn main(given: impl Iterator<Item = OsString>) -> Exit {
    let options = arguments::parse::<Options>(iter::once("lro protocol".into()).chain(given));
    let name = match options.command {
        Command::List => "list",
        Command::Show { .. } => "show",
        Command::Check { .. } => "check",
    };
    run(options).unwrap_or_else(|mistake| {
        let mut command = Options::command();
        command.build();
        let mut all = command.get_subcommands_mut();
        arguments::exit(&match all.find(|command| command.get_name() == name) {
            Some(command) => command.error(ErrorKind::ValueValidation, mistake),
            None => Options::command().error(ErrorKind::ValueValidation, mistake),
        })
    })
}

/// An error is a mistake on the command line.
fn run(options: Options) -> Result<Exit, String> {
    match options.command {
        Command::List => {
            Protocol::known().for_each(|known| print_line(known.name()));
            Ok(Exit::Good)
        }
        Command::Show { protocol, json } => {
            let text = if json {
                serde_json::to_string_pretty(&protocol).map_err(|error| error.to_string())?
            } else {
                toml::to_string(&protocol).map_err(|error| error.to_string())?
            };
            print_line(text.trim_end());
            Ok(Exit::Good)
        }
        Command::Check { protocol, transcript, url, method } => {
            let exchanges = transcript::read(&transcript)?;
            check::run(&protocol, exchanges, &method, url)
        }
    }
}
