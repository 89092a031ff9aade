//! The protocols of known families of services, written with the builder.

use std::sync::LazyLock;

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

fn operation_location() -> ProtocolBuilder {
    Protocol::builder("operation-location")
        .announced(StartRule::by_header("operation-location").monitor(StatusRule::new().status_at("/status")))
        .resource_at("/resourceLocation")
        .trusts(AZURE_MAPS, AZURE_MAPS)
}

fn location() -> ProtocolBuilder {
    Protocol::builder("location")
        .announced(operation_location_beside_location())
        .announced(StartRule::by_header("location").monitor(plain()).default_for_resume())
        .resource_at("/resourceLocation")
        .trusts(AZURE_MAPS, AZURE_MAPS)
}

/// Where both are sent, `Location` is the result.
fn operation_location_beside_location() -> StartRule {
    StartRule::by_header("operation-location")
        .requires_header("location")
        .monitor(StatusRule::new().status_at("/status"))
}

/// A top-level status decides if there is one, and else the HTTP status.
fn plain() -> StatusRule {
    StatusRule::new()
        .status_at("/status")
        .when_status_missing(MissingStatus::Succeeded)
        .final_error_statuses((400..=499).filter(|&code| !is_transient(code)))
        .relocated_by("location", [202])
}

fn azure_core() -> ProtocolBuilder {
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

fn azure_resource_manager() -> ProtocolBuilder {
    const STATE: &str = "/properties/provisioningState";
    let operation = || StatusRule::new().status_at("/status");
    let location = || StatusRule::new().status_at(STATE).status_at("/status").http_status_only();
    // What is deleted may take its monitor with it.
    let deletion = || location().success_statuses([404]);
    let resource = || StatusRule::new().status_at(STATE).when_status_missing(MissingStatus::Succeeded).fixed_uri();
    let asynchronous = || StartRule::by_header("azure-asyncoperation").monitor(operation());
    Protocol::builder("azure-resource-manager")
        // A 202's own body is never the outcome.
        .announced(asynchronous())
        .announced(operation_location_beside_location())
        .announced(StartRule::by_header("location").methods(["DELETE"]).monitor(deletion()))
        .announced(StartRule::by_header("location").monitor(location()))
        // The body of a 200 or 201 is the resource, and may say that there is nothing to wait for. Where it says nothing, the
        // header counts, as in the SDKs.
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

fn fabric() -> ProtocolBuilder {
    Protocol::builder("fabric")
        .announced(StartRule::by_header("location").monitor(StatusRule::new().status_at("/status")))
        .canceled(["Deduped", "Disabled"])
        .final_response(FinalResponse::Location)
        .trusts(FABRIC, FABRIC)
}

fn graph() -> ProtocolBuilder {
    let monitor = StatusRule::new().status_at("/status").result_may_be_missing().relocated_by("location", [202]);
    Protocol::builder("graph")
        .announced(StartRule::by_header("location").monitor(monitor))
        .failed(["deleteFailed"])
        .allows(["https://*"])
}

fn odata() -> ProtocolBuilder {
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

fn fhir() -> ProtocolBuilder {
    // A 500 is the outcome of the job, unless it has a `Retry-After`. That a token has expired says nothing of the job.
    let is_retryable = |code: u16| is_transient(code) && code != 500;
    let final_errors = (400..=599).filter(|&code| !is_retryable(code) && ![401, 403, 407].contains(&code));
    let monitor = StatusRule::new()
        .http_status_only()
        .final_error_statuses(final_errors)
        .retryable_statuses((400..=599).filter(|&code| is_retryable(code)));
    Protocol::builder("fhir")
        .announced(StartRule::by_header("content-location").monitor(monitor))
        .needs_respond_async()
        .cancel(CancelRule::new("DELETE", "{monitor}"))
}

fn async_request_reply() -> ProtocolBuilder {
    Protocol::builder("async-request-reply")
        .announced(StartRule::by_header("location").monitor(plain().result_redirects([302, 303])))
}

fn key_vault() -> ProtocolBuilder {
    let monitor = StatusRule::new().status_at("/status").final_error_statuses([404]).relocated_by("location", [202]);
    Protocol::builder("key-vault")
        .announced(operation_location_beside_location())
        .announced(StartRule::by_header("location").monitor(monitor))
        .resource_at("/target")
        .final_response(FinalResponse::Resource)
        .cancel(CancelRule::new("PATCH", "{monitor}").body("application/json", r#"{"cancellation_requested":true}"#))
}

fn aip_151() -> ProtocolBuilder {
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

macro_rules! known {
    ($($(#[$documentation:meta])* $name:ident)*) => {
        impl Protocol {
            $(
                $(#[$documentation])*
                #[must_use]
                pub fn $name() -> Self {
                    static PROTOCOL: LazyLock<Protocol> = LazyLock::new(|| $name().finish());
                    PROTOCOL.clone()
                }
            )*

            /// All the protocols that have a constructor here, to be chosen from by [`name`](Self::name).
            ///
            /// # Example
            ///
            /// ```
            /// use tower_lro::Protocol;
            ///
            /// let fabric = Protocol::known().find(|known| known.name() == "fabric");
            /// assert!(fabric.is_some());
            /// ```
            pub fn known() -> impl Iterator<Item = Self> {
                [$(Self::$name as fn() -> Self),*].into_iter().map(|known| known())
            }
        }

        #[cfg(test)]
        const BUILDERS: &[fn() -> ProtocolBuilder] = &[$($name),*];
    };
}

known! {
    /// `202 Accepted` with `Operation-Location`; the status is the top-level member `status` of the monitor's JSON; the final
    /// response is the final status response. The default.
    ///
    /// Spoken by [Azure Maps (V2)], Document Intelligence, Language, Translator, Communication Services, and the rest of the
    /// services that follow the [Azure REST API guidelines].
    ///
    /// Requests to `https://atlas.microsoft.com` or its subdomains are followed to `https://atlas.microsoft.com` and its
    /// subdomains with their credentials, because Azure Maps answers from its geographies (`us.`, `eu.`).
    ///
    /// [Azure Maps (V2)]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation-v2
    /// [Azure REST API guidelines]: https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#long-running-operations--jobs
    operation_location

    /// `202 Accepted` with `Location`. A top-level `status` decides if the monitor's JSON has one; else another 202 means
    /// running, and anything else is the outcome and is handed over, a 4xx included (408 and 429 are failed polls, and other 5xx errors:
    /// a retry layer outside would take them for an answer to the start request, and send it again).
    ///
    /// Spoken by [Azure Maps (V1)], its Route Matrix and batch services, Synapse, and many others; the plain form of the
    /// [asynchronous request-reply pattern]. Where `Operation-Location` is sent too, that names the monitor, and `Location`
    /// the result.
    ///
    /// Not spoken unless asked for: container registries and others answer `202` with `Location` to requests that start no
    /// operation.
    ///
    /// [Azure Maps (V1)]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation
    /// [asynchronous request-reply pattern]: https://learn.microsoft.com/azure/architecture/patterns/async-request-reply
    location

    /// `Operation-Location` on `200`, `201` and `202`, with the result by method and by `resourceLocation`
    /// ([`FinalResponse::Auto`]): the data plane of Azure as its SDKs see it, by the [Azure REST API guidelines].
    ///
    /// Some services send `Operation-Location` with a `201` that starts nothing, where it is the new resource's own address:
    /// speak this protocol where you know the service.
    ///
    /// [Azure REST API guidelines]: https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#long-running-operations--jobs
    azure_core

    /// Azure Resource Manager: `Azure-AsyncOperation`, else `Location`, else a `properties.provisioningState` in the response
    /// to a `PUT` or `PATCH` that is not terminal; on `200`, `201` and `202`
    /// ([asynchronous operations in the ARM resource provider contract]).
    ///
    /// The result is what is at the address of the start request after a `PUT` or `PATCH`, at `Location` after a `POST`, and
    /// the final status response after a `DELETE` ([`FinalResponse::Auto`]); that is a 404 where the deletion took its monitor
    /// with it, so ask [`ResponseExt::operation`](crate::ResponseExt::operation) how it went. The bodies of responses of 200 and 201 to all
    /// requests that could start something are read for their `provisioningState`; what is finished passes through.
    ///
    /// [asynchronous operations in the ARM resource provider contract]: https://github.com/cloud-and-ai-microsoft/resource-provider-contract/blob/master/v1.0/async-api-reference.md
    azure_resource_manager

    /// Microsoft Fabric and Power BI: `202 Accepted` with `Location` on one of the regional hosts, `*.analysis.windows.net`,
    /// which get the credentials of requests to `api.fabric.microsoft.com` and `api.powerbi.com`, and of each other; the result is at the
    /// `Location` of the last status response, if it has one ([long running operations in Fabric]).
    ///
    /// [long running operations in Fabric]: https://learn.microsoft.com/rest/api/fabric/articles/long-running-operation
    fabric

    /// Microsoft Graph and OneDrive: `202 Accepted` with `Location` on any `https` host; hosts other than that of the start
    /// request are polled without credentials, which they refuse. The end is a status of `completed`, also in a 202, or a
    /// 303; one that names no result that may be fetched is handed over itself ([long-running actions in Graph]).
    ///
    /// What adds credentials below the layer adds them to these polls, too: have it look at the host, or put the token into
    /// the request.
    ///
    /// [long-running actions in Graph]: https://learn.microsoft.com/graph/long-running-actions-overview
    graph

    /// OData: `Prefer: respond-async` was sent (by you), and answered by `202 Accepted` with `Location`. The HTTP status of the
    /// status monitor decides; the `AsyncResult` of its last response becomes the status of what is handed over, and a body of
    /// `application/http` the response ([OData 4.01, asynchronous requests]).
    ///
    /// [OData 4.01, asynchronous requests]: https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part1-protocol.html#sec_AsynchronousRequests
    odata

    /// HL7 FHIR, bulk data among it: `202 Accepted` with `Content-Location`; 202 with `X-Progress` until it is done, then the
    /// manifest, or a 4xx or 5xx with an `OperationOutcome`, which is handed over as a failure
    /// ([FHIR asynchronous bulk data request pattern]). A 401, 403 or 407 is an error, and a 5xx that says when to come again a failed poll.
    /// A retry layer outside that takes a 500 for a passing failure would start the export anew: put it below.
    ///
    /// [FHIR asynchronous bulk data request pattern]: https://hl7.org/fhir/async-bulk.html
    fhir

    /// [`location`](Self::location), where a `302` or `303` names the result, also if the client follows it by itself: the [asynchronous request-reply pattern] of
    /// the Azure Architecture Center.
    ///
    /// [asynchronous request-reply pattern]: https://learn.microsoft.com/azure/architecture/patterns/async-request-reply
    async_request_reply

    /// Azure Key Vault: `202 Accepted` with `Location`; the status is the top-level member `status`; the result is at
    /// `target`. A pending operation that was deleted answers 404, which is handed over as a failure
    /// ([certificate creation in Key Vault]).
    ///
    /// [certificate creation in Key Vault]: https://learn.microsoft.com/azure/key-vault/certificates/create-certificate
    key_vault

    /// Google's long-running operations over REST: `200 OK` with an `Operation` of `name`, `done`, and `error` or `response`
    /// ([AIP-151]). It is polled at `/{version}/{name}`, where the version is the first segment of the start request's path.
    ///
    /// The bodies of responses of 200 to `POST`, `PUT`, `PATCH` and `DELETE` are read for the name of an operation, which has
    /// `operations/` in it; all others pass through.
    ///
    /// [AIP-151]: https://google.aip.dev/151
    aip_151
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::KNOWN_NAMES;

    #[test]
    fn known_protocols_are_valid_and_have_names_of_their_own() {
        for builder in BUILDERS {
            assert_eq!(builder().named("another").build().err(), None);
        }
        let names: Vec<_> = Protocol::known().map(|known| known.name().to_owned()).collect();
        assert_eq!(names, KNOWN_NAMES);
    }
}
