//! Status responses: small ones, and large ones with their status at the start, in the middle, or at the end.

use std::sync::OnceLock;

use bytes::Bytes;

pub const RUNNING: &[u8] = br#"{"operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00","status":"Running"}"#;

/// 300 bytes.
pub const SUCCEEDED: &[u8] = br#"{"operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00","status":"Succeeded","result":{"a":[1,2,3,4,5,6,7,8],"b":"0123456789012345678901234567890123456789012345678901234567890123456789","c":{"d":"e","f":[{"g":1},{"h":2}]},"i":"01234567890123456789012345678901"}}"#;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Status {
    First,
    Middle,
    Last,
}

pub const STATUSES: [Status; 3] = [Status::First, Status::Middle, Status::Last];
pub const SIZES: [(&str, usize); 4] = [("200 B", 200), ("10 KB", 10_000), ("1 MB", 1_000_000), ("10 MB", 10_000_000)];

static BODIES: [OnceLock<Bytes>; STATUSES.len() * SIZES.len()] = [const { OnceLock::new() }; 12];

/// A body of one of the [`SIZES`], made once.
pub fn body(size: usize, status: Status) -> &'static Bytes {
    let place = SIZES.iter().position(|&(_, bytes)| bytes == size).expect("one of the sizes");
    BODIES[place * STATUSES.len() + status as usize].get_or_init(|| make(size, status).into())
}

/// A final status response of `size` bytes or few more, such as services write them.
pub fn make(size: usize, status: Status) -> Vec<u8> {
    const WORD: &[u8] = br#""status":"Succeeded""#;
    const HEAD: &[u8] =
        br#""operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00""#;
    if size < 1000 {
        let progress: &[u8] = br#""progress":{"percent":50,"step":"two"},"tries":1,"user":"0123456789""#;
        let members = match status {
            Status::First => [WORD, HEAD, progress],
            Status::Middle => [HEAD, WORD, progress],
            Status::Last => [HEAD, progress, WORD],
        };
        return [b"{", &members.join(&b","[..])[..], b"}"].concat();
    }
    let mut body = [b"{", HEAD].concat();
    let parts: &[(usize, &str)] = match status {
        Status::First => &[(size, "result")],
        Status::Middle => &[(size / 2, "parameters"), (size, "result")],
        Status::Last => &[(size, "result")],
    };
    for (index, &(until, name)) in parts.iter().enumerate() {
        if status == Status::First || index == 1 {
            body.push(b',');
            body.extend_from_slice(WORD);
        }
        body.extend_from_slice(format!(",\"{name}\":[").as_bytes());
        cells(&mut body, until);
    }
    if status == Status::Last {
        body.push(b',');
        body.extend_from_slice(WORD);
    }
    body.push(b'}');
    body
}

/// Elements of an array up to about so many bytes, and its end.
fn cells(body: &mut Vec<u8>, until: usize) {
    const CELL: &[u8] = r#"{"statusCode":200,"response":{"routeSummary":{"lengthInMeters":495,"travelTimeInSeconds":134,"name":"Main \"St\" ä"}}},"#.as_bytes();
    while body.len() < until {
        body.extend_from_slice(CELL);
    }
    body.extend_from_slice(b"null]");
}
