//! Standard output: the body, or a summary in JSON.

use std::{
    borrow::Cow,
    error::Error,
    io::{self, Write},
    iter,
};

use http::StatusCode;
use reqwest::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use tower_lro::{Cause, Operation, OperationError, OperationState, ResponseExt};

use crate::{lines::tell, printable::printable, redact::redacted};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Body,
    HeadAndBody,
    Json,
}

pub async fn print_response(format: Format, mut response: Response) -> Result<(), String> {
    if format == Format::Json {
        return print_summary_of(response).await;
    }
    let mut out = io::stdout().lock();
    if format == Format::HeadAndBody {
        write_head(&mut out, &response).map_err(|error| error.to_string())?;
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| error_text(error.without_url()))? {
        // Flushed, so that what streams in streams out.
        out.write_all(&chunk).and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn write_head(out: &mut impl Write, response: &Response) -> io::Result<()> {
    write!(out, "{:?} {}\r\n", response.version(), response.status())?;
    for (name, value) in response.headers() {
        write!(out, "{name}: ")?;
        for chunk in value.as_bytes().utf8_chunks() {
            out.write_all(printable(chunk.valid()).as_bytes())?;
            out.write_all(chunk.invalid())?;
        }
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"\r\n")
}

async fn print_summary_of(mut response: Response) -> Result<(), String> {
    let mut body = Vec::new();
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend(chunk),
            Ok(None) => break None,
            Err(error) => break Some(error_text(error.without_url())),
        }
    };
    let summary = Summary::new(Some(response.status()), response.operation(), &body, error.as_deref());
    summary.print().map_err(|error| error.to_string())?;
    error.map_or(Ok(()), Err)
}

/// Tells why there is no final response.
pub fn print_operation_error(format: Format, error: &OperationError<reqwest_middleware::Error>) {
    let monitor = redacted(error.operation().monitor());
    let text = format!("the operation {monitor} did not complete: {}", in_words_of_options(error_text(error)));
    let response = match error.cause() {
        Cause::Monitor(response) => Some(response),
        Cause::Status(error) => Some(error.response()),
        _ => None,
    };
    let body = response.map(|response| response.body().as_ref()).unwrap_or_default();
    let http = response.map(http::Response::status);
    print(format, &Summary::new(http, Some(error.operation()), body, Some(&text)), &text);
}

/// The crate names its methods; who uses the command has options.
fn in_words_of_options(text: String) -> String {
    let options = [
        ("LroLayer::protocol", "--protocol NAME|FILE"),
        ("LroLayer::allow_anonymous_origin", "--allow-origin"),
        ("LroLayer::trust_origin", "--trust-origin"),
    ];
    options.into_iter().fold(text, |text, (method, option)| text.replace(method, option))
}

pub fn print_error(format: Format, operation: Option<&Operation>, text: &str) {
    print(format, &Summary::new(None, operation, &[], Some(text)), text);
}

fn print(format: Format, summary: &Summary<'_>, error: &str) {
    tell(error);
    if format == Format::Json {
        if let Err(error) = summary.print() {
            tell(format_args!("the summary could not be printed: {error}"));
        }
    }
}

/// The error and what led to it.
pub fn error_text(error: impl Error) -> String {
    let sources = iter::successors(error.source(), |&source| source.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

#[derive(Default, Serialize)]
struct Summary<'a> {
    http_status: Option<u16>,
    state: Option<OperationState>,
    status: Option<&'a str>,
    id: Option<&'a str>,
    protocol: Option<&'a str>,
    monitor: Option<String>,
    polls: Option<u32>,
    elapsed_seconds: Option<f64>,
    percent_complete: Option<f64>,
    resource: Option<String>,
    failure: Option<ErrorObject<'a>>,
    body: Option<Body<'a>>,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: Option<&'a str>,
    message: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Json(&'a RawValue),
    Text(Cow<'a, str>),
}

impl<'a> Body<'a> {
    fn new(body: &'a [u8]) -> Option<Self> {
        let json = || serde_json::from_slice(body).map(Self::Json);
        (!body.is_empty()).then(|| json().unwrap_or_else(|_| Self::Text(String::from_utf8_lossy(body))))
    }
}

impl<'a> Summary<'a> {
    fn new(http: Option<StatusCode>, operation: Option<&'a Operation>, body: &'a [u8], error: Option<&'a str>) -> Self {
        let answer =
            Self { http_status: http.map(|http| http.as_u16()), body: Body::new(body), error, ..Self::default() };
        let Some(operation) = operation else { return answer };
        Self {
            state: Some(operation.state()),
            status: operation.status(),
            id: operation.id(),
            protocol: Some(operation.protocol().name()),
            monitor: Some(redacted(operation.monitor())),
            polls: Some(operation.polls()),
            elapsed_seconds: Some(operation.elapsed().as_secs_f64()),
            percent_complete: operation.percent_complete(),
            resource: operation.resource().map(redacted),
            failure: operation.error().map(|failure| ErrorObject { code: failure.code(), message: failure.message() }),
            ..answer
        }
    }

    fn print(&self) -> io::Result<()> {
        let json = serde_json::to_string_pretty(self)?;
        // In JSON a CR is one between values: one in a text is escaped already.
        let lines: Vec<_> = json.split('\r').map(printable).collect();
        writeln!(io::stdout(), "{}", lines.join("\r"))
    }
}
