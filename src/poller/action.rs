//! Step: what the driver tells the machine, and what it is told to do.

use std::time::{Duration, SystemTime};

use http::{Uri, response};

use crate::{
    address::error::AddressError,
    error::status::StatusErrorKind,
    json::scanner::Scanner,
    poller::frame_buffer::Frames,
    timing::{moment::Moment, retry_after, retry_after::Hint},
};

/// What the driver does next.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    /// Read on in the body of the answer in hand, and tell of the next frame, its end or its failure.
    Read,
    /// Drop the answer in hand, and tell when the timer is due.
    Wait,
    /// Ready the service, send [`Poller::request`], and tell of the answer's head or the service's error.
    Send,
    /// The answer in hand is no business of the layer.
    PassThrough,
    /// The answer in hand is the final response.
    HandOver,
    /// Give the caller an error.
    Fail(GiveUp),
}

/// Why there is no final response.
#[derive(Debug)]
pub(crate) enum GiveUp {
    Timeout,
    /// The error that the driver told of last.
    Transport,
    /// The answer in hand.
    Monitor,
    Address(Box<AddressError>),
    Status(StatusErrorKind),
    /// What the operation is resumed by is not known.
    Protocol,
    Failed,
}

/// A response in hand, but for the rest of its body.
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) read: Frames,
    hint: Option<Hint>,
    /// When its head did.
    pub(crate) arrived: Moment,
    /// Where it came from, if the transport says that it has followed redirects by itself.
    pub(crate) effective_uri: Option<Uri>,
    pub(crate) scanner: Scanner,
    /// How much of what was read the scanner has passed.
    pub(crate) scanned: usize,
}

impl Answer {
    /// `wall` is the time of day when the head arrived.
    pub(crate) fn new(head: response::Parts, effective_uri: Option<Uri>, wall: SystemTime) -> Self {
        let hint = retry_after::hint(&head.headers, wall);
        let arrived = Moment::NEVER;
        Self { head, read: Frames::default(), hint, arrived, effective_uri, scanner: Scanner::new(), scanned: 0 }
    }

    /// Reads on for what is not the status.
    pub(crate) fn pass(&mut self, data: &[u8]) {
        self.scanned += data.len();
        _ = self.scanner.scan(data, &[]);
    }

    /// How long it asks to wait.
    pub(crate) fn hint(&self, now: Moment) -> Option<Duration> {
        self.hint.map(|hint| hint.after(now.since(self.arrived)))
    }
}
