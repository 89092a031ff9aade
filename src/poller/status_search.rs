//! `StatusSearch`: looks for the status and the percentage in the body of a status response as it arrives.

use crate::{
    json::{
        members::{Member, json_string},
        scanner::{Found, Scanner},
        selector::{Match, Selector},
        string::MAX_WORD_BYTES,
    },
    protocol::status_rule::{PercentUnit, StatusRule},
};

/// The word for a member that is null or missing.
const NULL: &str = "null";

#[derive(Debug)]
pub(crate) struct StatusSearch {
    scanner: Scanner,
    scanned: usize,
    /// The status so far, and the index of the rule's selector that found it: the first selector wins.
    status: Option<(usize, Word)>,
    /// The percentage so far, likewise.
    percent: Option<(usize, f64)>,
}

impl StatusSearch {
    #[inline]
    pub(crate) fn new(rule: &StatusRule) -> Self {
        Self { scanner: Scanner::new(rule.interest()), scanned: 0, status: None, percent: None }
    }

    /// Reads on to the end of `data`.
    pub(crate) fn read(&mut self, data: &[u8], rule: &StatusRule) {
        let mut position = 0;
        while position < data.len() {
            position += self.read_to_match(&data[position..], rule);
        }
    }

    /// Reads on until the status is decided.
    pub(crate) fn read_to_status(&mut self, data: &[u8], rule: &StatusRule) {
        let mut position = 0;
        while position < data.len() && !self.is_decided() {
            position += self.read_to_match(&data[position..], rule);
        }
    }

    /// Reads on to the next match, or to the end; returns how many bytes were read.
    fn read_to_match(&mut self, data: &[u8], rule: &StatusRule) -> usize {
        let Some(found) = self.scanner.scan(data) else {
            self.scanned = self.scanned.saturating_add(data.len());
            return data.len();
        };
        let Found { selector, read, .. } = found;
        self.scanned = self.scanned.saturating_add(read);
        let Some(word) = found.word else { return read };
        let percent = match selector.checked_sub(rule.status.len()) {
            Some(percent) => percent,
            None => {
                if self.status.as_ref().is_none_or(|(first, _)| selector < *first) {
                    self.status = Some((selector, Word::of(word)));
                }
                let Some(percent) = rule.percent_of_status(selector) else { return read };
                percent
            }
        };
        if self.percent.is_none_or(|(first, _)| percent < first) {
            let unit = rule.percent.get(percent).map_or(PercentUnit::Hundred, |at| at.unit);
            let number = found.text().and_then(|text| number(text, unit));
            self.percent = number.map(|number| (percent, number)).or(self.percent);
        }
        read
    }

    /// How many bytes have been read.
    pub(crate) fn scanned(&self) -> usize {
        self.scanned
    }

    /// Whether nothing more can be found.
    pub(crate) fn is_at_end(&self) -> bool {
        self.scanner.is_at_end()
    }

    /// Whether the body is not JSON, or JSON that has been read to its end.
    pub(crate) fn is_whole(&self) -> bool {
        !self.scanner.is_object() || self.scanner.is_closed()
    }

    /// The status, if nothing that follows can take precedence over it.
    pub(crate) fn decided(&self) -> Option<&str> {
        let (_, word) = self.status.as_ref().filter(|_| self.is_decided())?;
        Some(word.as_str())
    }

    fn is_decided(&self) -> bool {
        let has_passed_all = |selector: usize| (0..selector).all(|before| self.scanner.has_passed(before));
        self.status.as_ref().is_some_and(|(selector, _)| has_passed_all(*selector))
    }

    /// The status, at the end of the body.
    pub(crate) fn status(&self, rule: &StatusRule) -> Option<&str> {
        if !self.scanner.is_closed() {
            return self.decided();
        }
        let is_absent = |&(index, selector): &(usize, &Selector)| {
            selector.matches == Match::Absent && !self.scanner.has_passed(index)
        };
        let absent = rule.status.iter().enumerate().find(is_absent).map(|(index, _)| (index, NULL));
        let found = self.status.as_ref().map(|(index, word)| (*index, word.as_str()));
        [absent, found].into_iter().flatten().min_by_key(|&(index, _)| index).map(|(_, word)| word)
    }

    /// The percentage, if the response has one.
    pub(crate) fn percent(&self) -> Option<f64> {
        self.percent.map(|(_, percent)| percent)
    }
}

