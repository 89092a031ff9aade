//! Reads the output of `curl -i`, `curl -v` and `curl -iv`, one call after another, as exchanges.

use http::Method;
use reqwest::Url;
use serde::de::IgnoredAny;

use crate::transcript::{Exchange, response};

/// Lines such as `> POST https://example.com/jobs` before a response say what it answers; so do those of `curl -v`.
pub fn exchanges(text: &[u8]) -> Result<Vec<Exchange>, String> {
    let text = without_meter(&without_escapes(text));
    let is_verbose = text.split(|&byte| byte == b'\n').any(|line| marked_status(line).is_some());
    let mut reader = Reader { rest: &text, is_verbose, asked: Vec::new(), scheme: "https" };
    let mut exchanges = Vec::new();
    while !reader.rest.is_empty() {
        if let Some(head) = reader.head() {
            exchanges.extend(reader.exchange(&head)?);
        } else {
            let line = reader.next_line();
            reader.note(&line);
        }
    }
    Ok(exchanges)
}

/// A status line and headers.
#[derive(PartialEq)]
struct Head {
    status: u16,
    lines: Vec<String>,
}

impl Head {
    fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().skip(1).filter_map(|line| line.split_once(':'))
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        let mut headers = self.headers();
        headers.find_map(|(name, value)| name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim()))
    }

    /// An interim response, or that of a proxy before the real one.
    fn is_before_the_answer(&self) -> bool {
        self.status < 200 || self.lines[0].to_ascii_lowercase().ends_with(" connection established")
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Whether curl says what it does, in lines that begin with `*`.
    is_verbose: bool,
    /// The lines of the request that is answered next.
    asked: Vec<String>,
    /// The scheme of a request that names none, by what curl says of its connection.
    scheme: &'static str,
}

impl<'a> Reader<'a> {
    fn line(&self) -> String {
        line_text(first_line(self.rest))
    }

    fn next_line(&mut self) -> String {
        let line = first_line(self.rest);
        self.rest = &self.rest[line.len()..];
        line_text(line)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// Reads a line that belongs to no response.
    fn note(&mut self, line: &str) {
        if is_request(line.as_bytes()) {
            self.asked.clear();
        }
        if let Some(request) = line.strip_prefix("> ") {
            self.asked.push(request.to_owned());
        }
        if line.starts_with("* ") && line.contains("Trying ") {
            self.scheme = "http";
        }
        if line.starts_with("* ") && (line.contains("SSL") || line.contains("ALPN")) {
            self.scheme = "https";
        }
    }

    fn head(&mut self) -> Option<Head> {
        let first = self.line();
        let is_marked = first.starts_with("< ");
        let line = first.trim_start_matches("< ").to_owned();
        let status = status_of(line.as_bytes())?;
        let mut head = Head { status, lines: vec![line] };
        _ = self.next_line();
        while !self.rest.is_empty() {
            let line = self.line();
            match line.strip_prefix('<').filter(|_| is_marked).map(str::trim_start) {
                Some("") => _ = self.next_line(),
                Some(header) => {
                    head.lines.push(header.to_owned());
                    _ = self.next_line();
                    continue;
                }
                // `curl -iv` prints each header twice.
                None if is_marked && (line.is_empty() || line.starts_with("* ") || head.lines.contains(&line)) => {
                    _ = self.next_line();
                    continue;
                }
                None if is_marked => {}
                None if line.is_empty() => _ = self.next_line(),
                None => {
                    head.lines.push(line);
                    _ = self.next_line();
                    continue;
                }
            }
            break;
        }
        if is_marked {
            self.skip_repeated(&head);
        }
        Some(head)
    }

    /// The lines between a head of `curl -v` and its body: curl's own messages, and for `curl -iv` all the heads once more.
    fn skip_repeated(&mut self, head: &Head) {
        if head.is_before_the_answer() {
            return;
        }
        loop {
            let line = self.line();
            let before = self.rest;
            if is_remark(&line) || (line.is_empty() && !self.rest.is_empty()) {
                _ = self.next_line();
                self.note(&line);
            } else if status_of(line.as_bytes()).is_some() {
                match self.head() {
                    Some(other) if other.is_before_the_answer() || other == *head => {}
                    _ => return self.rest = before,
                }
            } else {
                return;
            }
        }
    }

    fn exchange(&mut self, head: &Head) -> Result<Option<Exchange>, String> {
        let is_tunnel = self.asked.first().is_some_and(|line| line.starts_with("CONNECT "));
        if head.is_before_the_answer() || is_tunnel {
            return Ok(None);
        }
        let length = self.body_length(head);
        // Curl prints no line break after a body, but files have one.
        let body = self.take(length).trim_ascii_end().to_vec();
        let (method, url) = self.request();
        self.asked.clear();
        let response = response(head.status, head.headers(), body)?;
        Ok(Some(Exchange { method, url, response }))
    }

    /// As the response says, if that is so; up to the end of its JSON; or else up to what looks like the next exchange.
    fn body_length(&self, head: &Head) -> usize {
        let is_all = |length: &usize| self.rest.get(*length..).is_some_and(|behind| self.begins_exchange(behind));
        let told = head.header("content-length").and_then(|length| length.parse().ok()).filter(is_all);
        let length = told.or_else(|| json_length(self.rest).filter(is_all));
        length.unwrap_or_else(|| {
            // Such a body begins like a response of its own.
            let is_message = head.header("content-type").is_some_and(|of| of.starts_with("application/http"));
            (usize::from(is_message)..self.rest.len()).find(|&at| self.may_end_at(at)).unwrap_or(self.rest.len())
        })
    }

    fn begins_exchange(&self, text: &[u8]) -> bool {
        let text = text.trim_ascii_start();
        text.is_empty() || self.begins_line_of_another(text) || text.starts_with(b"$ curl ")
    }

    fn begins_line_of_another(&self, text: &[u8]) -> bool {
        let line = first_line(text);
        let is_remark = self.is_verbose && is_remark(&line_text(line));
        is_remark || is_request(line) || status_of(line).is_some() || marked_status(line).is_some()
    }

    fn may_end_at(&self, at: usize) -> bool {
        let text = &self.rest[at..];
        if at == 0 || self.rest[at - 1] == b'\n' {
            return self.begins_line_of_another(text);
        }
        match text[0] {
            // Where it is in the middle of a line, what is behind it has to look like a head, too.
            b'H' => {
                let line = first_line(text);
                let next = line_text(first_line(&text[line.len()..]));
                status_of(line).is_some() && line.ends_with(b"\n") && (next.is_empty() || is_header(&next))
            }
            b'*' => self.is_verbose && REMARKS.iter().any(|remark| text[1..].trim_ascii_start().starts_with(remark)),
            _ => false,
        }
    }

    fn request(&self) -> (Option<Method>, Option<Url>) {
        let Some((line, headers)) = self.asked.split_first() else { return (None, None) };
        let mut words = line.split_ascii_whitespace();
        let method = words.next().and_then(|word| word.parse().ok());
        let target = words.next().unwrap_or_default();
        let mut headers = headers.iter().filter_map(|header| header.split_once(':'));
        let host = headers.find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, host)| host.trim());
        let absolute = || Url::parse(&format!("{}://{}{target}", self.scheme, host?)).ok();
        (method, Url::parse(target).ok().or_else(absolute))
    }
}

