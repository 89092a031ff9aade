//! `SimulatorBody`: a body that comes in pieces, and may break off.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{ConnectionLost, Fault};

/// The body of a [`Simulator`](super::Simulator)'s responses; it will do for requests as well.
///
/// # Example
///
/// ```
/// use tower_lro::simulator::SimulatorBody;
///
/// let body = SimulatorBody::from("a drawing package");
/// let request = http::Request::post("https://atlas.microsoft.com/mapData").body(body)?;
/// # let _ = request;
/// # Ok::<_, http::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SimulatorBody {
    data: Bytes,
    /// The size of a piece, if the body comes in pieces.
    chunk: Option<usize>,
    /// The fault, and how many bytes come before it.
    fault: Option<(Fault, usize)>,
}

impl SimulatorBody {
    pub(crate) fn new(data: Bytes, chunk: Option<usize>, fault: Option<Fault>) -> Self {
        let fault = fault.map(|fault| match fault {
            Fault::BrokenAfter(bytes) | Fault::StalledAfter(bytes) => (fault, bytes),
            Fault::Refused | Fault::Stalled => (fault, 0),
        });
        Self { data, chunk, fault }
    }
}

impl From<Bytes> for SimulatorBody {
    fn from(data: Bytes) -> Self {
        Self::new(data, None, None)
    }
}

impl From<Vec<u8>> for SimulatorBody {
    fn from(data: Vec<u8>) -> Self {
        Bytes::from(data).into()
    }
}

impl From<String> for SimulatorBody {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for SimulatorBody {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl Body for SimulatorBody {
    type Data = Bytes;
    type Error = ConnectionLost;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionLost>>> {
        let room = self.fault.map_or(usize::MAX, |(_, left)| left);
        let length = self.data.len().min(self.chunk.unwrap_or(usize::MAX)).min(room);
        if length > 0 {
            if let Some((_, left)) = &mut self.fault {
                *left -= length;
            }
            return Poll::Ready(Some(Ok(Frame::data(self.data.split_to(length)))));
        }
        match self.fault {
            None => Poll::Ready(None),
            Some((Fault::Stalled | Fault::StalledAfter(_), _)) => Poll::Pending,
            Some((Fault::Refused | Fault::BrokenAfter(_), _)) => {
                *self = Self::default();
                Poll::Ready(Some(Err(ConnectionLost)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.fault.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.chunk {
            // The length of a body in pieces is not known beforehand.
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.data.len() as u64),
        }
    }
}