/// The percentage in a document with these members.
pub(crate) fn percent_in(document: &[Member<'_>], rule: &StatusRule) -> Option<f64> {
    rule.percent.iter().find_map(|at| {
        let value = at.pointer.find(document)?;
        json_string(value).map_or_else(|| number(value, at.unit), |text| number(&text, at.unit))
    })
}

/// A word of the scanner, kept without an allocation.
#[derive(Debug)]
struct Word {
    bytes: [u8; MAX_WORD_BYTES],
    len: u8,
}

impl Word {
    fn of(word: &[u8]) -> Self {
        let mut bytes = [0; MAX_WORD_BYTES];
        let len = word.len().min(MAX_WORD_BYTES);
        bytes[..len].copy_from_slice(&word[..len]);
        Self { bytes, len: len as u8 }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// A number, perhaps with a percent sign.
fn number(text: &str, unit: PercentUnit) -> Option<f64> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<f64>().ok()?;
    let percent = match unit {
        PercentUnit::Hundred => number,
        // 0.29 is 29, and not 28.999999999999996: no service means so many digits.
        PercentUnit::One => (number * 1e8).round() / 1e6,
    };
    percent.is_finite().then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::members::members;

    /// Searches a body in one piece: the status, whether it is known before the end, and the percentage.
    fn search(rule: &StatusRule, body: &str) -> (Option<String>, bool, Option<f64>) {
        let whole = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut search = StatusSearch::new(rule);
            pieces.for_each(|piece| search.read(piece, rule));
            (search.status(rule).map(str::to_owned), search.decided().is_some(), search.percent())
        };
        let found = whole(&mut [body.as_bytes()].into_iter());
        assert_eq!(whole(&mut body.as_bytes().chunks(1)), found, "{body}");
        found
    }

    #[test]
    fn the_first_selector_that_matches_counts_wherever_it_stands() {
        let rule =
            StatusRule::new().status_at("/result").status_at("/state").status_true("/done").status_absent("/target");
        for (body, expected, decided) in [
            (r#"{"result": "FAILED", "state": "TERMINATED"}"#, Some("FAILED"), true),
            (r#"{"state": "TERMINATED", "result": "FAILED"}"#, Some("FAILED"), true),
            (r#"{"state": "RUNNING", "result": null, "x": 1}"#, Some("RUNNING"), true),
            (r#"{"state": "RUNNING", "target": 1}"#, Some("RUNNING"), false),
            (r#"{"done": true, "state": "RUNNING"}"#, Some("RUNNING"), false),
            (r#"{"done": true}"#, Some("done"), false),
            (r#"{"done": false, "target": null}"#, Some("null"), false),
            (r#"{"done": false, "result": 0, "state": {}, "target": null}"#, Some("null"), true),
            (r#"{"done": false}"#, Some("null"), false),
            (r#"{"done": false, "target": "x"}"#, None, false),
            // Cut off, and the first may have come.
            (r#"{"state": "RUNNING","#, None, false),
            (r#"{"state": "RUNNING", "result": "FAI"#, None, false),
            ("", None, false),
            ("[]", None, false),
        ] {
            let (status, is_decided, _) = search(&rule, body);
            assert_eq!((status.as_deref(), is_decided), (expected, decided), "{body}");
        }
    }

    #[test]
    fn percentages_are_numbers_strings_and_fractions() {
        let rule = StatusRule::new().status_at("/status").fraction_at("/progress").percent_at("/steps/0/done");
        for (body, expected) in [
            (r#"{"percentComplete": 50, "status": "Running"}"#, Some(50.0)),
            (r#"{"status": "Running", "percentCompleted": 27.8}"#, Some(27.8)),
            (r#"{"percentageComplete": 1e1}"#, Some(10.0)),
            (r#"{"percentComplete": "45%"}"#, Some(45.0)),
            (r#"{"percentComplete": " 45 % "}"#, Some(45.0)),
            (r#"{"percentComplete": null, "percentComplete": 7}"#, Some(7.0)),
            (r#"{"percentComplete": 50, "progress": 0.25}"#, Some(25.0)),
            (r#"{"progress": "0.5", "percentComplete": 7}"#, Some(50.0)),
            (r#"{"progress": 0.29}"#, Some(29.0)),
            (r#"{"progress": 0.123456}"#, Some(12.3456)),
            (r#"{"progress": 1e304}"#, None),
            (r#"{"steps": [{"done": "12.5%"}, {"done": 99}]}"#, Some(12.5)),
            (r#"{"a": {"percentComplete": 50}}"#, None),
            (r#"{"percentComplete": 1e999}"#, None),
            (r#"{"percentComplete": "half"}"#, None),
            (r#"{"percentComplete": --, "status": "Running"}"#, None),
            (r#"{"percentComplete": 5"#, None),
        ] {
            assert_eq!(search(&rule, body).2, expected, "{body}");
            // If a member is there twice, the first counts there.
            let expected = expected.filter(|_| !body.contains("null, \"percentComplete"));
            assert_eq!(percent_in(&members(body), &rule), expected, "{body}");
        }
    }
}
