//! Compares the scanner with `serde_json`, and with itself on bodies that are split elsewhere.

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    json::{
        scanner::{Scanner, Selectors},
        selector::{Match, Pointer, Selector},
    },
    limits::MAX_STATUS_WORD_BYTES,
};

/// The matches: the selector, its word, and how many bytes of the body had been read by then.
type Seen = Vec<(usize, String, usize)>;

fn selectors<const N: usize>(selectors: [(&str, Match); N]) -> Selectors {
    selectors.map(|(pointer, matches)| Selector::new(Pointer::parse(pointer).unwrap(), matches)).into()
}

fn status() -> Selectors {
    selectors([("/status", Match::String)])
}

fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, selectors: &Selectors) -> Seen {
    let mut scanner = Scanner::new(selectors);
    let mut seen = Vec::new();
    let mut before = 0;
    for piece in pieces {
        let mut read = 0;
        while let Some(found) = scanner.scan(&piece[read..]) {
            read += found.read;
            seen.extend(found.text().map(|word| (found.selector, word.to_owned(), before + read)));
        }
        before += piece.len();
    }
    seen
}

fn whole(body: &[u8]) -> Seen {
    scan([body], &status())
}

fn word(body: impl AsRef<[u8]>) -> Option<String> {
    whole(body.as_ref()).into_iter().next().map(|(_, word, _)| word)
}

/// Tries every split in two, for small bodies every split in three, and byte by byte.
fn assert_splits_do_not_matter(body: &[u8], selectors: &Selectors) {
    let expected = scan([body], selectors);
    assert_eq!(scan(body.chunks(1), selectors), expected, "byte by byte: {:?}", String::from_utf8_lossy(body));
    for first in 0..=body.len() {
        let (head, rest) = body.split_at(first);
        assert_eq!(scan([head, rest], selectors), expected, "at {first}: {:?}", String::from_utf8_lossy(body));
        if body.len() <= 48 {
            for second in 0..=rest.len() {
                let (middle, tail) = rest.split_at(second);
                assert_eq!(scan([head, middle, tail], selectors), expected, "at {first} and {second}");
            }
        }
    }
}

