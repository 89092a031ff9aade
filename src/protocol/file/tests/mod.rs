//! Tests of protocols in files: round trips and errors.

mod random;
mod schema;

use serde_json::{Value, json};

use super::*;
use crate::protocol::{
    cancel_rule::CancelRule,
    final_response::FinalResponse,
    start_rule::StartRule,
    status_rule::{MissingStatus, StatusRule},
};

fn to_json(protocol: &Protocol) -> Value {
    serde_json::to_value(protocol).unwrap()
}

fn from_json(file: &Value) -> Result<Protocol, String> {
    serde_json::from_value(file.clone()).map_err(|error| error.to_string())
}

/// Round trips through JSON and TOML lose nothing, and write the same text again.
fn assert_round_trips(protocol: &Protocol) {
    let json = serde_json::to_string_pretty(protocol).unwrap();
    let read: Protocol = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert!(read.rules() == protocol.rules(), "{json}");
    assert_eq!(serde_json::to_string_pretty(&read).unwrap(), json);
    let toml = toml::to_string(protocol).unwrap();
    let read: Protocol = toml::from_str(&toml).unwrap_or_else(|error| panic!("{error}: {toml}"));
    assert!(read.rules() == protocol.rules(), "{toml}");
    assert_eq!(toml::to_string(&read).unwrap(), toml);
}

#[test]
fn known_protocols_round_trip() {
    for known in Protocol::known() {
        assert_round_trips(&known);
        assert_round_trips(&known.strict());
    }
}

/// Says everything that can be said.
const EVERYTHING: &str = r#"
name = "everything"
succeeded = ["Shipped", "Sent"]
failed = "Lost"
canceled = "Recalled"
running = ["Completed"]
needs_respond_async = true
final_response = "resource"
resource_at = ["/parcel/href", { link = "results" }, { template = "{monitor}/results" }]
allows = "https://status.example.com"

[[trusts]]
from = "https://api.example.com"
to = ["https://*.jobs.example.com", "https://jobs.example.com"]

[cancel]
method = "PATCH"
template = "{monitor}:cancel"
content_type = "application/json"
body = "{}"

[[announced]]
by_header = "x-job"
statuses = [200, "201-203"]
methods = ["PUT", "POST"]
requires_header = "x-other"
unless_terminal = "/status"
unless_present = ["/error", "/result"]
unless_true = "/done"
default_for_resume = true

[announced.status]
status_header = "x-status"
status_at = ["/status", { scalar = "/code" }, { true = "/done" }, { present = "/error" }, { absent = "/target" }]
http_status_only = true
when_status_missing = "running"
final_error_statuses = ["400-407", 410]
success_statuses = [422]
retryable_statuses = [429, 503]
result_redirects = [302, 303]
result_may_be_missing = true
relocated_by = { header = "location", statuses = [202] }
outcome_header = "asyncresult"
unwrap_application_http = true
percent_at = ["/percent", { fraction = "/progress" }]
failure_at = ["/err", "/errors/0"]

[[announced]]
by_name_header = { header = "x-job-id", template = "{path}/{name}" }
status = { status_at = "/status" }

[[announced]]
by_link = "/links/self"
unless_terminal_or_missing = "/status"
status = { status_at = "/status", fixed_uri = true }

[[announced]]
by_relation = "monitor"
status = { status_at = "/status" }

[[announced]]
by_body = { pointer = "/id", template = "/{first}/jobs/{name}", name_contains = "job" }
status = { status_at = { true = "/done" }, percent_at = { fraction = "/progress" } }

[[announced]]
at = "{parent}"
status = { http_status_only = true }

[[announced]]
at_request_uri = true
status = { http_status_only = true, when_status_missing = "error", success_statuses = [200] }
"#;

fn everything() -> Protocol {
    toml::from_str(EVERYTHING).unwrap()
}

