//! The command line.

use std::{
    fs,
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use tower_lro::{Cancel, FinalResponse, LroLayer, Origin, Protocol, Resume};

use crate::{
    arguments::address,
    description::{names, protocol},
    output::Format,
    redact::without_user,
    store,
};

const EXIT_CODES: &str = "\
Progress goes to standard error, the final response's body to standard output.

Exit codes:
  0    the operation succeeded, or there was none and the HTTP status is good
  1    the operation failed or was canceled
  2    a mistake on the command line
  3    the request was not accepted: an HTTP error, or no connection
  4    the operation was accepted, but did not complete: a timeout, or an error; or a 202 that no chosen protocol knows
  130  interrupted (Ctrl-C)
  143  terminated (SIGTERM)

After 4, 130 and 143 the operation goes on at the service, and is stored in a file to be resumed if a protocol knows it. A second Ctrl-C right behind the
first cancels it at the service, if the protocol knows how.

`lro protocol --help` tells how protocols are listed, printed and checked.

With no arguments at all it runs a demonstration against a simulated service.";

/// Sends a request, and polls the long-running operation that it starts to completion.
#[derive(Parser)]
#[command(name = "lro", after_help = EXIT_CODES)]
pub struct Options {
    /// The request's address; with --resume, any address of the service
    #[arg(value_name = "URL")]
    url: String,
    /// The request's method; GET if there is neither this nor data, else POST
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,
    /// A header, for the request and the polls; never printed. `-H "authorization: $TOKEN"` takes it from the environment
    // Checked later: clap prints the values that it does not like.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The request's body: the text itself, @FILE, or @- for standard input; sent as it is, with no Content-Type but by -H
    #[arg(short, long, allow_hyphen_values = true)]
    data: Option<String>,
    #[arg(long = "protocol", value_name = "NAME|FILE", value_parser = Spoken::new, help = protocols_help())]
    protocols: Vec<Spoken>,
    /// How long it may take from acceptance, or with --resume from now, to the final response, in seconds, or as in 500ms, 10m, 2h
    #[arg(long, value_parser = duration)]
    timeout: Option<Duration>,
    /// The response to print of an operation that has succeeded [default: as the protocol says]
    #[arg(long = "final", value_name = "WHAT")]
    final_response: Option<Final>,
    /// An origin that may be polled with the request's headers, such as https://*.example.com
    #[arg(long = "trust-origin", value_name = "ORIGIN")]
    trusted: Vec<Origin>,
    /// An origin that may be polled without them
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allowed: Vec<Origin>,
    /// Print a summary in JSON, with the body in it
    #[arg(long)]
    json: bool,
    /// Print the status line and the headers of the final response, too
    #[arg(short, long, conflicts_with = "json")]
    include: bool,
    /// Resume the operation that is stored there; give the same headers again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "data"])]
    resume: Option<PathBuf>,
    /// Where to store an operation that did not complete [default: the file of --resume, or ./lro-ID.json]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// A protocol, and what it was called on the command line.
#[derive(Clone)]
struct Spoken {
    protocol: Protocol,
    given: String,
}

impl Spoken {
    fn new(given: &str) -> Result<Self, String> {
        protocol(given).map(|protocol| Self { protocol, given: given.to_owned() })
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Final {
    Auto,
    Status,
    Resource,
    Location,
    OriginalUri,
}

impl Final {
    fn response(self) -> FinalResponse {
        match self {
            Self::Auto => FinalResponse::Auto,
            Self::Status => FinalResponse::Status,
            Self::Resource => FinalResponse::Resource,
            Self::Location => FinalResponse::Location,
            Self::OriginalUri => FinalResponse::OriginalUri,
        }
    }
}

fn protocols_help() -> String {
    format!(
        "How the service announces and reports operations, one or several: a file that describes it in TOML or JSON, or one of {} \
         [default: the first]",
        names()
    )
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time is a number of seconds, or has one of the units ms, s, m and h".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "that is not a number".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

impl Options {
    pub fn format(&self) -> Format {
        match (self.json, self.include) {
            (true, _) => Format::Json,
            (_, true) => Format::HeadAndBody,
            _ => Format::Body,
        }
    }

    /// Where the operation is to be stored, if it was said.
    pub fn store(&self) -> Option<&PathBuf> {
        self.store.as_ref().or(self.resume.as_ref())
    }

    pub fn layer(&self) -> LroLayer {
        let mut layer = LroLayer::new();
        if !self.protocols.is_empty() {
            layer = layer.protocols(self.protocols.iter().map(|spoken| spoken.protocol.clone()));
        }
        if let Some(timeout) = self.timeout {
            layer = layer.timeout(timeout);
        }
        if let Some(final_response) = self.final_response {
            layer = layer.final_response(final_response.response());
        }
        let layer = self.trusted.iter().cloned().fold(layer, LroLayer::trust_origin);
        self.allowed.iter().cloned().fold(layer, LroLayer::allow_anonymous_origin)
    }

    pub fn request(&self, client: &ClientWithMiddleware) -> Result<RequestBuilder, String> {
        let headers = self.headers()?;
        let url = address(&self.url)?;
        if let Some(file) = &self.resume {
            // To the address on the command line: who can write to the file gets no credential.
            let resume = store::read(file)?.resume();
            // The deadline that is stored may have passed.
            let resume = self.timeout.into_iter().fold(resume, Resume::timeout);
            let request = client.get(url).with_extension(resume);
            // Those that its monitor must not see the layer leaves out.
            return Ok(request.headers(headers));
        }
        let method = match (&self.method, &self.data) {
            (Some(method), _) => method.clone(),
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        Ok(client.request(method, url).headers(headers).body(self.body()?))
    }

    /// The request that cancels an operation at the service.
    pub fn cancel_request(&self, client: &ClientWithMiddleware, cancel: Cancel) -> Result<RequestBuilder, String> {
        let mut headers = self.headers()?;
        // Headers about the start request's body; the layer describes this one's.
        let names: Vec<_> = headers.keys().filter(|name| is_of_one_request(name.as_str())).cloned().collect();
        for name in names {
            headers.remove(name);
        }
        let request = client.request(cancel.method().clone(), address(&self.url)?).headers(headers);
        Ok(request.body(cancel.body().to_owned()).with_extension(cancel))
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (number, header) in (1..).zip(&self.headers) {
            // The name only: the value may be a secret, and what has no colon may be one as a whole.
            let (name, value) =
                header.split_once(':').ok_or_else(|| format!("header {number} is not written as 'name: value'"))?;
            let name = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| format!("the name of header {number} is not that of a header"))?;
            let mut value = HeaderValue::from_str(value.trim())
                .map_err(|_| format!("the value of {name} (header {number}) has characters that no header may have"))?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(headers)
    }

    fn body(&self) -> Result<Vec<u8>, String> {
        let Some(data) = &self.data else { return Ok(Vec::new()) };
        match data.strip_prefix('@') {
            Some("-") => {
                let mut body = Vec::new();
                let read = io::stdin().read_to_end(&mut body);
                read.map(|_| body).map_err(|error| format!("standard input: {error}"))
            }
            Some(file) => fs::read(file).map_err(|error| format!("{file}: {error}")),
            None => Ok(data.clone().into_bytes()),
        }
    }

    /// The service, without user information and the query, which may have a key.
    pub fn service(&self) -> String {
        let mut url = address(&self.url).map(without_user).ok();
        if let Some(url) = &mut url {
            url.set_query(None);
            url.set_fragment(None);
        }
        url.map(String::from).unwrap_or_default()
    }

    /// The parts that `service` and `again` leave out, and that a poll may need.
    pub fn left_out(&self, is_anonymous: bool) -> Vec<&'static str> {
        let Ok(url) = address(&self.url) else { return Vec::new() };
        let has_user = !url.username().is_empty() || url.password().is_some();
        // That is stored.
        let has_query = url.query_pairs().any(|(name, _)| name != "api-version");
        let all = [
            (has_user, "the user information of the address"),
            (has_query, "the query of the address"),
            (!self.headers.is_empty(), "the headers' values for …"),
        ];
        all.into_iter().filter(|(is_there, _)| *is_there && !is_anonymous).map(|(_, what)| what).collect()
    }

    /// The options to resume with, the headers without their values.
    pub fn again(&self, is_anonymous: bool) -> String {
        let headers = if is_anonymous { &[] } else { self.headers.as_slice() };
        let names = headers.iter().filter_map(|header| Some(header.split_once(':')?.0));
        let headers = names.map(|name| format!(" -H {}", quoted(&format!("{name}: …"))));
        // The known ones, too: they may trust or allow origins, and say how to cancel.
        let protocols = self.protocols.iter();
        let protocols = protocols.map(|spoken| format!(" --protocol {}", quoted(&spoken.given)));
        let trusted = self.trusted.iter().map(|origin| format!(" --trust-origin '{origin}'"));
        let allowed = self.allowed.iter().map(|origin| format!(" --allow-origin '{origin}'"));
        let final_response = self.final_response.and_then(|what| what.to_possible_value());
        let final_response = final_response.map(|what| format!(" --final {}", what.get_name()));
        headers.chain(protocols).chain(trusted).chain(allowed).chain(final_response).collect()
    }
}

/// As a shell wants it.
pub fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=".contains(c);
    if argument.chars().all(is_plain) { argument.to_owned() } else { format!("'{}'", argument.replace('\'', r"'\''")) }
}

/// Whether a header is about the body, the preconditions or the identity of one request.
fn is_of_one_request(name: &str) -> bool {
    let beginnings = ["content-", "if-", "idempotency-", "repeatability-", "x-idempotency-"];
    beginnings.iter().any(|beginning| name.starts_with(beginning))
        || ["digest", "expect", "if", "prefer", "range", "repr-digest", "transfer-encoding"].contains(&name)
}