#[test]
fn the_status_is_a_string_at_the_top_level() {
    for (body, expected) in [
        (r#"{"status":"Running"}"#, Some("Running")),
        (" \r\n\t{ \"status\" : \"Running\" , \"x\":1}", Some("Running")),
        (r#"{"a":{"status":"No"},"b":[{"status":"No"}],"status":"Yes"}"#, Some("Yes")),
        (r#"{"a":"\"status\":\"No\"","status":"Yes"}"#, Some("Yes")),
        (r#"{"a":-1.5e+3,"b":true,"c":null,"status":"Yes"}"#, Some("Yes")),
        (r#"{"Status":"No","status ":"No","statu":"No","statuss":"No"}"#, None),
        (r#"{"status":""}"#, Some("")),
        (r#"{"status":null,"status":7,"status":{"status":"No"},"status":["No"],"status":"Yes"}"#, Some("Yes")),
        (r#"{"status":"First","status":"Second"}"#, Some("First")),
        (r#"{"st\u0061tus":"R\u0075nning"}"#, Some("Running")),
        (r#"{"status":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}"#, Some("\"\\/\u{8}\u{c}\n\r\té😀")),
        ("\u{feff}{\"status\":\"Running\"}", Some("Running")),
        ("", None),
        ("{}", None),
        ("[]", None),
        (r#"[{"status":"No"}]"#, None),
        (r#""status""#, None),
        ("null", None),
        ("7", None),
        ("<html>", None),
        (r#"{"status":"Runn"#, None),
        (r#"{"status""#, None),
        (r#"{"status":"Running"#, None),
        (r#"{"a":1}{"status":"No"}"#, None),
        (r#"{"a":1,}"#, None),
        (r#"{"a" 1,"status":"No"}"#, None),
        ("\u{feff}\u{feff}{\"status\":\"No\"}", None),
        (" \u{feff}{\"status\":\"No\"}", None),
    ] {
        assert_eq!(word(body).as_deref(), expected, "{body}");
        assert_splits_do_not_matter(body.as_bytes(), &status());
    }
}

#[test]
fn malformed_strings_are_no_status() {
    for body in [
        &b"{\"status\":\"\xff\"}"[..],
        b"{\"status\":\"Runn\xc3\"}",
        b"{\"status\":\"\\x\"}",
        b"{\"status\":\"\\u12\"}",
        b"{\"status\":\"\\ud800\"}",
        b"{\"status\":\"\\ud800x\"}",
        b"{\"status\":\"\\ud800\\n\"}",
        b"{\"status\":\"\\ud800\\ud800\\udc00\"}",
        b"{\"status\":\"\\udc00\"}",
        b"{\"st\\u00e\":\"No\"}",
        b"\xef\xbb{\"status\":\"No\"}",
        b"\xff\xfe{\0\"\0s\0t\0a\0t\0u\0s\0\"\0",
    ] {
        assert_eq!(word(body), None, "{:?}", String::from_utf8_lossy(body));
        assert_splits_do_not_matter(body, &status());
    }
    // Nor is one that is cut off behind what is malformed.
    let long = [&b"{\"status\":\"Runn\xff"[..], &[b'x'; MAX_STATUS_WORD_BYTES], b"\"}"].concat();
    assert_eq!(word(&long), None);
    assert_splits_do_not_matter(&long, &status());
    assert_eq!(word(b"{\"\xff\":1,\"a\":\"\xff\",\"status\":\"Yes\"}").as_deref(), Some("Yes"));
}

/// The selectors and words that are found in a body, however it is split.
fn found(body: &str, selectors: &Selectors) -> Vec<(usize, String)> {
    assert_splits_do_not_matter(body.as_bytes(), selectors);
    scan([body.as_bytes()], selectors).into_iter().map(|(selector, word, _)| (selector, word)).collect()
}

fn assert_found(selectors: &Selectors, cases: &[(&str, &[(usize, &str)])]) {
    for &(body, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|&(selector, word)| (selector, word.to_owned())).collect();
        assert_eq!(found(body, selectors), expected, "{body}");
    }
}

#[test]
fn a_pointer_leads_through_objects() {
    assert_found(
        &selectors([("/properties/provisioningState", Match::String)]),
        &[
            (r#"{"properties":{"provisioningState":"Creating"}}"#, &[(0, "Creating")]),
            (
                r#"{"provisioningState":"No","properties":{"a":{"provisioningState":"No"},"provisioningState":"Yes"}}"#,
                &[(0, "Yes")],
            ),
            (r#"{"properties":{},"properties":{"provisioningState":"Yes"}}"#, &[(0, "Yes")]),
            (r#"{"properties":{"a":1},"provisioningState":"No"}"#, &[]),
            (r#"{"properties":[{"provisioningState":"No"}],"x":{"properties":{"provisioningState":"No"}}}"#, &[]),
            (r#"{"properties":"provisioningState","properties":null}"#, &[]),
            (r#"{"properties":{"properties":{"provisioningState":"No"}}}"#, &[]),
        ],
    );
}

#[test]
fn a_pointer_leads_through_arrays() {
    assert_found(
        &selectors([("/tasks/1/state", Match::String), ("/ids/0", Match::Scalar), ("/a/0/0", Match::Present)]),
        &[
            (r#"{"tasks":[{"state":"No"},{"state":"Yes"},{"state":"No"}]}"#, &[(0, "Yes")]),
            (r#"{"tasks": [ 1 , { "state" : "Yes" } ] , "ids" : [ 7 , 8 ]}"#, &[(0, "Yes"), (1, "7")]),
            (r#"{"tasks":[[{"state":"No"},{"state":"No"}],"x"],"ids":[]}"#, &[]),
            (r#"{"tasks":[],"ids":["a",["b"]]}"#, &[(1, "a")]),
            (r#"{"tasks":{"1":{"state":"By key"}},"ids":{"0":1}}"#, &[(0, "By key"), (1, "1")]),
            (r#"{"a":[[{"x":1}],[2]],"tasks":[0,{"state":"Yes"}]}"#, &[(2, "0"), (0, "Yes")]),
            (r#"{"a":[[null]],"a":[[[]]]}"#, &[(2, "0")]),
            (r#"{"ids":[1"#, &[]),
            (r#"{"ids":[}],"tasks":[0,{"state":"No"}]}"#, &[]),
        ],
    );
}

#[test]
fn several_selectors_are_found_in_the_order_of_the_document() {
    assert_found(
        &selectors([
            ("/status", Match::String),
            ("/properties/provisioningState", Match::String),
            ("/error", Match::Present),
            ("/error/status", Match::String),
            ("/properties/deep/er", Match::String),
        ]),
        &[
            (r#"{"status":"A","properties":{"provisioningState":"B"}}"#, &[(0, "A"), (1, "B")]),
            (r#"{"properties":{"provisioningState":"B"},"status":"A"}"#, &[(1, "B"), (0, "A")]),
            (r#"{"properties":{"status":"No","x":{"provisioningState":"No"}},"status":7}"#, &[]),
            (r#"{"properties":{"deep":{"x":1,"er":"C"}},"status":"A"}"#, &[(4, "C"), (0, "A")]),
            (r#"{"error":null,"status":"A"}"#, &[(0, "A")]),
            (r#"{"error":{"status":"A"}}"#, &[(2, "error"), (3, "A")]),
            (r#"{"error": "x"}"#, &[(2, "error")]),
            (r#"{"error":false}"#, &[(2, "error")]),
            (r#"{"error":[]}"#, &[(2, "error")]),
            (r#"{"x":{"error":1}}"#, &[]),
        ],
    );
}

#[test]
fn a_value_gives_the_word_of_the_first_selector_that_it_matches() {
    assert_found(
        &selectors([("/v", Match::True), ("/v", Match::Absent), ("/v", Match::Scalar), ("/v", Match::Present)]),
        &[
            (r#"{"v":true}"#, &[(0, "v")]),
            (r#"{"v":null}"#, &[(1, "null")]),
            (r#"{"v":false}"#, &[(2, "false")]),
            (r#"{"v": -1.5e3 }"#, &[(2, "-1.5e3")]),
            (r#"{"v":"30"}"#, &[(2, "30")]),
            (r#"{"v":[1]}"#, &[(3, "v")]),
            (r#"{"v":{"v":true}}"#, &[(3, "v")]),
            (r#"{"v":"#, &[]),
            (r#"{"v":true"#, &[]),
            (r#"{"v":}"#, &[]),
        ],
    );
    assert_found(&selectors([("/v", Match::True)]), &[(r#"{"v":"true","v":1,"v":[true],"v":trues}"#, &[])]);
    let long = format!(r#"{{"v":{}}}"#, "1".repeat(1000));
    let digits = selectors([("/v", Match::Scalar)]);
    assert_eq!(found(&long, &digits), [(0, format!("{}…", "1".repeat(MAX_STATUS_WORD_BYTES)))]);
}

#[test]
fn it_is_known_which_members_were_passed_and_whether_the_object_is_whole() {
    let selectors = selectors([("/a", Match::String), ("/b/0", Match::Absent), ("/c", Match::String)]);
    for (body, passed, is_object, is_closed) in [
        (r#"{"a":1,"b":[2]}"#, [true, true, false], true, true),
        (r#"{"a":1,"b":[]}"#, [true, false, false], true, true),
        (r#"{"a":1,"#, [true, false, false], true, false),
        (r#"{"a":1"#, [false; 3], true, false),
        (r#"{"a":"x"#, [false; 3], true, false),
        (r#"{"a":"#, [false; 3], true, false),
        (r#"{"x":{"a":1}} trailing"#, [false; 3], true, true),
        ("  ", [false; 3], false, false),
        ("[]", [false; 3], false, false),
        (r#"{"a":1 "c":2}"#, [true, false, false], false, false),
    ] {
        let mut scanner = Scanner::new(&selectors);
        let mut read = 0;
        while let Some(found) = scanner.scan(&body.as_bytes()[read..]) {
            read += found.read;
        }
        assert_eq!([0, 1, 2].map(|selector| scanner.has_passed(selector)), passed, "{body}");
        assert_eq!((scanner.is_object(), scanner.is_closed()), (is_object, is_closed), "{body}");
    }
}

#[test]
fn words_are_cut_off_at_a_character_and_cost_nothing() {
    let long = format!("{{\"status\":\"{}\"}}", "é".repeat(1000));
    assert_eq!(word(&long), Some("é".repeat(MAX_STATUS_WORD_BYTES / 2) + "…"));
    let odd = format!("{{\"status\":\"x{}\"}}", "é".repeat(1000));
    assert_eq!(word(&odd), Some(format!("x{}…", "é".repeat(MAX_STATUS_WORD_BYTES / 2 - 1))));
    assert_splits_do_not_matter(&odd.as_bytes()[..200], &status());

    // A 16 MiB string for a key, a value and a word.
    let huge = "x".repeat(16 << 20);
    assert_eq!(word(format!("{{\"{huge}\":\"{huge}\",\"status\":\"Yes\"}}")).as_deref(), Some("Yes"));
    assert_eq!(word(format!("{{\"status\":\"{huge}\"}}")), Some("x".repeat(MAX_STATUS_WORD_BYTES) + "…"));
    assert_eq!(
        word(format!("{{\"status\":\"{}\"}}", "x".repeat(MAX_STATUS_WORD_BYTES))),
        Some("x".repeat(MAX_STATUS_WORD_BYTES))
    );
    let escapes = "\\\"".repeat(8 << 20);
    assert_eq!(word(format!("{{\"a\":\"{escapes}\",\"status\":\"Yes\"}}")).as_deref(), Some("Yes"));
}

#[test]
fn depth_bombs_are_counted_not_recursed() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"\\\"[\":", "}]")] {
        let depth = 3_000_000;
        let bomb = format!("{{\"a\":{}1{},\"status\":\"Yes\"}}", open.repeat(depth), close.repeat(depth));
        assert_eq!(word(&bomb).as_deref(), Some("Yes"));
        assert_eq!(word(&bomb[..bomb.len() / 2]), None);
    }
}

/// JSON with the status, and with keys that resemble it, in various places.
fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("status".to_owned()),
        Just("Succeeded".to_owned()),
        Just("{\"status\":\"No\"}".to_owned()),
        any::<String>(),
        "[\"\\\\\\[\\]{}:, a-z]{0,20}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((text.clone(), inner), 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A string as JSON, with some characters escaped that need not be.
fn quoted(text: &str, escape: impl Fn(usize) -> bool) -> String {
    let escaped = |(index, character): (usize, char)| match character {
        _ if escape(index) => {
            character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect::<String>()
        }
        _ => serde_json::to_string(&character.to_string()).unwrap().trim_matches('"').to_owned(),
    };
    // A quote of its own is all of its escape.
    let escaped = |(index, character)| if character == '"' { "\\\"".to_owned() } else { escaped((index, character)) };
    format!("\"{}\"", text.chars().enumerate().map(escaped).collect::<String>())
}

prop_compose! {
    /// The text of an object whose members are not unique, and what its status is.
    fn object()(
        members in prop::collection::vec((prop_oneof![Just("status".to_owned()), any::<String>()], json()), 0..8),
        escapes: u64,
        space in "[ \t\r\n]{0,3}",
        mark: bool,
    ) -> (String, Option<String>) {
        let escape = |index: usize| escapes >> (index % 64) & 1 == 1;
        let status = members.iter().find_map(|(key, value)| value.as_str().filter(|_| key == "status").map(str::to_owned));
        let texts: Vec<String> = members
            .iter()
            .map(|(key, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), |text| quoted(text, escape));
                format!("{space}{}{space}:{space}{value}{space}", quoted(key, escape))
            })
            .collect();
        let mark = if mark { "\u{feff}" } else { "" };
        (format!("{mark}{space}{{{}}}{space}", texts.join(",")), status)
    }
}

fn cut(word: &str) -> String {
    if word.len() <= MAX_STATUS_WORD_BYTES {
        return word.to_owned();
    }
    let mut end = word.len().min(MAX_STATUS_WORD_BYTES);
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &word[..end])
}

proptest! {
    #[test]
    fn json_gives_the_first_string_called_status((body, status) in object(), size in 1_usize..40) {
        let parsed: Value = serde_json::from_str(body.trim_start_matches('\u{feff}')).expect("it is JSON");
        prop_assert!(parsed.is_object());
        prop_assert_eq!(word(&body), status.as_deref().map(cut));
        prop_assert_eq!(scan(body.as_bytes().chunks(size), &self::status()), whole(body.as_bytes()));
    }

    #[test]
    fn any_json_is_read_as_serde_json_reads_it(value in json(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let expected = value.as_object().and_then(|object| object.get("status")).and_then(Value::as_str);
        prop_assert_eq!(word(&body), expected.map(cut));
    }

    #[test]
    fn pointers_lead_where_those_of_serde_json_do(value in json(), inner in json(), size in 1_usize..40) {
        let value = serde_json::json!({"a": value, "b": [inner, {"status": value}], "status": "x"});
        let body = value.to_string();
        for pointer in ["/a", "/a/0", "/a/status", "/a/1/status", "/b/0", "/b/0/0", "/b/1/status", "/b/1/status/0", "/status"] {
            let expected = value.pointer(pointer).and_then(Value::as_str).map(cut);
            let selectors = selectors([(pointer, Match::String)]);
            let found = scan(body.as_bytes().chunks(size), &selectors).into_iter().next().map(|(_, word, _)| word);
            prop_assert_eq!(found, expected, "{} in {}", pointer, body);
        }
    }

    #[test]
    fn splits_do_not_matter_whatever_the_bytes(body in prop::collection::vec(any::<u8>(), 0..60)) {
        assert_splits_do_not_matter(&body, &status());
    }

    #[test]
    fn splits_do_not_matter_in_what_looks_like_json(
        pieces in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just("\""), Just("\\"), Just(":"), Just(","), Just("\"status\":"),
            Just("\"percentComplete\":"), Just("\"a\":"), Just("12"), Just("\\u00"), Just("\\ud83d"), Just(" "), Just("true"),
            Just("\"Running\""), Just("{\"status\":\""), Just("\u{feff}"), Just("é"), Just("null"), Just("{\"a\":["),
        ], 0..16),
    ) {
        let selectors = selectors([
            ("/status", Match::String), ("/a", Match::Present), ("/a/1", Match::Scalar), ("/a/0/status", Match::True),
        ]);
        assert_splits_do_not_matter(pieces.concat().as_bytes(), &selectors);
    }

    #[test]
    fn what_is_skipped_is_skipped_whole(value in json(), size in 1_usize..20) {
        // The status comes last, so that everything before it has to be skipped to its very end.
        let body = format!("{{\"a\":{value},\"status\":\"Yes\"}}");
        prop_assert_eq!(scan(body.as_bytes().chunks(size), &status()), [(0, "Yes".to_owned(), body.len() - 1)]);
    }
}
