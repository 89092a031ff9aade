//! `PartialResponse`: a response whose body is being read.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, Uri, header::CONTENT_ENCODING, response};

use crate::{limits::MAX_EMPTY_FRAMES, poller::frame_buffer::FrameBuffer, timing::retry_after::RetryAfter};

/// A response and the rest of its body, which only the driver reads.
pub(crate) struct PartialResponse<B> {
    pub(crate) head: response::Parts,
    pub(crate) frames: FrameBuffer,
    /// Where it came from, if the transport itself followed redirects to another place.
    pub(crate) redirected_to: Option<Uri>,
    pub(crate) body: B,
    /// Whether it was known from the head on that there is nothing in the body.
    pub(crate) is_empty: bool,
    retry_after: Option<RetryAfter>,
    arrived: Duration,
    /// How many frames without data came in a row.
    empty_frames: u32,
}

impl<B> PartialResponse<B> {
    /// Boxed, because it is large and moves often. `now` is when the head arrived, and `wall` gives the time of day then.
    pub(crate) fn new(arrived: Arrived<B>, now: Duration, wall: impl Fn() -> SystemTime) -> Box<Self> {
        let Arrived { head, body, is_empty, effective_uri } = arrived;
        let retry_after = RetryAfter::of(&head.headers, wall);
        let frames = FrameBuffer::default();
        Box::new(Self {
            head,
            frames,
            redirected_to: effective_uri,
            body,
            is_empty,
            retry_after,
            arrived: now,
            empty_frames: 0,
        })
    }

    /// Counts the frames without data in a row.
    pub(crate) fn count_empty(&mut self, data: &[u8]) {
        self.empty_frames = if data.is_empty() { self.empty_frames.saturating_add(1) } else { 0 };
    }

    /// Whether the body gives nothing more, although it is always ready, so that the timer never fires.
    pub(crate) fn is_stalled(&self) -> bool {
        self.empty_frames > MAX_EMPTY_FRAMES
    }

    /// How long it asks to wait.
    pub(crate) fn retry_after(&self, now: Duration) -> Option<Duration> {
        self.retry_after.map(|asked| asked.after(now.saturating_sub(self.arrived)))
    }

    /// Whether its body is encoded and cannot be read here.
    pub(crate) fn is_encoded(&self) -> bool {
        let values = self.head.headers.get_all(CONTENT_ENCODING).iter();
        let mut encodings =
            values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        encodings.any(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity"))
    }

    /// The head, with the part of the body that was read.
    pub(crate) fn into_buffered(self) -> Response<Bytes> {
        Response::from_parts(self.head, self.frames.to_bytes())
    }
}

/// A response whose head has just arrived.
pub(crate) struct Arrived<B> {
    pub(crate) head: response::Parts,
    pub(crate) body: B,
    /// Whether the body is known to have nothing in it.
    pub(crate) is_empty: bool,
    /// Where it came from, if the transport itself followed redirects.
    pub(crate) effective_uri: Option<Uri>,
}
