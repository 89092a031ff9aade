//! Writes tapes.

use std::time::Duration;

use tower_lro::FinalResponse;
use tower_lro_fuzz::machine::{
    reply::{
        CHUNKS, FILLER, FILLERS, HEADER_COUNTS, HEADERS, PART_COUNTS, PAUSES, PAUSES_WITHIN, Pause, STATUSES, UNKNOWN,
    },
    settings::{
        BACKOFFS, CARRIED, COUNTS, FINAL_RESPONSES, MAX_DELAYS, MAX_FAILURES, MAX_STATUS_BYTES, MAX_WAITS, METHODS,
        MIN_DELAYS, ORIGINS, PROTOCOLS, RESUMES, STARTS, TIMEOUTS,
    },
    tape::{LONG, RAW},
};

fn index_of<T: PartialEq + std::fmt::Debug>(table: &[T], item: T) -> u8 {
    let index = table.iter().position(|it| *it == item);
    index.unwrap_or_else(|| panic!("{item:?} is in no table")).try_into().expect("tables are short")
}

/// A tape whose settings are the first of each table, but for those that are said to be others.
#[derive(Clone)]
pub struct Seed {
    pub protocols: Vec<&'static str>,
    pub timeout: Option<Duration>,
    pub max_consecutive_failures: u32,
    pub max_status_bytes: usize,
    pub final_response: Option<FinalResponse>,
    pub min_delay: Duration,
    pub max_delay: Duration,
    pub backoff: u8,
    pub allowed: Vec<&'static str>,
    pub trusted: Vec<&'static str>,
    pub carried: Option<&'static [&'static str]>,
    pub method: &'static str,
    pub start: &'static str,
    pub max_wait: Option<Duration>,
    pub flags: u8,
    pub moves: Vec<u8>,
    pub server: Vec<u8>,
}

pub fn seed() -> Seed {
    Seed {
        protocols: Vec::new(),
        timeout: TIMEOUTS[0],
        max_consecutive_failures: MAX_FAILURES[0],
        max_status_bytes: MAX_STATUS_BYTES[0],
        final_response: FINAL_RESPONSES[0],
        min_delay: MIN_DELAYS[0],
        max_delay: MAX_DELAYS[0],
        backoff: 0,
        allowed: Vec::new(),
        trusted: Vec::new(),
        carried: CARRIED[0],
        method: METHODS[0],
        start: STARTS[0],
        max_wait: MAX_WAITS[0],
        flags: 0,
        moves: Vec::new(),
        server: Vec::new(),
    }
}

pub fn speaking(protocol: &'static str) -> Seed {
    Seed { protocols: vec![protocol], ..seed() }
}

impl Seed {
    pub fn bytes(&self) -> Vec<u8> {
        let bits = |chosen: &[&str]| chosen.iter().fold(0, |bits, origin| bits | 1 << index_of(&ORIGINS, origin));
        let mut bytes = vec![index_of(&COUNTS, self.protocols.len())];
        if self.protocols.len() < PROTOCOLS.len() {
            bytes.extend(self.protocols.iter().map(|protocol| index_of(&PROTOCOLS, protocol)));
        }
        bytes.extend([
            index_of(&TIMEOUTS, self.timeout),
            index_of(&MAX_FAILURES, self.max_consecutive_failures),
            index_of(&MAX_STATUS_BYTES, self.max_status_bytes),
            index_of(&FINAL_RESPONSES, self.final_response),
            index_of(&MIN_DELAYS, self.min_delay),
            index_of(&MAX_DELAYS, self.max_delay),
            self.backoff % BACKOFFS.len() as u8,
            bits(&self.allowed),
            bits(&self.trusted),
            index_of(&CARRIED, self.carried),
            index_of(&METHODS, self.method),
            index_of(&STARTS, self.start),
            index_of(&MAX_WAITS, self.max_wait),
            self.flags,
            self.moves.len().try_into().expect("the caller does little"),
        ]);
        [bytes, self.moves.clone(), self.server.clone()].concat()
    }

    /// The answer to the start request.
    pub fn start(mut self, reply: &Reply) -> Self {
        if self.flags & RESUMES == 0 {
            self.server.push(UNKNOWN - 1);
        }
        self.reply(reply)
    }

    /// The answer to a poll, of a service that is ready.
    pub fn poll(mut self, reply: &Reply) -> Self {
        self.server.extend([0, 0]);
        self.reply(reply)
    }

    pub fn reply(mut self, reply: &Reply) -> Self {
        self.server.extend(&reply.0);
        self
    }

    /// The service takes its time to get ready for a poll.
    pub fn ready(mut self, pause: Pause, reply: &Reply) -> Self {
        self.server.extend([0, index_of(&PAUSES, pause)]);
        self.reply(reply)
    }

    /// The service gets ready no more.
    pub fn gone(mut self) -> Self {
        self.server.push(0xff);
        self
    }
}

#[derive(Clone)]
pub struct Reply(Vec<u8>);

pub fn text(text: &str) -> Vec<u8> {
    let length = text.len();
    let mut bytes = match length {
        0..0x70 => vec![RAW + length as u8],
        _ => vec![LONG + (length >> 8) as u8, length as u8],
    };
    bytes.extend(text.bytes());
    bytes
}

/// A response at once, whose body comes in one piece.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    whole(status, headers, &[text(body)], 0)
}

/// A response at once, whose body is of these parts, and comes as `how` says.
pub fn whole(status: u16, headers: &[(&str, &str)], parts: &[Vec<u8>], how: u8) -> Reply {
    let names = HEADERS.map(|(name, _)| name);
    let dictionary =
        |name: &str| HEADERS.iter().find(|(it, _)| *it == name).map_or(&[][..], |(_, dictionary)| dictionary);
    let mut bytes = vec![0, 0, index_of(&STATUSES, status), index_of(&HEADER_COUNTS, headers.len())];
    for (name, value) in headers {
        bytes.push(index_of(&names, name));
        match dictionary(name).contains(value) {
            true => bytes.push(index_of(dictionary(name), value)),
            false => bytes.extend(text(value)),
        }
    }
    bytes.push(index_of(&PART_COUNTS, parts.len()));
    bytes.extend(parts.concat());
    bytes.push(how);
    Reply(bytes)
}

impl Reply {
    pub fn after(mut self, pause: Pause) -> Self {
        self.0[0] = index_of(&PAUSES, pause);
        if pause == Pause::Forever {
            self.0.remove(1);
        }
        self
    }

    /// The body pauses after sevenfold so many bytes.
    pub fn pausing(mut self, sevenfold: u8, pause: Pause) -> Self {
        if let Some(how) = self.0.last_mut() {
            *how |= PAUSES_WITHIN;
        }
        self.0.extend([sevenfold, index_of(&PAUSES, pause)]);
        self
    }
}

pub fn lost() -> Reply {
    Reply(vec![0, 0xff])
}

pub fn in_chunks(size: usize) -> u8 {
    index_of(&CHUNKS, size)
}

pub fn filler(size: usize) -> Vec<u8> {
    vec![FILLER, index_of(&FILLERS, size)]
}

pub fn named<const N: usize>(seeds: [(&str, Seed); N]) -> Vec<(String, Vec<u8>)> {
    seeds.into_iter().map(|(name, seed)| (name.to_owned(), seed.bytes())).collect()
}
