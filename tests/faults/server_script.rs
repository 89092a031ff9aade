//! `Act`: what the server does with one request, byte by byte.

use std::fmt::Write;

use bytes::Bytes;

pub const RUNNING: &str = r#"{"status":"Running"}"#;
pub const SUCCEEDED: &str = r#"{"status":"Succeeded"}"#;
pub const MONITOR: &str = "operation-location: /operations/1";

/// [`SUCCEEDED`], compressed.
pub const GZIPPED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabV*.I,)-V\xb2R\n.MNNMMIMQ\xaa\x05\0 \x88{\xe4\x16\0\0\0";

#[derive(Clone)]
pub struct Act {
    pub steps: Vec<Step>,
    pub end: End,
}

#[derive(Clone)]
pub enum Step {
    Write(Bytes),
    /// One byte per write.
    Drip(Bytes),
    /// Again and again, until nobody reads any more.
    Flood(Bytes),
    /// Goes on when the client has accepted the operation.
    UntilAccepted,
}

#[derive(Clone, Copy)]
pub enum End {
    /// The connection is there for the next request.
    Keep,
    Close,
    /// With RST.
    Reset,
    /// Nothing more comes.
    Stall,
    /// As [`Close`](Self::Close), of a server that goes down: nobody listens any more, and all other connections are gone
    /// too, before the first byte is written.
    Down,
}

/// No bytes at all.
pub fn nothing() -> Act {
    Act { steps: Vec::new(), end: End::Keep }
}

/// These bytes, whatever they are.
pub fn raw(bytes: impl Into<Bytes>) -> Act {
    nothing().then(bytes)
}

/// The head of a response, up to and with its empty line.
pub fn head(status: u16, headers: &[&str]) -> String {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
    for header in headers {
        write!(head, "{header}\r\n").unwrap();
    }
    head + "\r\n"
}

/// A response as it should be.
pub fn reply(status: u16, headers: &[&str], body: &str) -> Act {
    of_length(status, headers, body.len(), body)
}

/// A response whose head says that its body is `length` bytes long.
pub fn of_length(status: u16, headers: &[&str], length: usize, body: &str) -> Act {
    let length = format!("content-length: {length}");
    let headers = [headers, &[length.as_str()]].concat();
    raw(head(status, &headers) + body)
}

/// A response whose body is a chunk each, and has no end yet.
pub fn chunks<const N: usize>(status: u16, headers: &[&str], chunks: [&str; N]) -> Act {
    let mut bytes = head(status, &[headers, &["transfer-encoding: chunked"]].concat());
    for chunk in chunks {
        write!(bytes, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    raw(bytes)
}

pub fn accepted() -> Act {
    reply(202, &[MONITOR], "")
}

pub fn running() -> Act {
    reply(200, &[], RUNNING)
}

pub fn succeeded() -> Act {
    reply(200, &[], SUCCEEDED)
}

pub fn gzipped() -> Act {
    let length = format!("content-length: {}", GZIPPED.len());
    raw(head(200, &["content-encoding: gzip", &length])).then(GZIPPED)
}

impl Act {
    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub fn then(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Write(bytes.into()))
    }

    /// These bytes again and again.
    pub fn flood(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Flood(bytes.into()))
    }

    /// Chunks of a body without an end.
    pub fn flood_of_chunks(self) -> Self {
        const LENGTH: usize = 0x4000;
        self.flood(format!("{LENGTH:x}\r\n{}\r\n", "a".repeat(LENGTH)))
    }

    pub fn until_accepted(self) -> Self {
        self.step(Step::UntilAccepted)
    }

    /// Everything written so far is sent byte by byte.
    pub fn dripping(mut self) -> Self {
        for step in &mut self.steps {
            if let Step::Write(bytes) = step {
                *step = Step::Drip(std::mem::take(bytes));
            }
        }
        self
    }

    pub fn close(self) -> Self {
        Self { end: End::Close, ..self }
    }

    pub fn reset(self) -> Self {
        Self { end: End::Reset, ..self }
    }

    pub fn stall(self) -> Self {
        Self { end: End::Stall, ..self }
    }

    pub fn down(self) -> Self {
        Self { end: End::Down, ..self }
    }
}