fn start_rule() -> StartRule {
    StartRule::by_header("x-job")
        .statuses(200..=203)
        .methods(["PUT", "POST"])
        .requires_header("x-other")
        .unless_true("/done")
        .unless_present("/error")
        .unless_present("/result")
        .unless_terminal("/status")
        .default_for_resume()
        .monitor(status_rule())
}

fn status_rule() -> StatusRule {
    StatusRule::new()
        .status_header("x-status")
        .status_at("/status")
        .status_scalar_at("/code")
        .status_true("/done")
        .status_present("/error")
        .status_absent("/target")
        .http_status_only()
        .when_status_missing(MissingStatus::Running)
        .final_error_statuses((400..=407).chain([410]))
        .success_statuses([422])
        .retryable_statuses([429, 503])
        .result_redirects([302, 303])
        .result_may_be_missing()
        .relocated_by("location", [202])
        .outcome_header("asyncresult")
        .unwrap_application_http()
        .percent_at("/percent")
        .fraction_at("/progress")
        .failure_at("/err")
        .failure_at("/errors/0")
}

#[test]
fn a_file_says_what_the_builder_says() {
    let built = Protocol::builder("everything")
        .succeeded(["Shipped", "Sent"])
        .failed(["Lost"])
        .canceled(["Recalled"])
        .running(["Completed"])
        .needs_respond_async()
        .final_response(FinalResponse::Resource)
        .resource_at("/parcel/href")
        .resource_link("results")
        .resource_template("{monitor}/results")
        .allows(["https://status.example.com"])
        .trusts(["https://api.example.com"], ["https://*.jobs.example.com", "https://jobs.example.com"])
        .cancel(CancelRule::new("PATCH", "{monitor}:cancel").body("application/json", "{}"))
        .announced(start_rule())
        .announced(
            StartRule::by_name_header("x-job-id", "{path}/{name}").monitor(StatusRule::new().status_at("/status")),
        )
        .announced(
            StartRule::by_link("/links/self")
                .unless_terminal_or_missing("/status")
                .monitor(StatusRule::new().status_at("/status").fixed_uri()),
        )
        .announced(StartRule::by_relation("monitor").monitor(StatusRule::new().status_at("/status")))
        .announced(
            StartRule::by_body("/id", "/{first}/jobs/{name}")
                .name_contains("job")
                .monitor(StatusRule::new().status_true("/done").fraction_at("/progress")),
        )
        .announced(StartRule::at("{parent}").monitor(StatusRule::new().http_status_only()))
        .announced(StartRule::at_request_uri().monitor(
            StatusRule::new().http_status_only().when_status_missing(MissingStatus::Error).success_statuses([200]),
        ))
        .build()
        .unwrap();
    assert!(everything().rules() == built.rules());
    assert_round_trips(&built);
}

fn announced(rules: Value) -> Value {
    json!({"name": "jobs", "announced": rules})
}

#[track_caller]
fn assert_error(file: &Value, error: &str) {
    let found = from_json(file).err().unwrap_or_default();
    assert!(found.starts_with(error), "{file}:\n{found}\n{error}");
}

