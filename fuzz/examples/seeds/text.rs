//! The seeds of the targets that read text.

fn seeds<T: AsRef<[u8]>>(seeds: impl IntoIterator<Item = (&'static str, T)>) -> Vec<(String, Vec<u8>)> {
    seeds.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.as_ref().to_vec())).collect()
}

const AZURE_MAPS_V1: &str = r#"{
    "operationId": "c587574e-add9-4ef7-9788-1635bed9a87e",
    "created": "3/11/2020 8:45:13 PM +00:00",
    "status": "Succeeded",
    "warning": {"code": "NoLayers", "message": "No layers.", "details": [{"code": "A"}, {"code": "B"}]},
    "resourceLocation": "https://us.atlas.microsoft.com/conversions/c587574e?api-version=1.0"
}"#;

const AZURE_MAPS_V2: &str = r#"{
    "operationId": "c587574e-add9-4ef7-9788-1635bed9a87e",
    "createdDateTime": "2021-05-06T07:55:19.5256829+00:00",
    "status": "Failed",
    "error": {
        "code": "InvalidFeature",
        "message": "The provided feature is invalid.",
        "details": {"code": "NoGeometry", "message": "No geometry was provided with the feature."}
    }
}"#;

pub fn scanner() -> Vec<(String, Vec<u8>)> {
    let long = format!(r#"{{"a":"{}","status":"{}"}}"#, "x".repeat(300), "y".repeat(70));
    let wide = format!(r#"{{"status":"x{}"}}"#, "é".repeat(40));
    let whole = format!(r#"{{"status":"{}"}}"#, "x".repeat(64));
    let deep = format!(r#"{{"a":{}1{},"status":"Yes"}}"#, "[{\"b\":".repeat(60), "}]".repeat(60));
    let unbalanced = format!(r#"{{"a":{},"status":"No"}}"#, "[".repeat(100));
    let escapes = format!(r#"{{"a":"{}","status":"Yes"}}"#, "\\\"".repeat(50));
    let mut all = seeds([
        ("azure_maps_v1", AZURE_MAPS_V1),
        ("azure_maps_v2", AZURE_MAPS_V2),
        ("plain", r#"{"status":"Running"}"#),
        ("spaces", " \r\n\t{ \"status\" : \"Running\" , \"x\":1}\n"),
        ("byte_order_mark", "\u{feff}{\"status\":\"Running\"}"),
        ("two_byte_order_marks", "\u{feff}\u{feff}{\"status\":\"No\"}"),
        ("nested_status", r#"{"a":{"status":"No"},"b":[{"status":"No"}],"status":"Yes"}"#),
        ("status_in_text", r#"{"a":"\"status\":\"No\"","status":"Yes"}"#),
        ("status_twice", r#"{"status":"First","status":"Second"}"#),
        (
            "status_of_other_kinds",
            r#"{"status":null,"status":7,"status":{"status":"No"},"status":["No"],"status":"Yes"}"#,
        ),
        ("escaped_key", r#"{"st\u0061tus":"R\u0075nning"}"#),
        ("all_escapes", r#"{"status":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}"#),
        ("half_a_character", r#"{"status":"\ud83d","status":"\ude00\ud83d","a\ud83d":1,"status":"Yes"}"#),
        ("half_a_key", r#"{"status\ud83d":"No","status":"Yes"}"#),
        ("other_keys", r#"{"Status":"No","status ":"No","statu":"No","statuss":"No"}"#),
        ("empty_word", r#"{"":"","status":""}"#),
        ("percent", r#"{"percentComplete":null,"percentCompleted":27.8,"status":"Running","percentageComplete":1e1}"#),
        ("percent_after", r#"{"status":"Running","percent\u0043omplete":-0.5e+1}"#),
        ("percent_odd", r#"{"percentComplete":1e999,"percentComplete":"50","percentComplete":7}"#),
        (
            "percent_long",
            r#"{"percentComplete":1.00000000000000000000000000000000000000000000000000000000000000000001}"#,
        ),
        ("literals", r#"{"a":true,"b":false,"c":null,"d":-1.5e+3,"e":[],"f":{},"status":"Yes"}"#),
        ("empty", ""),
        ("empty_object", "{}"),
        ("array", r#"[{"status":"No"}]"#),
        ("string", r#""status""#),
        ("number", "7"),
        ("html", "<html><body status=\"No\">"),
        ("truncated_word", r#"{"status":"Runn"#),
        ("truncated_escape", r#"{"status":"\u00"#),
        ("truncated_key", r#"{"a":1,"stat"#),
        ("trailing_comma", r#"{"a":1,}"#),
        ("no_colon", r#"{"a" 1,"status":"No"}"#),
        ("two_objects", r#"{"a":1}{"status":"No"}"#),
        ("bad_escape", r#"{"status":"\x","status":"\u12","status":"Yes"}"#),
        ("wrong_brackets", r#"{"a":[}],"status":"?"}"#),
        ("long", &long),
        ("wide", &wide),
        ("whole", &whole),
        ("deep", &deep),
        ("unbalanced", &unbalanced),
        ("escapes", &escapes),
    ]);
    all.extend(seeds([
        ("no_text", &b"{\"\xff\":1,\"a\":\"\xff\",\"status\":\"\xff\",\"status\":\"Yes\"}"[..]),
        ("half_a_mark", b"\xef\xbb{\"status\":\"No\"}"),
        ("utf_16", b"\xff\xfe{\0\"\0s\0t\0a\0t\0u\0s\0\"\0"),
        ("zeros", b"{\"\0\":\"\0\",\"status\":\"a\0b\"}"),
    ]));
    all
}

pub fn address() -> Vec<(String, Vec<u8>)> {
    seeds([
        ("path", "0000/operations/1"),
        ("relative", "0000operations/1"),
        ("upwards", "0000../../../operations/./1"),
        ("query", "0000?id=1"),
        ("empty", "0000"),
        ("empty_quoted", "0000\"\""),
        ("quoted", "0000 \"/operations/1\" \t"),
        ("fragment", "0000/operations/1#fragment"),
        ("fragment_alone", "0000#"),
        ("own", "0000https://EXAMPLE.com:443/operations/1?a=b"),
        ("host", "0000//example.com/operations/1"),
        ("other_host", "0010//other.example/operations/1"),
        ("other_scheme", "0080http://example.com/operations/1"),
        ("other_port", "000@https://example.com:8443/operations/1"),
        ("trailing_dot", "0000https://example.com./operations/1"),
        ("allowed", "0010https://other.example/operations/1"),
        ("trusted", "0002https://a.b.trusted.example/operations/1"),
        ("pattern_itself", "0022https://trusted.example/"),
        ("pattern_behind", "0022https://a.trusted.example.evil.test/"),
        ("pattern_glued", "0022https://nottrusted.example/"),
        ("any_host", "0040https://evil.test/"),
        ("any_host_with_port", "0040https://evil.test:444/"),
        ("any_host_on_a_port", "00P0http://10.0.0.1:8080/"),
        ("user", "0040https://user@example.com/"),
        ("password", "0040https://user:password@example.com/"),
        ("user_without_slashes", "0080http:user@example.com/"),
        ("user_behind_backslashes", "0000\\\\user@example.com/"),
        ("empty_user", "0000https://@example.com/"),
        ("host_as_user", "0000https://example.com@evil.test/"),
        ("host_and_port_as_user", "0000//example.com:443@evil.test/"),
        ("at_in_path", "0000/operations//user@1"),
        ("backslashes", "0000\\\\evil.test\\"),
        ("backslash", "0000/\\evil.test/"),
        ("one_slash", "0000https:/evil.test"),
        ("no_slash", "0000https:operations/1"),
        ("no_slash_other_scheme", "0000http:evil.test"),
        ("many_slashes", "0000https://////evil.test"),
        ("ipv6", "3000https://[0:0::1]:8443/x"),
        ("ipv6_unclosed", "3000https://[::1"),
        ("ipv6_zone", "3000https://[fe80::1%25eth0]/"),
        ("ipv4_odd", "0000http://0x7f.1/"),
        ("idn", "0040https://b\u{fc}cher.example/\u{e9}?\u{e9}"),
        ("idn_punycode", "0040https://xn--bcher-kva.example/"),
        ("idn_bad", "0040https://xn--a/"),
        ("wide_host", "0000https://\u{ff45}xample.com/"),
        ("ideographic_dot", "0000https://example\u{3002}com/"),
        ("soft_hyphen", "0000https://exam\u{ad}ple.com/"),
        ("tab", "0000https://exa\tmple.com/"),
        ("space", "0000/a b{c}|^`<>\"'"),
        ("percent", "0000/%2e%2e/%zz?%"),
        ("percent_host", "0000https://example%2ecom/"),
        ("port_big", "0000https://example.com:99999/"),
        ("port_empty", "0000https://example.com:/"),
        ("port_zeros", "0000https://example.com:0000443/"),
        ("ftp", "0000ftp://example.com/"),
        ("file", "0000file:///etc/passwd"),
        ("javascript", "0000javascript:alert(1)"),
        ("blob", "0000blob:https://example.com/x"),
        ("https_alone", "0000https://"),
        ("slashes_alone", "0000//"),
        ("atlas", "2000https://eu.atlas.microsoft.com/operations/1"),
        ("atlas_from_elsewhere", "0000https://eu.atlas.microsoft.com/operations/1"),
        ("path_start", "4000/operations/1"),
        ("path_start_own", "4000https://example.com/operations/1"),
        ("path_start_no_host", "5000operations/1"),
        ("path_start_elsewhere", "4010https://other.example/operations/1"),
        ("path_start_port", "7000//example.com:8080/x"),
        ("base_elsewhere", "0210operations/1"),
        ("base_elsewhere_and_back", "0210//example.com/"),
        ("base_path", "4100?b"),
        ("start_with_user", "6000/operations/1"),
        ("start_with_dots", "1000operations/1"),
    ])
}

pub fn hint() -> Vec<(String, Vec<u8>)> {
    let mut all = seeds([
        ("seconds", "s30"),
        ("padded", "s 030 "),
        ("tab", "s\t7\t"),
        ("zero", "s0"),
        ("zero_then_seven", "s0\ns7"),
        ("negative", "s-1"),
        ("sign", "s+30"),
        ("fraction", "s1.5"),
        ("unit", "s30s"),
        ("list", "s30, 60"),
        ("quoted", "s\"30\""),
        ("hexadecimal", "s0x1e"),
        ("largest", "s18446744073709551615"),
        ("too_large", "s18446744073709551616"),
        ("much_too_large", "s99999999999999999999999999999999999999"),
        ("other_digits", "s\u{663}\u{660}"),
        ("words", "ssoon"),
        ("empty", "s"),
        ("millis", "s30\nm1500"),
        ("millis_of_azure", "s30\nx250"),
        ("millis_of_both", "x250\nm1500"),
        ("millis_junk", "msoon\nx0\ns5"),
        ("millis_zero", "m0\nm12"),
        ("millis_date", "mSun, 06 Nov 1994 08:50:37 GMT"),
        ("date", "sSun, 06 Nov 1994 08:50:37 GMT"),
        ("date_now", "sSun, 06 Nov 1994 08:49:37 GMT"),
        ("date_past", "sSun, 06 Nov 1994 08:49:36 GMT"),
        ("date_rfc_850", "sSunday, 06-Nov-94 08:50:37 GMT"),
        ("date_asctime", "sSun Nov  6 08:50:37 1994"),
        ("date_no_zone", "sSun, 06 Nov 1994 08:50:37"),
        ("date_wrong_day", "sMon, 06 Nov 1994 08:50:37 GMT"),
        ("date_leap_second", "sSat, 31 Dec 2016 23:59:60 GMT"),
        ("date_no_such_day", "sWed, 30 Feb 2028 00:00:00 GMT"),
        ("date_last", "sFri, 31 Dec 9999 23:59:59 GMT"),
        ("date_first", "sThu, 01 Jan 1970 00:00:00 GMT\nw0"),
        ("date_by_date", "sSat, 01 Jan 2028 00:00:00 GMT\ndFri, 31 Dec 2027 23:59:00 GMT"),
        ("date_by_later_date", "sSun, 06 Nov 1994 08:50:37 GMT\ndFri, 31 Dec 2027 23:59:00 GMT"),
        ("date_by_junk", "sSun, 06 Nov 1994 08:50:37 GMT\ndtoday"),
        ("date_by_two_dates", "sSun, 06 Nov 1994 08:50:37 GMT\ndtoday\ndSun, 06 Nov 1994 08:50:00 GMT"),
        ("date_by_clock", "sSat, 01 Jan 2028 00:00:00 GMT\nw1830297540"),
        ("date_then_seconds", "sSun, 06 Nov 1994 08:49:00 GMT\ns5"),
    ]);
    all.extend(seeds([("no_text", &b"s\xff30\ns\xff\nm\x80\nx7"[..])]));
    all
}
