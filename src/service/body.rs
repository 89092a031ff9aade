//! `LroBody`: what was read of a response's body, then the rest.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Response, response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::poller::action::Answer;

pin_project! {
    /// The body of the responses of [`Lro`](crate::Lro).
    ///
    /// Of a response that passed through it is the inner body. Of a final status response it gives what was read of the inner
    /// body to find the status, and then the rest as it comes: frames, trailers, `size_hint` and `is_end_stream` are those
    /// of the inner body, as if nothing had been read. The data are [`Bytes`] whatever the inner body's are, without a copy
    /// where those are `Bytes` too.
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
        Read { in_hand: Pin<Box<InHand<B>>> },
    }
}

pin_project! {
    /// A response in hand: what was read of it, and the rest of its body. Pinned, because a body need not be `Unpin`.
    pub(crate) struct InHand<B>
    where
        B: Body,
    {
        answer: Answer,
        // An error that came while nobody but the layer was reading.
        error: Option<B::Error>,
        // The body must not be asked again: not every body answers after its end.
        is_over: bool,
        #[pin]
        body: B,
    }
}

impl<B: Body> InHand<B> {
    pub(crate) fn new(answer: Answer, body: B) -> Pin<Box<Self>> {
        Box::pin(Self { answer, error: None, is_over: false, body })
    }

    pub(crate) fn answer(self: Pin<&mut Self>) -> &mut Answer {
        self.project().answer
    }

    pub(crate) fn set_error(self: Pin<&mut Self>, error: B::Error) {
        *self.project().error = Some(error);
    }

    /// Reads on in the inner body.
    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if *this.is_over || this.body.is_end_stream() {
            *this.is_over = true;
            return Poll::Ready(None);
        }
        let frame = ready!(poll_bytes(this.body, cx));
        *this.is_over = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    /// Gives what was read, and then reads on.
    fn poll_again(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.as_mut().project();
        let read = this.answer.read.pop().map(Ok).or_else(|| this.error.take().map(Err));
        if read.is_some() { Poll::Ready(read) } else { self.poll_frame(cx) }
    }

    /// The response, as if nothing had been read of it.
    pub(crate) fn into_response(mut self: Pin<Box<Self>>) -> Response<LroBody<B>> {
        let (empty, ()) = Response::new(()).into_parts();
        let head = std::mem::replace(&mut self.as_mut().answer().head, empty);
        Response::from_parts(head, LroBody { inner: Inner::Read { in_hand: self } })
    }

    /// The head, with what was read of the body.
    pub(crate) fn to_response(self: Pin<&mut Self>) -> Response<Bytes> {
        let (empty, ()) = Response::new(()).into_parts();
        let answer = self.answer();
        let head: response::Parts = std::mem::replace(&mut answer.head, empty);
        Response::from_parts(head, answer.read.to_bytes())
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
}

impl<B: Body> Body for LroBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().inner.project() {
            InnerProjection::Untouched { body } => poll_bytes(body, cx),
            InnerProjection::Read { in_hand } => in_hand.as_mut().poll_again(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Untouched { body } => body.is_end_stream(),
            Inner::Read { in_hand } => {
                let is_read = in_hand.answer.read.is_empty() && in_hand.error.is_none();
                is_read && (in_hand.is_over || in_hand.body.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Untouched { body } => body.size_hint(),
            Inner::Read { in_hand } => {
                sum(SizeHint::with_exact(in_hand.answer.read.bytes() as u64), in_hand.body.size_hint())
            }
        }
    }
}

/// `SizeHint` adds up since http-body 1.1 only.
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