/// How curl begins to speak, even behind a body without a line break.
const REMARKS: [&[u8]; 6] = [
    b"Trying ",
    b"Host ",
    b"Connection #",
    b"Closing connection",
    b"Re-using existing connection",
    b"Uses proxy env variable",
];

fn is_remark(line: &str) -> bool {
    let is_count = line.ends_with(" bytes data]") && (line.starts_with("{ [") || line.starts_with("} ["));
    line.starts_with("* ") || is_count
}

/// A request line of `curl -v`, or one written by hand: `> POST https://example.com/jobs`.
fn is_request(line: &[u8]) -> bool {
    let line = line_text(line);
    let mut words = line.strip_prefix("> ").unwrap_or_default().split(' ');
    let is_method = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_target = |word: &str| word.starts_with('/') || word.starts_with("http") || word.contains(':') || word == "*";
    words.next().is_some_and(is_method) && words.next().is_some_and(is_target)
}

fn is_header(line: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    line.split_once(':').is_some_and(|(name, _)| is_name(name))
}

fn marked_status(line: &[u8]) -> Option<u16> {
    line.strip_prefix(b"< ").and_then(status_of)
}

fn status_of(line: &[u8]) -> Option<u16> {
    let line = line_text(line.strip_prefix(b"HTTP/")?);
    let (version, rest) = line.split_once(' ')?;
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_whole = rest.get(3..).is_some_and(|reason| reason.is_empty() || reason.starts_with(' '));
    rest.get(..3)?.parse().ok().filter(|_| is_version && is_whole)
}

fn json_length(text: &[u8]) -> Option<usize> {
    let is_json = matches!(text.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'));
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    values.next().filter(|_| is_json)?.ok()?;
    Some(values.byte_offset())
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default()
}

fn line_text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned()
}

/// Without the progress that curl shows where its output goes to a file, and its errors, too.
fn without_meter(text: &[u8]) -> Vec<u8> {
    const TITLE: &[u8] = b"  % Total    % Received";
    const TIME: &[u8] = b"--:--:--";
    let mut kept = Vec::with_capacity(text.len());
    let mut is_below = false;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let title = line.windows(TITLE.len()).position(|part| part == TITLE);
        let is_row = line.starts_with(b"\r") && line.windows(TIME.len()).any(|part| part == TIME);
        if let Some(at) = title {
            kept.extend_from_slice(&line[..at]);
            // A body before it has no line break.
            kept.extend(b"\n".iter().filter(|_| at > 0));
        } else if is_row {
            // Curl's next message follows in the same line.
            kept.extend(line.iter().position(|byte| b"*<>{}H".contains(byte)).map_or(&[][..], |at| &line[at..]));
        } else if !is_below {
            kept.extend_from_slice(line);
        }
        is_below = title.is_some();
    }
    kept
}

/// Without what makes names bold and addresses links, as in the recording of a terminal.
fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut parts = text.split(|&byte| byte == 0x1b);
    let mut kept = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let length = match part.first() {
            Some(b'[') => part.iter().position(u8::is_ascii_alphabetic).map(|at| at + 1),
            // Up to the next one, which ends it.
            Some(b']') => Some(part.len()),
            Some(b'\\') => Some(1),
            _ => None,
        };
        kept.extend_from_slice(&part[length.unwrap_or_default()..]);
    }
    kept
}
