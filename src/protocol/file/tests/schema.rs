//! Compares files with `protocol.schema.json`.

use std::collections::BTreeSet;

use super::*;

pub(super) const SCHEMA: &str = include_str!("../../../../protocol.schema.json");

/// The first violation of the schema by a document; knows as much of JSON Schema as the schema uses.
pub(super) fn against(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let fails = |schema: &Value| against(root, schema, value);
    let keyword = |name: &str| schema.get(name);
    if let Some(reference) = keyword("$ref") {
        let target = root.pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap();
        if let Some(problem) = fails(target) {
            return Some(problem);
        }
    }
    if let Some(alternatives) = keyword("oneOf") {
        let fitting = alternatives.as_array().unwrap().iter().filter(|one| fails(one).is_none()).count();
        if fitting != 1 {
            return Some(format!("{fitting} alternatives fit {value}"));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if keyword("type").is_some_and(|it| it != kind) {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    if keyword("enum").is_some_and(|all| !all.as_array().unwrap().contains(value)) {
        return Some(format!("{value} is not among {}", schema["enum"]));
    }
    if keyword("pattern").is_some_and(|it| it == "^/") && value.as_str().is_some_and(|text| !text.starts_with('/')) {
        return Some(format!("{value} is no pointer"));
    }
    let missing = keyword("required")
        .and_then(|names| names.as_array().unwrap().iter().find(|name| value.get(name.as_str().unwrap()).is_none()));
    if let Some(missing) = missing {
        return Some(format!("{missing} is missing"));
    }
    let items = value
        .as_array()
        .zip(keyword("items"))
        .and_then(|(all, items)| all.iter().find_map(|it| against(root, items, it)));
    let members = value.as_object().zip(keyword("properties")).and_then(|(members, properties)| {
        members.iter().find_map(|(name, value)| match properties.get(name) {
            Some(schema) => against(root, schema, value),
            None => Some(format!("{name} is not in the schema")),
        })
    });
    items.or(members)
}

/// Every member that a schema or a document names, without its path.
fn names(value: &Value, in_schema: bool, into: &mut BTreeSet<String>) {
    let members = value.as_object().into_iter().flatten();
    for (name, value) in members {
        if !in_schema {
            into.insert(name.clone());
        } else if name == "properties" {
            into.extend(value.as_object().unwrap().keys().cloned());
        }
        names(value, in_schema, into);
    }
    value.as_array().into_iter().flatten().for_each(|value| names(value, in_schema, into));
}

/// Names of members within values, and of members for editors.
const IN_VALUES: [&str; 12] = [
    "$schema", "absent", "fraction", "header", "link", "pointer", "present", "scalar", "template", "true", "from", "to",
];

#[test]
fn files_are_what_the_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for protocol in Protocol::known().chain([everything()]) {
        let file = to_json(&protocol);
        assert_eq!(against(&schema, &schema, &file), None, "{file:#}");
    }
    assert!(
        against(&schema, &schema, &json!({"name": "jobs", "announced": [{"by_header": "x", "stauts": {}}]})).is_some()
    );

    // The schema names what a file can say, and nothing else.
    let (mut in_schema, mut in_file) = Default::default();
    names(&schema, true, &mut in_schema);
    names(&to_json(&everything()), false, &mut in_file);
    in_file.insert("$schema".to_owned());
    assert_eq!(in_schema, in_file);

    // The page about it gives the default of each.
    let (_, table) = include_str!("../../../cookbook/your_own.md").split_once("The defaults:").unwrap();
    for name in in_schema.iter().filter(|name| !IN_VALUES.contains(&&***name)) {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }

    // The schema's lists of words are the code's.
    for (at, words) in [
        (
            "/properties/final_response/enum",
            json!([
                FinalResponse::Auto,
                FinalResponse::Status,
                FinalResponse::Resource,
                FinalResponse::Location,
                FinalResponse::OriginalUri
            ]),
        ),
        (
            "/$defs/status/properties/when_status_missing/enum",
            json!([
                MissingStatus::Error,
                MissingStatus::Succeeded,
                MissingStatus::SucceededAfterAccepted,
                MissingStatus::Running
            ]),
        ),
    ] {
        assert_eq!(schema.pointer(at), Some(&words));
    }
}
