//! The parts of a row of the table.

use std::time::Duration;

use crate::config::Config;

/// A name, how the row begins, what happens then, and the path that it takes: its phases, each with the time at which it is due
/// if nothing happens before.
pub(super) struct Row(
    pub(super) &'static str,
    pub(super) Begin,
    pub(super) &'static [Happens],
    pub(super) &'static str,
);

pub(super) type Headers = &'static [(&'static str, &'static str)];

/// How a row begins, and the layer's settings.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    pub(super) from: From,
    pub(super) settings: fn(&mut Config),
}

#[derive(Clone, Copy)]
pub(super) enum From {
    /// A `POST` got this answer.
    Answer(u16, Headers),
    /// A `GET` resumes an operation of the layer's first protocol, with this monitor.
    Stored(&'static str),
}

pub(super) const fn answered(status: u16, headers: Headers) -> Begin {
    Begin { from: From::Answer(status, headers), settings: |_| {} }
}

pub(super) const fn stored(monitor: &'static str) -> Begin {
    Begin { from: From::Stored(monitor), settings: |_| {} }
}

impl Begin {
    pub(super) const fn with(self, settings: fn(&mut Config)) -> Self {
        Self { settings, ..self }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Happens {
    /// Time passes, and nothing else happens.
    After(Duration),
    /// The time that the phase asked for has come.
    Due,
    Head(u16, Headers),
    Frame(&'static str),
    /// A frame with which the end of the body is known.
    LastFrame(&'static str),
    /// More bytes than are read of an unneeded body.
    Flood,
    /// More frames without data than the machine accepts.
    Stall,
    Trailers,
    End,
    Broken,
    ServiceError,
    ServiceGone,
    Unsendable,
    NoTimer,
}
