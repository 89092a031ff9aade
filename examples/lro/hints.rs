//! Why a description does not fit: what was looked for, and what there is instead.

use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;
use tower_lro::Protocol;

/// As it is written, so that the hints speak of it in its own words.
fn description(protocol: &Protocol) -> Value {
    serde_json::to_value(protocol).unwrap_or_default()
}

fn say(hint: &str) {
    println!("    · {hint}");
}

/// Why a response starts no operation, rule by rule.
pub fn of_start(protocol: &Protocol, method: &Method, response: &Response<Vec<u8>>) {
    let description = description(protocol);
    let rules = description["announced"].as_array().cloned().unwrap_or_default();
    for (index, rule) in rules.iter().enumerate() {
        say(&format!("announced[{index}]: {}", why_not(rule, method, response)));
    }
}

fn why_not(rule: &Value, method: &Method, response: &Response<Vec<u8>>) -> String {
    let status = response.status().as_u16();
    let default: &[u16] = match rule {
        _ if rule.get("by_link").is_some() => &[200, 201, 202],
        _ if rule.get("by_body").is_some() => &[200],
        _ => &[202],
    };
    let is_announcing = match rule.get("statuses") {
        Some(codes) => strings(codes).iter().any(|code| is_within(status, code)),
        None => default.contains(&status),
    };
    if !is_announcing {
        let expected = rule.get("statuses").map_or_else(|| format!("{default:?}"), ToString::to_string);
        return format!("the HTTP status {status} is not among the statuses {expected}");
    }
    let methods = rule.get("methods").map(strings).unwrap_or_default();
    if !methods.is_empty() && !methods.iter().any(|name| name == method.as_str()) {
        return format!("the method {method} is not among {methods:?}");
    }
    let has = |name: &&str| response.headers().contains_key(*name);
    let headers = ["by_header", "requires_header"].map(|member| rule[member].as_str());
    if let Some(missing) = headers.into_iter().flatten().find(|name| !has(name)) {
        let present: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
        return format!("there is no header {missing}; there are {}", present.join(", "));
    }
    why_not_by_body(rule, response)
}

fn why_not_by_body(rule: &Value, response: &Response<Vec<u8>>) -> String {
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.contains("json") {
        return format!("the body is not read, because its Content-Type is {content_type:?} and not JSON");
    }
    let Ok(body) = serde_json::from_slice::<Value>(response.body()) else { return "the body is not JSON".to_owned() };
    let pointer = rule["by_link"].as_str().or(rule["by_body"]["pointer"].as_str());
    match pointer {
        Some(pointer) if body.pointer(pointer).is_none() => {
            format!("the body has nothing at {pointer}; it has {}", members(&body).join(", "))
        }
        Some(pointer) => {
            format!("what is at {pointer} is no name, or one of the conditions (name_contains, unless_…) does not hold")
        }
        None => "one of the conditions (unless_…) does not hold".to_owned(),
    }
}

fn strings(of: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    of.as_array().map_or_else(|| vec![text(of)], |all| all.iter().map(text).collect())
}

/// A code, or a range.
fn is_within(status: u16, codes: &str) -> bool {
    let (first, last) = codes.split_once('-').unwrap_or((codes, codes));
    first.parse().is_ok_and(|first| status >= first) && last.parse().is_ok_and(|last| status <= last)
}

/// A status response without a status: where it may be.
pub fn of_status(protocol: &Protocol, response: &Response<Bytes>) {
    let description = description(protocol);
    let rules = description["announced"].as_array().cloned().unwrap_or_default();
    let looked: Vec<_> =
        rules.iter().filter_map(|rule| rule["status"].get("status_at")).map(ToString::to_string).collect();
    say(&format!(
        "the status was looked for at {}",
        if looked.is_empty() { "no place".to_owned() } else { looked.join(", ") }
    ));
    match serde_json::from_slice::<Value>(response.body()) {
        Ok(body) => say(&format!("the body has {}", members(&body).join(", "))),
        Err(_) => say("the body is not JSON: http_status_only, or when_status_missing, or status_header"),
    }
}

/// The plain values of a document, with their pointers; those whose name sounds like a status come first.
fn members(document: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(value, &format!("{at}/{key}"), into);
            }),
            Value::Array(all) => {
                all.iter().take(2).enumerate().for_each(|(index, value)| walk(value, &format!("{at}/{index}"), into));
            }
            plain => {
                let text: String = plain.to_string().chars().take(60).collect();
                into.push(format!("{at} = {text}"));
            }
        }
    }
    let mut found = Vec::new();
    walk(document, "", &mut found);
    let sounds = ["status", "state", "phase", "done", "href", "url", "link", "id"];
    found.sort_by_key(|member| {
        let name = member.to_ascii_lowercase();
        sounds.iter().position(|sound| name.contains(sound)).unwrap_or(sounds.len())
    });
    found.truncate(12);
    if found.is_empty() { vec!["no members".to_owned()] } else { found }
}

pub fn of_word(word: &str) {
    say(&format!(
        "{word:?} is not known, and taken for running: say it in `running`, or in `succeeded`, `failed` or `canceled`"
    ));
}

pub fn of_address() {
    say("the description may name origins: `trusts` (with credentials) or `allows` (without)");
}

pub fn of_monitor() {
    say("the monitor is at the root of the service: is the template right?");
}
