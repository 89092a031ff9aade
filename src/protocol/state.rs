//! `OperationState`, and `StatusWords`: the meaning of a protocol's status words.

use crate::limits::MAX_STATUS_WORD_BYTES;

/// The meaning of a status.
///
/// # Example
///
/// ```
/// use tower_lro::OperationState;
///
/// assert!(OperationState::Canceled.is_terminal());
/// assert!(!OperationState::Running.is_terminal());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub enum OperationState {
    /// Accepted, but not started yet.
    NotStarted,
    /// Running. Every status that is not known to be terminal counts as running.
    Running,
    /// Ended in success, or in partial success.
    Succeeded,
    /// Ended in failure.
    Failed,
    /// Ended because somebody canceled it.
    Canceled,
}

impl OperationState {
    /// Whether the operation has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

/// The words that services document for each state, or were recorded to send.
const KNOWN_WORDS: [(OperationState, &[&str]); 5] = [
    (OperationState::Succeeded, &["Succeeded", "Completed", "Success", "PartiallySucceeded", "PartiallyCompleted"]),
    (OperationState::Failed, &["Failed", "ValidationFailed", "Rejected"]),
    (OperationState::Canceled, &["Canceled", "Cancelled"]),
    (OperationState::NotStarted, &["NotStarted", "Not Started"]),
    (
        OperationState::Running,
        &[
            "Running",
            "InProgress",
            "In Progress",
            "Accepted",
            "Pending",
            "Queued",
            "Enqueued",
            "Dequeued",
            "Waiting",
            "Scheduled",
            "Submitted",
            "Created",
            "Started",
            "Starting",
            "Processing",
            "Validating",
            "Creating",
            "Updating",
            "Deleting",
            "Building",
            "Provisioning",
            "Pausing",
            "Paused",
            "Resuming",
            "Canceling",
            "Cancelling",
            "CancelRequested",
            "NotRunning",
            "TransientFailure",
        ],
    ),
];

/// A protocol's own status words. They compare trimmed and ASCII-case-insensitively, and take precedence over the words that every
/// protocol knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StatusWords {
    pub(crate) succeeded: Vec<String>,
    pub(crate) failed: Vec<String>,
    pub(crate) canceled: Vec<String>,
    pub(crate) running: Vec<String>,
}

/// The meaning of a word, and whether it is known or assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) state: OperationState,
    pub(crate) is_recognized: bool,
}

impl StatusWords {
    pub(crate) fn meaning(&self, word: &str) -> Meaning {
        let word = word.trim();
        let own =
            self.classes().into_iter().find(|(_, words)| words.iter().any(|own| own.trim().eq_ignore_ascii_case(word)));
        let known = || KNOWN_WORDS.iter().find(|(_, words)| words.iter().any(|known| known.eq_ignore_ascii_case(word)));
        let state = own.map(|(state, _)| state).or_else(|| known().map(|&(state, _)| state));
        Meaning { state: state.unwrap_or(OperationState::Running), is_recognized: state.is_some() }
    }

    pub(crate) fn classes(&self) -> [(OperationState, &[String]); 4] {
        [
            (OperationState::Running, &self.running),
            (OperationState::Succeeded, &self.succeeded),
            (OperationState::Failed, &self.failed),
            (OperationState::Canceled, &self.canceled),
        ]
    }

    /// A word that is too long to be read.
    pub(crate) fn too_long(&self) -> Option<&str> {
        let words = self.classes().into_iter().flat_map(|(_, words)| words);
        words.map(|word| word.trim()).find(|word| word.len() > MAX_STATUS_WORD_BYTES)
    }

    /// A word with two meanings.
    pub(crate) fn contradiction(&self) -> Option<&str> {
        let words: Vec<_> =
            self.classes().into_iter().flat_map(|(state, words)| words.iter().map(move |word| (state, word))).collect();
        let is_twice = |&(state, word): &(OperationState, &String)| {
            words.iter().any(|&(other, it)| other != state && it.trim().eq_ignore_ascii_case(word.trim()))
        };
        words.iter().copied().find(is_twice).map(|(_, word)| word.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_compare_trimmed_and_case_insensitively() {
        let words = StatusWords {
            running: vec!["Rejected".to_owned()],
            failed: vec![" Lost\n".to_owned()],
            ..StatusWords::default()
        };
        for (word, state, is_recognized) in [
            ("Succeeded", OperationState::Succeeded, true),
            (" succeeded\n", OperationState::Succeeded, true),
            ("COMPLETED", OperationState::Succeeded, true),
            ("partiallySucceeded", OperationState::Succeeded, true),
            ("ValidationFailed", OperationState::Failed, true),
            ("rejected", OperationState::Running, true),
            ("Canceled", OperationState::Canceled, true),
            ("cancelled", OperationState::Canceled, true),
            ("Cancelling", OperationState::Running, true),
            ("TransientFailure", OperationState::Running, true),
            ("notStarted", OperationState::NotStarted, true),
            ("Not Started", OperationState::NotStarted, true),
            ("Lost", OperationState::Failed, true),
            ("done", OperationState::Running, false),
            ("", OperationState::Running, false),
        ] {
            assert_eq!(words.meaning(word), Meaning { state, is_recognized }, "{word:?}");
        }
    }

    #[test]
    fn no_known_word_has_two_meanings() {
        let all: Vec<_> =
            KNOWN_WORDS.iter().flat_map(|(_, words)| *words).map(|word| word.to_ascii_lowercase()).collect();
        assert!(all.iter().enumerate().all(|(index, word)| !all[..index].contains(word)));
    }

    #[test]
    fn one_word_in_two_classes_is_a_contradiction() {
        let words = |succeeded: &str, failed: &str| StatusWords {
            succeeded: vec![succeeded.to_owned()],
            failed: vec![failed.to_owned()],
            ..StatusWords::default()
        };
        assert_eq!(words("Shipped", " shipped ").contradiction(), Some("Shipped"));
        assert_eq!(words("Shipped", "Lost").contradiction(), None);
    }
}
