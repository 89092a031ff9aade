//! `LroBody`: the part of a response's body that was read, then the rest.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::poller::frame_buffer::FrameBuffer;

pin_project! {
    /// The body of the responses of [`Lro`](crate::Lro).
    ///
    /// For a response that passed through it is the inner body. For a final response it gives the part of the inner body that was
    /// read to find the status, and then the rest as it arrives: frames, trailers, `size_hint` and `is_end_stream` are those of the
    /// inner body, as if nothing had been read. Its data are [`Bytes`], whatever type the inner body's have, and are not copied if
    /// that is `Bytes` too.
    ///
    /// # Example
    ///
    /// ```
    /// use http_body_util::BodyExt;
    /// use tower::{Layer, ServiceExt};
    /// use tower_lro::{LroLayer, simulator::Simulator};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = http::Request::post("https://atlas.microsoft.com/mapData").body(String::new())?;
    /// let response = LroLayer::new().layer(Simulator::new()).oneshot(request).await?;
    /// let bytes = response.into_body().collect().await?.to_bytes();
    /// assert!(String::from_utf8_lossy(&bytes).contains(r#""status": "Succeeded""#));
    /// # Ok(())
    /// # }
    /// ```
    pub struct LroBody<B>
    where
        B: Body,
    {
        #[pin]
        inner: Inner<B>,
    }
}

pin_project! {
    #[project = InnerProjection]
    enum Inner<B>
    where
        B: Body,
    {
        Untouched { #[pin] body: B },
        Buffered { body: Box<BufferedBody<B>> },
    }
}

/// The part of a body that was read, and the rest.
struct BufferedBody<B: Body> {
    frames: FrameBuffer,
    rest: OpenBody<B>,
}

/// A body that is being read. Boxed, because it need not be `Unpin`.
pub(crate) struct OpenBody<B: Body> {
    body: Pin<Box<B>>,
    /// An error that came while only the layer was reading.
    error: Option<B::Error>,
    /// The body must not be asked again: not every body answers after its end.
    is_over: bool,
}

impl<B: Body> OpenBody<B> {
    pub(crate) fn new(body: B) -> Self {
        Self { body: Box::pin(body), error: None, is_over: false }
    }

    /// Reads on. An error is [kept](Self::take_error).
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        Poll::Ready(match ready!(self.poll_frame(cx)) {
            Some(Ok(frame)) if self.is_at_end() => Next::LastFrame(frame),
            Some(Ok(frame)) => Next::Frame(frame),
            Some(Err(error)) => {
                self.error = Some(error);
                Next::Broken
            }
            None => Next::End,
        })
    }

    pub(crate) fn take_error(&mut self) -> Option<B::Error> {
        self.error.take()
    }

    /// Whether it is known that nothing more comes.
    fn is_at_end(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.is_at_end() {
            self.is_over = true;
            return Poll::Ready(None);
        }
        let frame = ready!(poll_bytes(self.body.as_mut(), cx));
        self.is_over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }
}

/// The next thing that a body gives.
pub(crate) enum Next {
    Frame(Frame<Bytes>),
    /// After it, nothing more comes.
    LastFrame(Frame<Bytes>),
    End,
    Broken,
}

impl<B: Body> BufferedBody<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let read = self.frames.pop().map(Ok).or_else(|| self.rest.take_error().map(Err));
        if read.is_some() { Poll::Ready(read) } else { self.rest.poll_frame(cx) }
    }

    fn is_end_stream(&self) -> bool {
        let is_read = self.frames.is_empty() && self.rest.error.is_none();
        is_read && self.rest.is_at_end()
    }
}

fn poll_bytes<B: Body>(body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
    let frame = ready!(body.poll_frame(cx));
    Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))))
}

impl<B: Body> LroBody<B> {
    pub(crate) fn untouched(body: B) -> Self {
        Self { inner: Inner::Untouched { body } }
    }

    /// The part of a body that was read, and then the rest, as if nothing had been read.
    pub(crate) fn buffered(frames: FrameBuffer, rest: OpenBody<B>) -> Self {
        Self { inner: Inner::Buffered { body: Box::new(BufferedBody { frames, rest }) } }
    }
}

impl<B: Body> Body for LroBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().inner.project() {
            InnerProjection::Untouched { body } => poll_bytes(body, cx),
            InnerProjection::Buffered { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Untouched { body } => body.is_end_stream(),
            Inner::Buffered { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Untouched { body } => body.size_hint(),
            Inner::Buffered { body } => {
                sum(SizeHint::with_exact(body.frames.bytes() as u64), body.rest.body.size_hint())
            }
        }
    }
}

/// `SizeHint` implements addition only since http-body 1.1.
fn sum(a: SizeHint, b: SizeHint) -> SizeHint {
    let mut sum = SizeHint::new();
    sum.set_lower(a.lower().saturating_add(b.lower()));
    if let (Some(a), Some(b)) = (a.upper(), b.upper()) {
        sum.set_upper(a.saturating_add(b));
    }
    sum
}

impl<B: Body + Default> Default for LroBody<B> {
    fn default() -> Self {
        Self::untouched(B::default())
    }
}

impl<B: Body> From<B> for LroBody<B> {
    fn from(body: B) -> Self {
        Self::untouched(body)
    }
}

impl<B: Body> fmt::Debug for LroBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LroBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
