//! `lro protocol`: what protocols there are, how they are described, and whether a description is right.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use http::Method;
use reqwest::Url;
use tower_lro::Protocol;

use crate::{
    Exit, check,
    description::{names, protocol},
    transcript,
};

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
        #[arg(value_name = "NAME", value_parser = protocol, help = format!("One of {}, or a file", names()))]
        protocol: Protocol,
        /// In JSON instead of TOML
        #[arg(long)]
        json: bool,
    },
    /// Play a recorded exchange against a description, offline, and say how each response is understood
    Check {
        #[arg(value_name = "NAME|FILE", value_parser = protocol, help = "The description, in TOML or JSON")]
        protocol: Protocol,
        /// What was recorded: a HAR, or what `curl -i` prints, one response after another
        #[arg(long, value_name = "FILE")]
        transcript: PathBuf,
        /// The address of the start request, if the transcript does not say it
        #[arg(long)]
        url: Option<Url>,
        /// The method of the start request, if the transcript does not say it
        #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "POST")]
        method: Method,
    },
}

/// An error is a mistake on the command line.
pub fn run(options: Options) -> Result<Exit, String> {
    match options.command {
        Command::List => {
            Protocol::known().for_each(|known| println!("{}", known.name()));
            Ok(Exit::Good)
        }
        Command::Show { protocol, json } => {
            let text = if json {
                serde_json::to_string_pretty(&protocol).map_err(|error| error.to_string())?
            } else {
                toml::to_string(&protocol).map_err(|error| error.to_string())?
            };
            println!("{}", text.trim_end());
            Ok(Exit::Good)
        }
        Command::Check { protocol, transcript, url, method } => {
            let exchanges = transcript::read(&transcript)?;
            check::run(&protocol, exchanges, &method, url)
        }
    }
}
