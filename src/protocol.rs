//! `Protocol`: how a family of services announces, reports and concludes operations, as data.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::LOCATION};

use crate::{Origin, State, poller::Watch};

pub(crate) const OPERATION_LOCATION: HeaderName = HeaderName::from_static("operation-location");

/// How a family of services announces, reports and concludes long-running operations.
///
/// Data, not code: which header of the start response names the monitor, on which statuses, where a status response
/// has its status word, which words are terminal, and which other origins the family answers from.
/// [`LroLayer::new`](crate::LroLayer::new) speaks [`Protocol::operation_location`].
///
/// # Example
///
/// ```
/// use tower_lro::{LroLayer, Protocol};
///
/// // `Operation-Location` where there is one, `Location` where there is not.
/// let layer = LroLayer::new().protocol(Protocol::location());
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Protocol(Arc<Spec>);

pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) announcement: Announcement,
    pub(crate) reading: Reading,
    pub(crate) words: Words,
    pub(crate) trust: Vec<TrustRule>,
}

/// What makes a start response one.
pub(crate) struct Announcement {
    pub(crate) statuses: Vec<StatusCode>,
    /// The header that names the monitor.
    pub(crate) header: HeaderName,
    /// A protocol whose announcement wins where both are made.
    pub(crate) beaten_by: Option<Protocol>,
}

/// How the monitor's answers are to be read.
pub(crate) struct Reading {
    /// The JSON members that may have the status word. The first in the body counts.
    pub(crate) status: Vec<Watch>,
    /// Whether the HTTP status decides where no word is found: 202 is running, anything else the outcome.
    pub(crate) plain: bool,
    /// A non-terminal status response with one of these statuses may move the monitor by the announcing header.
    pub(crate) moves_on: Option<Vec<StatusCode>>,
}

/// The terminal status words. They compare trimmed and ASCII-case-insensitively.
#[derive(Clone)]
pub(crate) struct Words {
    pub(crate) succeeded: Vec<&'static str>,
    pub(crate) failed: Vec<&'static str>,
    pub(crate) canceled: Vec<&'static str>,
    /// Not terminal, but told apart from running.
    pub(crate) not_started: Vec<&'static str>,
}

/// Start requests to an origin in `from` may be polled with their credentials at an origin in `to`.
#[derive(Clone)]
pub(crate) struct TrustRule {
    pub(crate) from: Vec<Origin>,
    pub(crate) to: Vec<Origin>,
}

impl Protocol {
    /// `202 Accepted` with `Operation-Location`; the status is the top-level member `status` of the monitor's JSON;
    /// the final response is the final status response. The default.
    ///
    /// Spoken by [Azure Maps (V2)], Document Intelligence, Language, Translator, Communication Services, and the rest of
    /// the services that follow the [Azure REST API guidelines].
    ///
    /// Requests to `https://atlas.microsoft.com` or its subdomains are followed to `https://atlas.microsoft.com` and its
    /// subdomains with their credentials, because Azure Maps answers from its geographies (`us.`, `eu.`).
    ///
    /// [Azure Maps (V2)]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation-v2
    /// [Azure REST API guidelines]: https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#long-running-operations--jobs
    #[must_use]
    pub fn operation_location() -> Self {
        static PROTOCOL: LazyLock<Protocol> = LazyLock::new(|| {
            Protocol(Arc::new(Spec {
                name: "operation-location",
                announcement: Announcement {
                    statuses: vec![StatusCode::ACCEPTED],
                    header: OPERATION_LOCATION,
                    beaten_by: None,
                },
                reading: Reading { status: vec![Watch::text(["status"])], plain: false, moves_on: None },
                words: Words::default(),
                trust: azure_maps_geographies(),
            }))
        });
        PROTOCOL.clone()
    }

