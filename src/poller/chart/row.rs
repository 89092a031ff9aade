//! What a row of the table is made of.

use std::time::Duration;

use crate::config::Config;

/// A name, what begins it, what happens then, and the way that it goes: its phases, each with the time at which it is due if
/// nothing happens before.
pub(super) struct Row(
    pub(super) &'static str,
    pub(super) Begin,
    pub(super) &'static [Happens],
    pub(super) &'static str,
);

pub(super) type Headers = &'static [(&'static str, &'static str)];

/// What begins a row, and the layer's settings.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    pub(super) from: From,
    pub(super) settings: fn(&mut Config),
}

#[derive(Clone, Copy)]
pub(super) enum From {
    /// A `POST` was answered so.
    Answer(u16, Headers),
    /// A `GET` resumes an operation with this monitor, of the layer's first protocol.
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
    /// The time has come for which the phase asked.
    Due,
    Head(u16, Headers),
    Frame(&'static str),
    /// With it the end of the body is known.
    LastFrame(&'static str),
    /// More than is read of a body that nobody needs.
    Flood,
    /// More frames without data than are waited for.
    Stall,
    Trailers,
    End,
    Broken,
    ServiceError,
    ServiceGone,
    Unsendable,
    NoTimer,
}