#[test]
fn errors_name_the_member_and_what_was_expected() {
    for (file, error) in [
        (json!({}), "missing field `name`"),
        (json!(7), "invalid type: integer `7`, expected the description of a protocol"),
        (json!({"name": "jobs"}), "a protocol needs a start rule"),
        (json!({"name": "jobs", "anounced": []}), "anounced: unknown field `anounced`, expected one of"),
        (
            json!({"name": "jobs", "final_response": "result"}),
            "final_response: unknown variant `result`, expected one of `auto`",
        ),
        (json!({"name": "jobs", "succeeded": [1]}), "succeeded[0]: invalid type: integer `1`, expected a string"),
        (
            json!({"name": "jobs", "succeeded": 1}),
            "succeeded: invalid type: integer `1`, expected a string, or a list of them",
        ),
        (json!({"name": "jobs", "allows": ["x"]}), "allows: \"x\" is not an origin"),
        (
            json!({"name": "jobs", "resource_at": [{"template": "{x}"}]}),
            "resource_at: the template \"{x}\" has the placeholder {x}",
        ),
        (
            json!({"name": "jobs", "resource_at": {"href": "x"}}),
            "resource_at.href: unknown variant `href`, expected `link` or `template`",
        ),
        (
            json!({"name": "jobs", "resource_at": {"link": "results", "template": "{monitor}/results"}}),
            "resource_at: invalid length 2, expected a JSON pointer, or a table of `link` and a relation",
        ),
        (json!({"name": "jobs", "cancel": {"method": "DELETE"}}), "cancel: missing field `template`"),
        (
            json!({"name": "jobs", "cancel": {"method": "A B", "template": "{monitor}"}}),
            "cancel: \"A B\" is not a method",
        ),
        (
            json!({"name": "jobs", "cancel": {"method": "PUT", "template": "{monitor}", "body": "{}"}}),
            "cancel: `body` and `content_type` need each other",
        ),
        (
            json!({"name": "fhir", "announced": [{"by_header": "x", "status": {"status_at": "/s"}}]}),
            "name: \"fhir\" is the name of a known protocol",
        ),
        (
            json!({"name": "jobs", "succeeded": "Done", "failed": "done", "announced": [{"by_header": "x", "status": {"status_at": "/s"}}]}),
            "the status \"Done\" has two meanings",
        ),
    ] {
        assert_error(&file, error);
    }
}

#[test]
fn errors_of_start_rules_name_which() {
    for (file, error) in [
        (announced(json!([])), "a protocol needs a start rule"),
        (announced(json!([{}])), "announced[0].status: a status rule needs a place for the status"),
        (announced(json!([{"status": {"status_at": "/s"}}])), "announced[0]: expected one of the members `by_header`"),
        (
            announced(json!([{"by_header": "x", "at": "{path}", "status": {"status_at": "/s"}}])),
            "announced[0]: expected one of the members `by_header`",
        ),
        (
            announced(json!([{"by_header": "x y", "status": {"status_at": "/s"}}])),
            "announced[0].by_header: \"x y\" is not the name",
        ),
        (announced(json!([{"by_body": {"pointer": "/id"}}])), "announced[0].by_body: missing field `template`"),
        (
            announced(json!([{"by_body": {"pointer": "/id", "template": "/jobs"}, "status": {"status_at": "/s"}}])),
            "announced[0].by_body: the template \"/jobs\" has no placeholder {name} or {+name}",
        ),
        (
            announced(json!([{"by_header": "x", "statuses": [404], "status": {"status_at": "/s"}}])),
            "announced[0].statuses: 404 is not an HTTP status that can stand here",
        ),
        (
            announced(json!([{"by_header": "x", "statuses": ["2xx"]}])),
            "announced[0].statuses[0]: invalid value: string \"2xx\", expected an HTTP status from 100 to 599, or a range",
        ),
        (
            announced(json!([{"by_header": "x", "statuses": 999}])),
            "announced[0].statuses: invalid value: integer `999`, expected an HTTP status from 100 to 599, or a range",
        ),
        (
            announced(json!([{"by_header": "x", "statuses": true}])),
            "announced[0].statuses: invalid type: boolean `true`, expected a list of HTTP statuses and ranges",
        ),
    ] {
        assert_error(&file, error);
    }
}

#[test]
fn errors_of_status_rules_name_which() {
    let status = |status: Value| announced(json!([{"by_header": "x-job", "status": status}]));
    for (file, error) in [
        (status(json!({"status_at": "status"})), "announced[0].status.status_at: \"status\" is not a JSON pointer"),
        (status(json!({"status_at": ["/a", "b"]})), "announced[0].status.status_at[1]: \"b\" is not a JSON pointer"),
        (
            status(json!({"status_at": 7})),
            "announced[0].status.status_at: invalid type: integer `7`, expected a JSON pointer, or a table",
        ),
        (
            status(json!({"status_at": {"number": "/a"}})),
            "announced[0].status.status_at.number: unknown variant `number`, expected one of `scalar`, `true`",
        ),
        (status(json!({"stauts_at": "/a"})), "announced[0].status.stauts_at: unknown field"),
        (
            status(json!({"when_status_missing": "done"})),
            "announced[0].status.when_status_missing: unknown variant `done`",
        ),
        (
            status(json!({"status_at": "/a", "final_error_statuses": [404], "success_statuses": [404]})),
            "announced[0].status: HTTP status 404 Not Found is among the final error statuses and among the success statuses",
        ),
        (
            status(json!({"status_at": "/a", "fixed_uri": true, "relocated_by": {"header": "location"}})),
            "announced[0].status.relocated_by: a monitor with a fixed URI cannot be relocated by a header",
        ),
    ] {
        assert_error(&file, error);
    }
}

