//! Why a description does not fit: what was looked for, and what there is instead.

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use serde_json::Value;
use tower_lro::{Operation, OperationState, Protocol};

use crate::lines::{one_line, print_line};

/// As it is written, so that the hints speak of it in its own words.
fn description(protocol: &Protocol) -> Value {
    serde_json::to_value(protocol).unwrap_or_default()
}

fn say(hint: &str) {
    print_line(format_args!("    · {}", one_line(hint)));
}

fn rules(protocol: &Protocol) -> Vec<Value> {
    description(protocol)["announced"].as_array().cloned().unwrap_or_default()
}

/// Why a response starts no operation, rule by rule.
pub fn of_start(protocol: &Protocol, method: &Method, response: &Response<Vec<u8>>) {
    for (index, rule) in rules(protocol).iter().enumerate() {
        say(&format!("announced[{index}]: {}", why_not(rule, method, response)));
    }
}

fn why_not(rule: &Value, method: &Method, response: &Response<Vec<u8>>) -> String {
    let status = response.status().as_u16();
    let default: &[u16] = match rule {
        _ if rule.get("by_link").or(rule.get("by_relation")).is_some() => &[200, 201, 202],
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
    let headers = [&rule["by_header"], &rule["by_name_header"]["header"], &rule["requires_header"]];
    if let Some(missing) = headers.into_iter().filter_map(Value::as_str).find(|name| !has(name)) {
        return format!("there is no header {missing}; {}", headers_of(response.headers()));
    }
    why_not_by_body(rule, response)
}

fn why_not_by_body(rule: &Value, response: &Response<Vec<u8>>) -> String {
    let conditions = CONDITIONS.map(|name| (name, rule.get(name).map(strings).unwrap_or_default()));
    let relation = rule["by_relation"].as_str();
    let pointer = rule["by_link"].as_str().or(rule["by_body"]["pointer"].as_str());
    if pointer.or(relation).is_none() && conditions.iter().all(|(_, pointers)| pointers.is_empty()) {
        return "it announces an operation, but its header has no address".to_owned();
    }
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.contains("json") {
        return format!("the body is not read, because its Content-Type is {content_type:?} and not JSON");
    }
    let Ok(body) = serde_json::from_slice::<Value>(response.body()) else { return "the body is not JSON".to_owned() };
    if let Some(pointer) = pointer {
        match body.pointer(pointer) {
            None => return format!("the body has nothing at {pointer}; it has {}", members(&body)),
            Some(found @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                return format!(
                    "the body has {} at {pointer}, which is no address and no name; it has {}",
                    kind(found),
                    members(&body)
                );
            }
            Some(_) => {}
        }
    }
    conditions.iter().find_map(|(name, pointers)| why_condition(name, pointers, &body)).unwrap_or_else(|| {
        if let Some(relation) = relation {
            let there = Some(relations(&body).join(", ")).filter(|there| !there.is_empty());
            let there = there.unwrap_or_else(|| "none with a relation".to_owned());
            return format!(
                "no link has the relation {relation}, neither in a Link header nor in the body's links or _links, which have: {there}"
            );
        }
        format!("what is at {} is no address or name, or not one with name_contains", pointer.unwrap_or_default())
    })
}

/// The relations of the links in a body.
fn relations(body: &Value) -> Vec<&str> {
    let links = || ["links", "_links"].iter().filter_map(|name| body.get(name));
    let of_arrays = links().filter_map(Value::as_array).flatten().filter_map(|link| link["rel"].as_str());
    let of_objects = links().filter_map(Value::as_object).flat_map(|links| links.keys().map(String::as_str));
    of_arrays.chain(of_objects).collect()
}

const CONDITIONS: [&str; 4] = ["unless_terminal", "unless_terminal_or_missing", "unless_present", "unless_true"];

/// Why it keeps a response from announcing an operation, if it may do so.
fn why_condition(name: &str, pointers: &[String], body: &Value) -> Option<String> {
    let found = pointers.iter().find_map(|at| Some((at, body.pointer(at).filter(|value| !value.is_null())?)));
    match (name, found) {
        (_, None) if pointers.is_empty() => None,
        ("unless_terminal_or_missing", None) => {
            Some(format!("{name}: the body has no status at {}; it has {}", pointers.join(", "), members(body)))
        }
        ("unless_true", Some((at, Value::Bool(true)))) => Some(format!("{name}: the body has true at {at}")),
        ("unless_present", Some((at, found))) => Some(format!("{name}: the body has {} at {at}", kind(found))),
        (name, Some((at, Value::String(_)))) if name.starts_with("unless_terminal") => {
            Some(format!("{name}: the status at {at} is one at which an operation has ended"))
        }
        _ => None,
    }
}

/// One or several, as text.
fn strings(of: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    of.as_array().map_or_else(|| vec![text(of)], |all| all.iter().map(text).collect())
}

/// A code, or a range.
fn is_within(status: u16, codes: &str) -> bool {
    let (first, last) = codes.split_once('-').unwrap_or((codes, codes));
    first.parse().is_ok_and(|first| status >= first) && last.parse().is_ok_and(|last| status <= last)
}

/// The values of that name in the rules for monitors, one or several each.
fn of_monitors(protocol: &Protocol, member: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for found in rules(protocol).iter().filter_map(|rule| rule["status"].get(member)) {
        for one in found.as_array().cloned().unwrap_or_else(|| vec![found.clone()]) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all
}

/// A status response without a status: where it may be.
pub fn of_status(protocol: &Protocol, response: &Response<Bytes>) {
    let (places, headers) = (of_monitors(protocol, "status_at"), of_monitors(protocol, "status_header"));
    let looked = places.iter().map(ToString::to_string);
    let looked: Vec<_> = looked.chain(headers.iter().map(|name| format!("in the header {name}"))).collect();
    let looked = if looked.is_empty() { "no place".to_owned() } else { looked.join(", ") };
    say(&format!("the status was looked for at {looked}"));
    if !headers.is_empty() {
        say(&format!("the response: {}", headers_of(response.headers())));
    }
    let Ok(body) = serde_json::from_slice::<Value>(response.body()) else {
        return say("the body is not JSON: http_status_only, or when_status_missing, or status_header");
    };
    // A value that is there, but is not a word.
    for place in places.iter().filter_map(Value::as_str) {
        match body.pointer(place) {
            Some(found @ (Value::Number(_) | Value::Bool(_))) => say(&format!(
                "there is {} at {place}: status_at = {{ scalar = \"{place}\" }} reads it as a word",
                kind(found)
            )),
            Some(found) => say(&format!("there is {} at {place}, and no word", kind(found))),
            None => {}
        }
    }
    say(&format!("the body has {}", members(&body)));
}

/// Where the failure is told, if nothing of it was understood.
pub fn of_failure(protocol: &Protocol, body: &[u8]) {
    let places = of_monitors(protocol, "failure_at");
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return say("the body is not JSON") };
    for place in places.iter().filter_map(Value::as_str) {
        match body.pointer(place) {
            None => say(&format!("failure_at: the body has nothing at {place}")),
            Some(Value::Object(object)) => {
                let names: Vec<_> = object.keys().map(String::as_str).collect();
                say(&format!(
                    "failure_at: there is an object at {place}, with {}, and no `code`, `message`, `detail` or `title`: point at the \
                     text itself",
                    if names.is_empty() { "no members".to_owned() } else { names.join(", ") }
                ));
            }
            Some(found) => say(&format!("failure_at: there is {} at {place}", kind(found))),
        }
    }
    if places.is_empty() {
        say("it was looked for at /error; failure_at says where else it is");
    }
    say(&format!("the body has {}", members(&body)));
}

/// The places of the result in the description, if they were of no use.
pub fn of_result(protocol: &Protocol, operation: &Operation, was_fetched: bool, headers: &HeaderMap, body: &[u8]) {
    if operation.state() != OperationState::Succeeded || was_fetched {
        return;
    }
    let description = description(protocol);
    let places = description.get("resource_at").map(strings).unwrap_or_default();
    let wanted = description["final_response"].as_str().unwrap_or("status");
    let found = || match serde_json::from_slice::<Value>(body) {
        Ok(body) => format!("the body has {}", members(&body)),
        Err(_) => "the body is not JSON".to_owned(),
    };
    match (wanted, operation.resource()) {
        ("resource", _) => {
            let looked = if places.is_empty() { String::new() } else { format!(" and at {}", places.join(", ")) };
            say(&format!(
                "final_response = \"resource\", but no address of a result was found; it was looked for in the header \
                 resource-location{looked}"
            ));
            say(&format!("{}; {}", found(), headers_of(headers)));
        }
        ("location", _) => {
            say(&format!("final_response = \"location\", but there was no header location; {}", headers_of(headers)));
        }
        ("status", Some(_)) if !places.is_empty() => say(
            "resource_at found the result, which is not fetched, because the final response is the status response: \
             final_response = \"resource\" would fetch it",
        ),
        (_, None) if !places.is_empty() => {
            say(&format!("resource_at had no effect: nothing at {}; {}", places.join(", "), found()));
        }
        _ => {}
    }
}

/// A response behind the end of an operation.
pub fn of_leftover() {
    say(
        "the operation had ended before it. If it is the result: resource_at says where that is, and final_response = \"resource\" that \
         it is wanted; if it is a poll: list its word in `running`",
    );
}

/// The other exchanges of the transcript, besides the answer that is missing.
pub fn of_unused(requests: &[String]) {
    match requests {
        [] => say("all of its responses were used"),
        some => say(&format!("not used were the responses to {}", some.join(", "))),
    }
}

fn headers_of(headers: &HeaderMap) -> String {
    let names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    if names.is_empty() { "there are no headers".to_owned() } else { format!("there are {}", names.join(", ")) }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The pointers to the plain values of a document; those whose name sounds like a status come first, and with their value. Others may
/// be secrets.
fn members(document: &Value) -> String {
    fn walk(value: &Value, at: &str, into: &mut Vec<(usize, String)>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(value, &format!("{at}/{key}"), into);
            }),
            Value::Array(all) => {
                all.iter().take(2).enumerate().for_each(|(index, value)| walk(value, &format!("{at}/{index}"), into));
            }
            plain => {
                let name = at.to_ascii_lowercase();
                let rank = SOUNDS.iter().position(|sound| name.contains(sound)).unwrap_or(SOUNDS.len());
                let text = plain.as_str().map_or_else(|| plain.to_string(), str::to_owned);
                let is_word = text.len() <= 30 && text.chars().all(|c| c.is_ascii_alphabetic() || " _-".contains(c));
                let is_shown = rank < STATUSES && (is_word || plain.is_number());
                into.push((rank, if is_shown { format!("{at} = {plain}") } else { format!("{at} ({})", kind(plain)) }));
            }
        }
    }
    let mut found = Vec::new();
    walk(document, "", &mut found);
    found.sort_by_key(|(rank, _)| *rank);
    found.truncate(12);
    let found: Vec<_> = found.into_iter().map(|(_, member)| member).collect();
    if found.is_empty() { "no members".to_owned() } else { found.join(", ") }
}

const SOUNDS: [&str; 8] = ["status", "state", "phase", "done", "href", "url", "link", "id"];
/// As many of them are statuses.
const STATUSES: usize = 4;

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
