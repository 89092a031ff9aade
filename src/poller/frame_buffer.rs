//! `FrameBuffer`: keeps the frames of a body that were read, in order.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Frame;

use crate::limits::{MERGE_FRAMES_FROM, MERGED_FRAME_BYTES, SMALL_FRAME_BYTES};

#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    /// Not in the queue, because most status responses have only this one.
    first: Option<Frame<Bytes>>,
    others: VecDeque<Frame<Bytes>>,
    /// Merged small frames, which come after the `others`.
    tail: BytesMut,
    bytes: usize,
}

impl FrameBuffer {
    pub(crate) fn push(&mut self, frame: Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len();
            if self.others.len() >= MERGE_FRAMES_FROM && data.len() <= SMALL_FRAME_BYTES {
                self.tail.extend_from_slice(data);
                if self.tail.len() >= MERGED_FRAME_BYTES {
                    self.end_tail();
                }
                return;
            }
        }
        self.end_tail();
        if self.first.is_none() && self.others.is_empty() {
            self.first = Some(frame);
        } else {
            self.others.push_back(frame);
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.others.push_back(Frame::data(self.tail.split().freeze()));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Frame<Bytes>> {
        let frame = self.first.take().or_else(|| {
            self.end_tail();
            self.others.pop_front()
        })?;
        self.bytes -= frame.data_ref().map_or(0, Bytes::len);
        Some(frame)
    }

    /// Leaves out the first `bytes` of the data.
    pub(crate) fn skip(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let Some(frame) = self.pop() else { return };
            let Ok(mut data) = frame.into_data() else { continue };
            let skipped = bytes.min(data.len());
            bytes -= skipped;
            data.advance(skipped);
            if !data.is_empty() {
                self.bytes += data.len();
                self.first = Some(Frame::data(data));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty() && self.tail.is_empty()
    }

    /// How many bytes of data are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The data in one piece, without a copy if it arrived in one.
    pub(crate) fn to_bytes(&self) -> Bytes {
        self.first(self.bytes)
    }

    /// The first `bytes` of the data in one piece.
    pub(crate) fn first(&self, bytes: usize) -> Bytes {
        let mut frames = self.frames();
        match (frames.next(), frames.next(), self.tail.is_empty()) {
            (None, _, true) => Bytes::new(),
            (Some(only), None, true) => only.slice(..only.len().min(bytes)),
            _ => {
                let mut first = BytesMut::with_capacity(bytes.min(self.bytes));
                for data in self.pieces() {
                    first.extend_from_slice(&data[..data.len().min(bytes - first.len())]);
                }
                first.freeze()
            }
        }
    }

    /// The data behind the first `bytes`, in pieces.
    pub(crate) fn behind(&self, mut bytes: usize) -> impl Iterator<Item = &[u8]> {
        self.pieces().map(move |piece| {
            let (before, behind) = piece.split_at(bytes.min(piece.len()));
            bytes -= before.len();
            behind
        })
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.frames().map(|data| &data[..]).chain([&self.tail[..]])
    }

    fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.first.iter().chain(&self.others).filter_map(Frame::data_ref)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_body_that_comes_byte_by_byte_is_kept_in_few_frames() {
        let mut frames = FrameBuffer::default();
        let body: Vec<u8> = (0..100_000).map(|index| (index % 251) as u8).collect();
        body.iter().for_each(|&byte| frames.push(Frame::data(Bytes::copy_from_slice(&[byte]))));
        frames.push(Frame::trailers(HeaderMap::new()));
        assert!(frames.others.len() < 80, "{}", frames.others.len());
        assert_eq!((frames.bytes(), frames.to_bytes()), (body.len(), body.clone().into()));

        let mut out = Vec::new();
        let mut last = None;
        while let Some(frame) = frames.pop() {
            out.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
            last = Some(frame);
        }
        assert_eq!(out, body);
        assert!(last.unwrap().is_trailers());
        assert_eq!((frames.bytes(), frames.is_empty()), (0, true));
    }

    #[test]
    fn the_beginning_can_be_left_out() {
        for skipped in 0..=10 {
            let mut frames = FrameBuffer::default();
            ["abc", "", "d", "efghi"].into_iter().for_each(|data| frames.push(Frame::data(data.into())));
            frames.skip(skipped);
            assert_eq!(frames.to_bytes(), "abcdefghi".as_bytes()[skipped.min(9)..]);
            assert_eq!(frames.bytes(), 9 - skipped.min(9));
            frames.push(Frame::data("jkl".into()));
            assert_eq!(frames.to_bytes(), "abcdefghijkl".as_bytes()[skipped.min(9)..]);
        }
    }

    #[test]
    fn large_frames_are_not_copied() {
        let mut frames = FrameBuffer::default();
        (0..=MERGE_FRAMES_FROM).for_each(|_| frames.push(Frame::data("a".into())));
        let large = Bytes::from(vec![7; SMALL_FRAME_BYTES + 1]);
        frames.push(Frame::data(large.clone()));
        let last = frames.others.back().and_then(Frame::data_ref);
        assert_eq!(last.map(|data| data.as_ptr()), Some(large.as_ptr()));
    }

    #[test]
    fn the_rest_can_be_looked_at() {
        let mut frames = FrameBuffer::default();
        let body = b"0123456789".repeat(100);
        body.chunks(7).for_each(|piece| frames.push(Frame::data(Bytes::copy_from_slice(piece))));
        assert!(!frames.tail.is_empty());
        for read in (0..=body.len()).chain([usize::MAX]) {
            let rest: Vec<u8> = frames.behind(read).flatten().copied().collect();
            assert_eq!(rest, body[read.min(body.len())..], "{read}");
        }
    }

    #[test]
    fn the_beginning_can_be_looked_at() {
        let mut frames = FrameBuffer::default();
        let body = vec![7; 20_000];
        body.chunks(150).for_each(|data| frames.push(Frame::data(Bytes::copy_from_slice(data))));
        for bytes in [0, 1, 149, 150, 151, 9_600, 9_601, 19_999, 20_000, 30_000] {
            assert_eq!(frames.first(bytes), body[..bytes.min(20_000)], "{bytes}");
        }
        assert_eq!(frames.to_bytes(), body);

        let mut one = FrameBuffer::default();
        one.push(Frame::data(Bytes::from_static(b"abc")));
        assert_eq!((one.first(2), one.first(3), one.first(4)), ("ab".into(), "abc".into(), "abc".into()));
    }

    #[test]
    fn few_frames_stay_as_they_are() {
        let mut frames = FrameBuffer::default();
        for data in ["a", "", "bc"] {
            frames.push(Frame::data(data.into()));
        }
        assert_eq!(frames.to_bytes(), "abc");
        let lengths: Vec<_> =
            std::iter::from_fn(|| frames.pop()).map(|frame| frame.data_ref().unwrap().len()).collect();
        assert_eq!(lengths, [1, 0, 2]);
    }
}