#[test]
fn what_is_as_it_is_by_default_is_not_written() {
    let status = json!({"status_at": "/status"});
    let built = |rule: StartRule| {
        Protocol::builder("jobs").announced(rule.monitor(StatusRule::new().status_at("/status"))).build().unwrap()
    };
    let written = to_json(&built(StartRule::by_header("x-job")));
    assert_eq!(written, announced(json!([{"by_header": "x-job", "status": status}])));
    // Neighbors are a range from three on.
    let written = to_json(&built(StartRule::by_header("x-job").statuses([200, 201, 204, 205, 206, 208])));
    let statuses = json!([200, 201, "204-206", 208]);
    assert_eq!(written, announced(json!([{"by_header": "x-job", "statuses": statuses, "status": status}])));
}

#[test]
fn a_list_of_one_status_needs_no_brackets() {
    let file =
        |statuses: Value| announced(json!([{"by_header": "x", "statuses": statuses, "status": {"status_at": "/s"}}]));
    let schema: Value = serde_json::from_str(schema::SCHEMA).unwrap();
    for (one, list) in [(json!(201), json!([201])), (json!("200-204"), json!(["200-204"]))] {
        assert_eq!(schema::against(&schema, &schema, &file(one.clone())), None);
        let read = |statuses| serde_json::from_value::<Protocol>(file(statuses)).unwrap();
        assert_eq!(to_json(&read(one)), file(list));
    }
}

#[test]
fn errors_in_toml_have_a_line_too() {
    let toml = "name = \"jobs\"\n[[announced]]\nby_header = \"x\"\nstatus = { status_at = 7 }";
    let error = toml::from_str::<Protocol>(toml).unwrap_err().to_string();
    for part in ["announced[0].status.status_at: ", "line 4, column 24", "invalid type: integer `7`"] {
        assert!(error.contains(part), "{error}");
    }
}

/// TOML's parser says nothing of members that nobody reads.
#[test]
fn a_place_has_one_kind_in_every_format() {
    for (places, member) in [
        ("status_at = { true = '/done', scalar = '/code' }", "status_at"),
        ("status_at = ['/a', { true = '/done', scalar = '/code' }]", "status_at[1]"),
        ("status_at = '/a'\npercent_at = { fraction = '/p', percent = '/q' }", "percent_at"),
    ] {
        let file = format!("name = 'jobs'\n[[announced]]\nby_header = 'x-job'\n[announced.status]\n{places}");
        let error = toml::from_str::<Protocol>(&file).unwrap_err().to_string();
        for part in
            [&format!("announced[0].status.{member}: "), "invalid length 2, expected a JSON pointer, or a table of"]
        {
            assert!(error.contains(part), "{file}\n{error}");
        }
    }
}

#[test]
fn a_protocol_of_which_only_the_name_is_known_is_not_written() {
    let error = serde_json::to_string(&Protocol::unknown("jobs".to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "nothing is known of the protocol \"jobs\" but its name");
}

#[test]
fn the_schema_of_editors_is_left_alone() {
    let mut file = to_json(&Protocol::fhir());
    file["$schema"] = "https://example.com/protocol.schema.json".into();
    assert_eq!(to_json(&from_json(&file).unwrap()), to_json(&Protocol::fhir()));
}
