//! `Words`: what the status words of a protocol mean.

use crate::operation::OperationState;

/// Status words. They compare trimmed and ASCII-case-insensitively; all that are not known mean that the operation is
/// still running.
#[derive(Clone)]
pub(crate) struct Words {
    pub(crate) succeeded: Vec<String>,
    pub(crate) failed: Vec<String>,
    pub(crate) canceled: Vec<String>,
    /// Not terminal, but told apart from running.
    pub(crate) not_started: Vec<String>,
    /// Not terminal, though they would be.
    pub(crate) running: Vec<String>,
}

impl Words {
    pub(crate) fn state(&self, word: &str) -> OperationState {
        let word = word.trim();
        let is_among = |words: &[String]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if is_among(&self.running) {
            OperationState::Running
        } else if is_among(&self.succeeded) {
            OperationState::Succeeded
        } else if is_among(&self.failed) {
            OperationState::Failed
        } else if is_among(&self.canceled) {
            OperationState::Canceled
        } else if is_among(&self.not_started) {
            OperationState::NotStarted
        } else {
            OperationState::Running
        }
    }
}

impl Default for Words {
    /// The words that services were recorded to send.
    fn default() -> Self {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self {
            succeeded: owned(&["Succeeded", "Completed", "Success", "PartiallySucceeded", "PartiallyCompleted"]),
            failed: owned(&["Failed", "ValidationFailed", "Rejected"]),
            canceled: owned(&["Canceled", "Cancelled"]),
            not_started: owned(&["NotStarted", "Not Started"]),
            running: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_compare_trimmed_and_case_insensitively() {
        let words = Words { running: vec!["Rejected".to_owned()], ..Words::default() };
        for (word, state) in [
            ("Succeeded", OperationState::Succeeded),
            (" succeeded\n", OperationState::Succeeded),
            ("COMPLETED", OperationState::Succeeded),
            ("partiallySucceeded", OperationState::Succeeded),
            ("ValidationFailed", OperationState::Failed),
            ("rejected", OperationState::Running),
            ("Canceled", OperationState::Canceled),
            ("cancelled", OperationState::Canceled),
            ("Cancelling", OperationState::Running),
            ("TransientFailure", OperationState::Running),
            ("notStarted", OperationState::NotStarted),
            ("Not Started", OperationState::NotStarted),
            ("", OperationState::Running),
        ] {
            assert_eq!(words.state(word), state, "{word:?}");
        }
    }
}
