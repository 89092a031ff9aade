//! Azure and the rest of Microsoft.

use crate::protocol::{
    Protocol,
    builder::ProtocolBuilder,
    cancel_rule::CancelRule,
    final_response::FinalResponse,
    start_rule::StartRule,
    status_rule::{MissingStatus, StatusRule, is_transient},
};

/// Azure Maps answers from its geographies (`us.`, `eu.`).
const AZURE_MAPS: [&str; 2] = ["https://atlas.microsoft.com", "https://*.atlas.microsoft.com"];

pub(super) fn operation_location() -> ProtocolBuilder {
    Protocol::builder("operation-location")
        .announced(StartRule::by_header("operation-location").monitor(StatusRule::new().status_at("/status")))
        .resource_at("/resourceLocation")
        .trusts(AZURE_MAPS, AZURE_MAPS)
}

pub(super) fn location() -> ProtocolBuilder {
    Protocol::builder("location")
        .announced(operation_location_beside_location())
        .announced(StartRule::by_header("location").monitor(plain()).default_for_resume())
        .resource_at("/resourceLocation")
        .trusts(AZURE_MAPS, AZURE_MAPS)
}

/// If both are sent, `Location` is the result.
fn operation_location_beside_location() -> StartRule {
    StartRule::by_header("operation-location")
        .requires_header("location")
        .monitor(StatusRule::new().status_at("/status"))
}

/// A top-level status decides if there is one; otherwise the HTTP status does.
pub(super) fn plain() -> StatusRule {
    StatusRule::new()
        .status_at("/status")
        .when_status_missing(MissingStatus::Succeeded)
        .final_error_statuses((400..=499).filter(|&code| !is_transient(code)))
        .relocated_by("location", [202])
}

pub(super) fn azure_core() -> ProtocolBuilder {
    Protocol::builder("azure-core")
        .announced(
            StartRule::by_header("operation-location")
                .statuses([200, 201, 202])
                .monitor(StatusRule::new().status_at("/status")),
        )
        .resource_at("/resourceLocation")
        .final_response(FinalResponse::Auto)
        .trusts(AZURE_MAPS, AZURE_MAPS)
}

pub(super) fn azure_resource_manager() -> ProtocolBuilder {
    const STATE: &str = "/properties/provisioningState";
    let operation = || StatusRule::new().status_at("/status");
    let location = || StatusRule::new().status_at(STATE).status_at("/status").http_status_only();
    // A deleted resource may take its monitor with it.
    let deletion = || location().success_statuses([404]);
    let resource = || StatusRule::new().status_at(STATE).when_status_missing(MissingStatus::Succeeded).fixed_uri();
    let asynchronous = || StartRule::by_header("azure-asyncoperation").monitor(operation());
    Protocol::builder("azure-resource-manager")
        // A 202's own body is never the outcome.
        .announced(asynchronous())
        .announced(operation_location_beside_location())
        .announced(StartRule::by_header("location").methods(["DELETE"]).monitor(deletion()))
        .announced(StartRule::by_header("location").monitor(location()))
        // The body of a 200 or 201 is the resource, and may say that there is nothing to wait for. If it says nothing, the header
        // counts, as in the SDKs.
        .announced(
            asynchronous().statuses([200, 201]).methods(["PUT", "PATCH", "POST", "DELETE"]).unless_terminal(STATE),
        )
        .announced(
            StartRule::by_header("location")
                .statuses([200, 201])
                .methods(["PUT", "PATCH"])
                .monitor(location())
                .unless_terminal_or_missing(STATE),
        )
        .announced(
            StartRule::at_request_uri()
                .statuses([200, 201])
                .methods(["PUT", "PATCH"])
                .monitor(resource())
                .unless_terminal_or_missing(STATE),
        )
        .final_response(FinalResponse::Auto)
}

/// The front doors, and the regional hosts behind them.
const FABRIC: [&str; 3] =
    ["https://api.fabric.microsoft.com", "https://api.powerbi.com", "https://*.analysis.windows.net"];

pub(super) fn fabric() -> ProtocolBuilder {
    Protocol::builder("fabric")
        .announced(StartRule::by_header("location").monitor(StatusRule::new().status_at("/status")))
        .canceled(["Deduped", "Disabled"])
        .final_response(FinalResponse::Location)
        .trusts(FABRIC, FABRIC)
}

pub(super) fn graph() -> ProtocolBuilder {
    let monitor = StatusRule::new().status_at("/status").result_may_be_missing().relocated_by("location", [202]);
    Protocol::builder("graph")
        .announced(StartRule::by_header("location").monitor(monitor))
        .failed(["deleteFailed"])
        .allows(["https://*"])
}

pub(super) fn key_vault() -> ProtocolBuilder {
    let monitor = StatusRule::new().status_at("/status").final_error_statuses([404]).relocated_by("location", [202]);
    Protocol::builder("key-vault")
        .announced(operation_location_beside_location())
        .announced(StartRule::by_header("location").monitor(monitor))
        .resource_at("/target")
        .final_response(FinalResponse::Resource)
        .cancel(CancelRule::new("PATCH", "{monitor}").body("application/json", r#"{"cancellation_requested":true}"#))
}

pub(super) fn durable_functions() -> ProtocolBuilder {
    // A failed orchestration is a 500 only if the address asks for that; then the 500 is not transient.
    let is_retryable = |code: u16| is_transient(code) && code != 500;
    let monitor = || {
        StatusRule::new()
            .status_at("/runtimeStatus")
            .final_error_statuses([410, 500])
            .retryable_statuses((400..=599).filter(|&code| is_retryable(code)))
            .failure_at("/output")
            .fixed_uri()
    };
    Protocol::builder("durable-functions")
        .announced(StartRule::by_link("/statusQueryGetUri").monitor(monitor()))
        .announced(StartRule::by_header("location").monitor(monitor()).default_for_resume())
        .canceled(["Terminated"])
        .running(["ContinuedAsNew", "Suspended"])
        .cancel(CancelRule::new("POST", "{monitor}/terminate"))
}

pub(super) fn dataverse() -> ProtocolBuilder {
    let monitor = StatusRule::new()
        .status_scalar_at("/backgroundOperationStatusCode")
        // The status in the row of the table of background operations.
        .status_scalar_at("/backgroundoperationstatuscode")
        .failure_at("/backgroundOperationErrorMessage")
        .failure_at("/errormessage")
        .fixed_uri();
    Protocol::builder("dataverse")
        .announced(StartRule::by_header("location").requires_header("x-ms-dyn-backgroundoperationid").monitor(monitor))
        .succeeded(["30"])
        .failed(["31"])
        .canceled(["32"])
        // Waiting for resources, in progress, and being canceled.
        .running(["0", "20", "22"])
        .needs_respond_async()
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}
