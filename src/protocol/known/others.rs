//! Standards, and other vendors.

use crate::protocol::{
    Protocol,
    builder::ProtocolBuilder,
    cancel_rule::CancelRule,
    final_response::FinalResponse,
    known::azure,
    start_rule::StartRule,
    status_rule::{MissingStatus, StatusRule, is_transient},
};

pub(super) fn odata() -> ProtocolBuilder {
    let monitor = StatusRule::new()
        .http_status_only()
        .relocated_by("location", [202])
        .outcome_header("asyncresult")
        .unwrap_application_http();
    Protocol::builder("odata")
        .announced(StartRule::by_header("location").monitor(monitor))
        .needs_respond_async()
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}

pub(super) fn fhir() -> ProtocolBuilder {
    // A 500 is the outcome of the job, unless it has a `Retry-After`. An expired token says nothing about the job.
    let is_retryable = |code: u16| is_transient(code) && code != 500;
    let final_errors = (400..=599).filter(|&code| !is_retryable(code) && !ABOUT_CREDENTIALS.contains(&code));
    let monitor = StatusRule::new()
        .http_status_only()
        .final_error_statuses(final_errors)
        .retryable_statuses((400..=599).filter(|&code| is_retryable(code)));
    Protocol::builder("fhir")
        .announced(StartRule::by_header("content-location").monitor(monitor))
        .needs_respond_async()
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}

pub(super) fn async_request_reply() -> ProtocolBuilder {
    Protocol::builder("async-request-reply")
        .announced(StartRule::by_header("location").monitor(azure::plain().result_redirects([302, 303])))
}

pub(super) fn aip_151() -> ProtocolBuilder {
    let monitor = StatusRule::new()
        .status_present("/response")
        .status_present("/error")
        // An operation may end without a response.
        .status_true("/done")
        .when_status_missing(MissingStatus::Running)
        .fixed_uri();
    let start = StartRule::by_body("/name", "/{first}/{+name}")
        .name_contains("operations/")
        .methods(["POST", "PUT", "PATCH", "DELETE"])
        .unless_present("/error")
        .unless_present("/response")
        .unless_true("/done")
        .monitor(monitor);
    Protocol::builder("aip-151")
        .announced(start)
        .succeeded(["response", "done"])
        .failed(["error"])
        .cancel(CancelRule::new("POST", "{monitor}:cancel"))
}

/// The statuses of errors that say nothing about an operation, though they are not transient, such as an expired token.
const ABOUT_CREDENTIALS: [u16; 3] = [401, 403, 407];

pub(super) fn http_202() -> ProtocolBuilder {
    let monitor = StatusRule::new()
        .http_status_only()
        .final_error_statuses((400..=499).filter(|code| !is_transient(*code) && !ABOUT_CREDENTIALS.contains(code)))
        .relocated_by("location", [202]);
    Protocol::builder("http-202").announced(StartRule::by_header("location").monitor(monitor))
}

pub(super) fn ogc_processes() -> ProtocolBuilder {
    let monitor = StatusRule::new().status_at("/status").percent_at("/progress").failure_at("/message").fixed_uri();
    Protocol::builder("ogc-processes")
        .announced(StartRule::by_header("location").statuses([201]).methods(["POST"]).monitor(monitor))
        .succeeded(["successful"])
        .canceled(["dismissed"])
        // Not by the links of the status document: the first with this relation may be a page for people.
        .resource_template("{monitor}/results")
        .final_response(FinalResponse::Resource)
        .needs_respond_async()
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}

pub(super) fn redfish() -> ProtocolBuilder {
    let is_final = |code: &u16| !is_transient(*code) && !ABOUT_CREDENTIALS.contains(code);
    let monitor = StatusRule::new()
        // Tasks have this status. A task monitor has none: 202 until it answers as the operation would have.
        .status_at("/TaskState")
        .when_status_missing(MissingStatus::Succeeded)
        .final_error_statuses((400..=599).filter(is_final))
        .percent_at("/PercentComplete")
        .failure_at("/Messages/0/Message");
    Protocol::builder("redfish")
        .announced(StartRule::by_header("location").monitor(monitor))
        .failed(["Exception"])
        .canceled(["Killed"])
        .running(["New", "Suspended", "Interrupted", "Stopping", "Service"])
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}

pub(super) fn lxd() -> ProtocolBuilder {
    // The `status` at the top is that of the request.
    let monitor =
        || StatusRule::new().status_scalar_at("/metadata/status_code").failure_at("/metadata/err").fixed_uri();
    Protocol::builder("lxd")
        .announced(StartRule::by_header("location").monitor(monitor()))
        .announced(StartRule::by_link("/operation").statuses([202]).monitor(monitor()))
        .succeeded(["200"])
        .failed(["400"])
        .canceled(["401"])
        .running((100..=112).map(|code: u16| code.to_string()))
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}

pub(super) fn snowflake_sql() -> ProtocolBuilder {
    // A 408 is about the statement, which was canceled by its timeout.
    let is_retryable = |code: u16| is_transient(code) && code != 408;
    let monitor = StatusRule::new()
        .http_status_only()
        .final_error_statuses([408, 422])
        .retryable_statuses((400..=599).filter(|&code| is_retryable(code)))
        .failure_at("/message");
    Protocol::builder("snowflake-sql")
        .announced(StartRule::by_link("/statementStatusUrl").statuses([202]).methods(["POST"]).monitor(monitor))
        .cancel(CancelRule::new("POST", "{monitor}/cancel"))
}

pub(super) fn meilisearch() -> ProtocolBuilder {
    Protocol::builder("meilisearch")
        .announced(
            StartRule::by_body("/taskUid", "/tasks/{name}")
                .statuses([202])
                .monitor(StatusRule::new().status_at("/status")),
        )
        .cancel(CancelRule::new("POST", "/tasks/cancel?uids={name}"))
}