    /// `202 Accepted` with `Location`. A top-level `status` decides if the monitor's JSON has one; else another 202 means
    /// running, and anything else is the outcome and is handed over, a 4xx included (408 and 429 are failed polls).
    ///
    /// Spoken by [Azure Maps (V1)], its Route Matrix and batch services, Synapse, and many others; the plain form of the
    /// [asynchronous request-reply pattern]. Where `Operation-Location` is sent too, that names the monitor, and
    /// `Location` the result.
    ///
    /// Not spoken unless asked for: container registries and others answer `202` with `Location` to requests that start
    /// no operation.
    ///
    /// [Azure Maps (V1)]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation
    /// [asynchronous request-reply pattern]: https://learn.microsoft.com/azure/architecture/patterns/async-request-reply
    #[must_use]
    pub fn location() -> Self {
        static PROTOCOL: LazyLock<Protocol> = LazyLock::new(|| {
            Protocol(Arc::new(Spec {
                name: "location",
                announcement: Announcement {
                    statuses: vec![StatusCode::ACCEPTED],
                    header: LOCATION,
                    beaten_by: Some(Protocol::operation_location()),
                },
                reading: Reading {
                    status: vec![Watch::text(["status"])],
                    plain: true,
                    moves_on: Some(vec![StatusCode::ACCEPTED]),
                },
                words: Words::default(),
                trust: azure_maps_geographies(),
            }))
        });
        PROTOCOL.clone()
    }

    /// The name that this protocol goes by in [`Debug`] output and in stored operations.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name
    }

    /// The protocol that the response announces an operation by, and the address of its monitor.
    #[inline]
    pub(crate) fn announced<'a>(
        &'a self,
        status: StatusCode,
        headers: &'a HeaderMap,
    ) -> Option<(&'a Self, &'a HeaderValue)> {
        let Announcement { statuses, header, beaten_by } = &self.0.announcement;
        if !statuses.contains(&status) {
            return None;
        }
        let address = headers.get(header)?;
        let winner = beaten_by.as_ref().and_then(|winner| winner.announced(status, headers));
        Some(winner.unwrap_or((self, address)))
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.0
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Protocol").field(&self.0.name).finish()
    }
}

impl Words {
    pub(crate) fn state(&self, word: &str) -> State {
        let word = word.trim();
        let is_among = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if is_among(&self.succeeded) {
            State::Succeeded
        } else if is_among(&self.failed) {
            State::Failed
        } else if is_among(&self.canceled) {
            State::Canceled
        } else if is_among(&self.not_started) {
            State::NotStarted
        } else {
            State::Running
        }
    }
}

impl Default for Words {
    fn default() -> Self {
        Self {
            succeeded: vec!["Succeeded", "Completed", "Success", "PartiallySucceeded", "PartiallyCompleted"],
            failed: vec!["Failed", "ValidationFailed", "Rejected"],
            canceled: vec!["Canceled", "Cancelled"],
            not_started: vec!["NotStarted", "Not Started"],
        }
    }
}

fn azure_maps_geographies() -> Vec<TrustRule> {
    let origins: Vec<Origin> = ["https://atlas.microsoft.com", "https://*.atlas.microsoft.com"]
        .iter()
        .filter_map(|o| o.parse().ok())
        .collect();
    vec![TrustRule { from: origins.clone(), to: origins }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_compare_trimmed_and_case_insensitively() {
        let words = Words::default();
        for (word, state) in [
            ("Succeeded", State::Succeeded),
            (" succeeded\n", State::Succeeded),
            ("COMPLETED", State::Succeeded),
            ("partiallySucceeded", State::Succeeded),
            ("ValidationFailed", State::Failed),
            ("rejected", State::Failed),
            ("Canceled", State::Canceled),
            ("cancelled", State::Canceled),
            ("Cancelling", State::Running),
            ("TransientFailure", State::Running),
            ("notStarted", State::NotStarted),
            ("Not Started", State::NotStarted),
            ("", State::Running),
        ] {
            assert_eq!(words.state(word), state, "{word:?}");
        }
    }

    #[test]
    fn azure_maps_origins_are_written_right() {
        assert_eq!(azure_maps_geographies()[0].to.len(), 2);
    }
}
