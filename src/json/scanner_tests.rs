//! The scanner held against `serde_json`, and against itself with the body split elsewhere.

use proptest::prelude::*;
use serde_json::Value;

use crate::json::{
    members::members,
    scanner::{Kind, Scanner, Watch},
    string::MAX_WORD,
};

const PATH: [&str; 1] = ["status"];

#[derive(Debug, PartialEq, Clone)]
struct Seen {
    word: Option<String>,
    /// How much of the body had been read when the word was known.
    read: Option<usize>,
    percent: Option<f64>,
}

fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, path: &[&str]) -> Seen {
    scan_for(pieces, &[Watch { path: path.iter().map(ToString::to_string).collect(), kind: Kind::Text }])
}

fn scan_for<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, watches: &[Watch]) -> Seen {
    let mut scanner = Scanner::new();
    let mut seen = Seen { word: None, read: None, percent: None };
    let mut before = 0;
    for piece in pieces {
        let found = scanner.scan(piece, watches).map(|(word, read)| (word.to_owned(), read));
        if let Some((word, read)) = found {
            seen = Seen { word: Some(word), read: Some(before + read), percent: None };
            assert_eq!(scanner.scan(&piece[read..], watches), None, "a second word");
        }
        before += piece.len();
    }
    Seen { percent: scanner.percent(), ..seen }
}

fn whole(body: &[u8]) -> Seen {
    scan([body], &PATH)
}

fn word(body: &str) -> Option<String> {
    whole(body.as_bytes()).word
}

/// With every split in two, with every split in three for small bodies, and byte by byte.
fn assert_splits_do_not_matter(body: &[u8], path: &[&str]) {
    assert_splits_do_not_matter_for(
        body,
        &[Watch { path: path.iter().map(ToString::to_string).collect(), kind: Kind::Text }],
    );
}

