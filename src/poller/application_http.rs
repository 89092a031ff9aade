//! A response in the body of a response (`application/http`).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::limits::MAX_MESSAGE_HEADERS;

/// Whether the head of the message ends within `data`, with an empty line; `seen` counts the line ends in a row so far. A line
/// feed alone ends a line as well ([RFC 9112, section 2.2]).
///
/// [RFC 9112, section 2.2]: https://www.rfc-editor.org/rfc/rfc9112#section-2.2
pub(crate) fn end_of_head(data: &[u8], seen: &mut usize) -> bool {
    for &byte in data {
        match byte {
            b'\n' => *seen += 1,
            b'\r' => {}
            _ => *seen = 0,
        }
        if *seen == 2 {
            *seen = 0;
            return true;
        }
    }
    false
}

/// The length of the head of a message, its status and its headers; `None` if it is not the head of a final response.
pub(crate) fn head(message: &[u8]) -> Option<(usize, StatusCode, HeaderMap)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_MESSAGE_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(message).ok()? else { return None };
    let status = StatusCode::from_u16(head.code?).ok().filter(|status| (200..=599).contains(&status.as_u16()))?;
    let header = |header: &httparse::Header<'_>| {
        Some((HeaderName::from_bytes(header.name.as_bytes()).ok()?, HeaderValue::from_bytes(header.value).ok()?))
    };
    Some((length, status, head.headers.iter().filter_map(header).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nX: y\r\n\r\nno such thing";

    #[test]
    fn the_head_ends_where_it_ends_however_it_is_split() {
        let end = MESSAGE.len() - "no such thing".len();
        for size in 1..MESSAGE.len() {
            let mut seen = 0;
            let mut read = 0;
            for piece in MESSAGE.chunks(size) {
                if end_of_head(piece, &mut seen) {
                    assert!((read..read + piece.len()).contains(&(end - 1)), "{size}");
                    read = usize::MAX;
                    break;
                }
                read += piece.len();
            }
            assert_eq!(read, usize::MAX, "{size}");
        }
        assert!(end_of_head(b"\r\r\n\r\n", &mut 0) && end_of_head(b"a\n\n", &mut 0));
        assert!(!end_of_head(b"\r\n\r\r a\r\n", &mut 0));
    }

    #[test]
    fn heads_are_read() {
        let (length, status, headers) = head(MESSAGE).unwrap();
        assert_eq!((&MESSAGE[length..], status.as_u16()), (&b"no such thing"[..], 404));
        assert_eq!((headers.len(), headers["x"].as_bytes()), (2, &b"y"[..]));
        for junk in [
            &b""[..],
            b"HTTP/1.1 404",
            b"GET / HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 4 x\r\n\r\n",
            b"\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 600 x\r\n\r\n",
        ] {
            assert_eq!(head(junk), None, "{:?}", String::from_utf8_lossy(junk));
        }
    }
}