fn assert_splits_do_not_matter_for(body: &[u8], path: &[Watch]) {
    let expected = scan_for([body], path);
    assert_eq!(scan_for(body.chunks(1), path), expected, "byte by byte: {:?}", String::from_utf8_lossy(body));
    for first in 0..=body.len() {
        let (head, rest) = body.split_at(first);
        assert_eq!(scan_for([head, rest], path), expected, "at {first}: {:?}", String::from_utf8_lossy(body));
        if body.len() <= 48 {
            for second in 0..=rest.len() {
                let (middle, tail) = rest.split_at(second);
                assert_eq!(scan_for([head, middle, tail], path), expected, "at {first} and {second}");
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
        assert_splits_do_not_matter(body.as_bytes(), &PATH);
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
        assert_eq!(whole(body).word, None, "{:?}", String::from_utf8_lossy(body));
        assert_splits_do_not_matter(body, &PATH);
    }
    // Nor is one that is cut off behind what is malformed.
    let long = [&b"{\"status\":\"Runn\xff"[..], &[b'x'; MAX_WORD], b"\"}"].concat();
    assert_eq!(whole(&long).word, None);
    assert_splits_do_not_matter(&long, &PATH);
    assert_eq!(whole(b"{\"\xff\":1,\"a\":\"\xff\",\"status\":\"Yes\"}").word.as_deref(), Some("Yes"));
}

#[test]
fn a_path_leads_through_objects() {
    let path = ["properties", "provisioningState"];
    for (body, expected) in [
        (r#"{"properties":{"provisioningState":"Creating"}}"#, Some("Creating")),
        (
            r#"{"provisioningState":"No","properties":{"a":{"provisioningState":"No"},"provisioningState":"Yes"}}"#,
            Some("Yes"),
        ),
        (r#"{"properties":{},"properties":{"provisioningState":"Yes"}}"#, Some("Yes")),
        (r#"{"properties":{"a":1},"provisioningState":"No"}"#, None),
        (r#"{"properties":[{"provisioningState":"No"}],"x":{"properties":{"provisioningState":"No"}}}"#, None),
        (r#"{"properties":"provisioningState","properties":null}"#, None),
        (r#"{"properties":{"properties":{"provisioningState":"No"}}}"#, None),
    ] {
        assert_eq!(scan([body.as_bytes()], &path).word.as_deref(), expected, "{body}");
        assert_splits_do_not_matter(body.as_bytes(), &path);
    }
}

#[test]
fn of_several_watches_the_first_in_the_body_counts() {
    let watches = [
        Watch::text(["status"]),
        Watch::text(["properties", "provisioningState"]),
        Watch { path: vec!["error".to_owned()], kind: Kind::Presence },
        Watch::text(["error", "status"]),
        Watch::text(["properties", "deep", "er"]),
    ];
    for (body, expected) in [
        (r#"{"status":"A","properties":{"provisioningState":"B"}}"#, Some("A")),
        (r#"{"properties":{"provisioningState":"B"},"status":"A"}"#, Some("B")),
        (r#"{"properties":{"status":"No","x":{"provisioningState":"No"}},"status":7}"#, None),
        (r#"{"properties":{"deep":{"x":1,"er":"C"}},"status":"A"}"#, Some("C")),
        (r#"{"error":null,"status":"A"}"#, Some("A")),
        (r#"{"error":{"status":"A"}}"#, Some("error")),
        (r#"{"error": "x"}"#, Some("error")),
        (r#"{"error":false}"#, Some("error")),
        (r#"{"error":[]}"#, Some("error")),
        (r#"{"x":{"error":1}}"#, None),
    ] {
        assert_eq!(scan_for([body.as_bytes()], &watches).word.as_deref(), expected, "{body}");
        assert_splits_do_not_matter_for(body.as_bytes(), &watches);
    }
}

#[test]
fn percentages_are_found_on_both_sides_of_the_status() {
    for (body, expected) in [
        (r#"{"percentComplete":50,"status":"Running"}"#, Some(50.0)),
        (r#"{"percentComplete":5,"status":"Running"}"#, Some(5.0)),
        (r#"{"priority":5,"status":"Running"}"#, None),
        (r#"{"status":"Running","percentCompleted":27.8}"#, Some(27.8)),
        (r#"{"status":"Running","percentageComplete":1e1}"#, Some(10.0)),
        (r#"{"status":"Running","percentComplete":"50"}"#, None),
        (r#"{"status":"Running","percentComplete":null,"percentComplete":7}"#, Some(7.0)),
        (r#"{"status":"Running","a":{"percentComplete":50}}"#, None),
        (r#"{"status":"Running","percentComplete":1e999}"#, None),
        (r#"{"percentComplete":--,"status":"Running"}"#, None),
    ] {
        assert_eq!(whole(body.as_bytes()).percent, expected, "{body}");
        assert_splits_do_not_matter(body.as_bytes(), &PATH);
    }
}

#[test]
fn words_are_cut_off_at_a_character_and_cost_nothing() {
    let long = format!("{{\"status\":\"{}\"}}", "é".repeat(1000));
    assert_eq!(word(&long), Some("é".repeat(MAX_WORD / 2) + "…"));
    let odd = format!("{{\"status\":\"x{}\"}}", "é".repeat(1000));
    assert_eq!(word(&odd), Some(format!("x{}…", "é".repeat(MAX_WORD / 2 - 1))));
    assert_splits_do_not_matter(&odd.as_bytes()[..200], &PATH);

    // A 16 MiB string for a key, a value and a word.
    let huge = "x".repeat(16 << 20);
    assert_eq!(word(&format!("{{\"{huge}\":\"{huge}\",\"status\":\"Yes\"}}")).as_deref(), Some("Yes"));
    assert_eq!(word(&format!("{{\"status\":\"{huge}\"}}")), Some("x".repeat(MAX_WORD) + "…"));
    assert_eq!(word(&format!("{{\"status\":\"{}\"}}", "x".repeat(MAX_WORD))), Some("x".repeat(MAX_WORD)));
    let escapes = "\\\"".repeat(8 << 20);
    assert_eq!(word(&format!("{{\"a\":\"{escapes}\",\"status\":\"Yes\"}}")).as_deref(), Some("Yes"));
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

/// JSON, with the status and things like it here and there.
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
    if word.len() <= MAX_WORD {
        return word.to_owned();
    }
    let mut end = word.len().min(MAX_WORD);
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
        prop_assert_eq!(whole(body.as_bytes()).word, status.as_deref().map(cut));
        prop_assert_eq!(scan(body.as_bytes().chunks(size), &PATH), whole(body.as_bytes()));
    }

    #[test]
    fn any_json_is_read_as_serde_json_reads_it(value in json(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let expected = value.as_object().and_then(|object| object.get("status")).and_then(Value::as_str);
        prop_assert_eq!(word(&body), expected.map(cut));
    }

    #[test]
    fn splits_do_not_matter_whatever_the_bytes(body in prop::collection::vec(any::<u8>(), 0..60)) {
        assert_splits_do_not_matter(&body, &PATH);
    }

    #[test]
    fn splits_do_not_matter_in_what_looks_like_json(
        pieces in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just("\""), Just("\\"), Just(":"), Just(","), Just("\"status\":"),
            Just("\"percentComplete\":"), Just("\"a\":"), Just("12"), Just("\\u00"), Just("\\ud83d"), Just(" "), Just("true"),
            Just("\"Running\""), Just("{\"status\":\""), Just("\u{feff}"), Just("é"),
        ], 0..16),
    ) {
        assert_splits_do_not_matter(pieces.concat().as_bytes(), &PATH);
    }

    #[test]
    fn no_key_is_missed_that_is_there(
        pieces in prop::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just("["), Just("]"), Just("\""), Just("\\"), Just(":"), Just(","), Just("\"status\":"),
            Just("{\"resourceLocation\":1"), Just(",\"\\u0072esource\":{\"r\":"), Just("\"\\ud800\":"), Just("12"), Just(" "),
            Just("\"\":0,"), Just("\u{feff}"), Just("null"), Just("\"Running\""), Just("\"é\":["),
        ], 0..16),
        size in 1_usize..20,
    ) {
        let body = pieces.concat();
        let mut scanner = Scanner::new();
        let watches = [Watch::text(PATH), Watch::text(["resource", "r"])];
        for piece in body.as_bytes().chunks(size) {
            let read = scanner.scan(piece, &watches).map(|(_, read)| read);
            _ = read.and_then(|read| scanner.scan(&piece[read..], &watches));
        }
        for (key, _) in members(body.as_bytes()) {
            prop_assert!(scanner.may_have(&key), "{} in {}", key, body);
        }
    }

    #[test]
    fn what_is_skipped_is_skipped_whole(value in json(), size in 1_usize..20) {
        // The status comes last, so that everything before it has to be skipped to its very end.
        let body = format!("{{\"a\":{value},\"status\":\"Yes\"}}");
        let seen = scan(body.as_bytes().chunks(size), &PATH);
        prop_assert_eq!(seen.word.as_deref(), Some("Yes"));
        prop_assert_eq!(seen.read, Some(body.len() - 1));
    }
}

#[test]
fn most_keys_that_are_not_there_are_known_not_to_be() {
    let mut scanner = Scanner::new();
    let body = r#"{"id":"1","status":"Succeeded","result":{"resourceLocation":"/x"},"resourcelocations":1}"#;
    let (_, read) = scanner.scan(body.as_bytes(), &[Watch::text(PATH)]).unwrap();
    assert!(!scanner.may_have("result"));
    scanner.scan(&body.as_bytes()[read..], &[]);
    assert!(scanner.may_have("result") && scanner.may_have("status") && scanner.may_have("resourcelocations"));
    assert!(!scanner.may_have("resourceLocation") && !scanner.may_have(""));
    // Of what is too long to be kept, or no Unicode, nothing is known.
    for key in [format!("\\n{}", "x".repeat(MAX_WORD)), r"\ud800".to_owned()] {
        let mut scanner = Scanner::new();
        scanner.scan(format!("{{\"{key}\":1}}").as_bytes(), &[]);
        assert!(scanner.may_have("resourceLocation"), "{key}");
    }
}

/// A code at `/code`, or whether it is `/done`.
fn scalars() -> [Watch; 2] {
    let watch = |name: &str, kind| Watch { path: vec![name.to_owned()], kind };
    [watch("code", Kind::Scalar), watch("done", Kind::True)]
}

fn code(body: &str) -> (Option<String>, Option<&'static str>) {
    let watches = scalars();
    let mut scanner = Scanner::new();
    let word = scanner.scan(body.as_bytes(), &watches).map(|(word, _)| word.to_owned());
    (word, scanner.fallback(&watches).map(|_| "done"))
}

#[test]
fn scalars_are_words_and_what_is_true_where_there_is_no_other() {
    for (body, expected) in [
        (r#"{"code":30}"#, (Some("30"), None)),
        (r#"{"code": -1.5e3 , "a":1}"#, (Some("-1.5e3"), None)),
        (r#"{"code":true}"#, (Some("true"), None)),
        (r#"{"code":"30"}"#, (Some("30"), None)),
        (r#"{"code":null,"code":[1],"code":{"a":1},"code":7}"#, (Some("7"), None)),
        (r#"{"done":true}"#, (None, Some("done"))),
        (r#"{"done":true,"code":1}"#, (Some("1"), None)),
        (r#"{"code":1,"done":true}"#, (Some("1"), None)),
        (r#"{"done":false,"done":"true","done":[true],"done":{"done":true},"done":1}"#, (None, None)),
        (r#"{"a":{"code":1,"done":true}}"#, (None, None)),
        (r#"{"code":"#, (None, None)),
        (r#"{"done":true"#, (None, None)),
    ] {
        let (word, done) = code(body);
        assert_eq!((word.as_deref(), done), expected, "{body}");
        assert_splits_do_not_matter_for(body.as_bytes(), &scalars());
    }
    let long = format!(r#"{{"code":{}}}"#, "1".repeat(1000));
    assert_eq!(code(&long).0.unwrap(), format!("{}…", "1".repeat(MAX_WORD)));
    assert_splits_do_not_matter_for(&long.as_bytes()[..200], &scalars());
}
