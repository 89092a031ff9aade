//! The protocols of known families of services, written with the builder.

mod azure;
mod others;

use std::sync::LazyLock;

use self::{
    azure::{
        azure_core, azure_resource_manager, dataverse, durable_functions, fabric, graph, key_vault, location,
        operation_location,
    },
    others::{
        aip_151, async_request_reply, fhir, http_202, lxd, meilisearch, odata, ogc_processes, redfish, snowflake_sql,
    },
};
use crate::protocol::Protocol;
#[cfg(test)]
use crate::protocol::builder::ProtocolBuilder;

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

            /// All protocols that have a constructor here, to be chosen by [`name`](Self::name).
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
    /// Spoken by [Azure Maps (V2)], Document Intelligence, Language, Translator, Communication Services, and the other services
    /// that follow the [Azure REST API guidelines].
    ///
    /// Requests to `https://atlas.microsoft.com` or its subdomains are followed to `https://atlas.microsoft.com` and its
    /// subdomains with their credentials, because Azure Maps answers from its geographies (`us.`, `eu.`).
    ///
    /// [Azure Maps (V2)]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation-v2
    /// [Azure REST API guidelines]: https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#long-running-operations--jobs
    operation_location

    /// `202 Accepted` with `Location`. A top-level `status` decides if the monitor's JSON has one; else another 202 means
    /// running, and anything else is the outcome and is handed over, a 4xx included. (408 and 429 are failed polls. So are other 5xx
    /// errors: a retry layer outside would take them for an answer to the start request, and send it again.)
    ///
    /// Spoken by [Azure Maps (V1)], its Route Matrix and batch services, and Synapse; the plain form of the
    /// [asynchronous request-reply pattern]. If `Operation-Location` is sent too, it names the monitor, and `Location` the result.
    ///
    /// Not spoken by default: container registries and others answer `202` with `Location` to requests that start no operation.
    ///
    /// [Azure Maps (V1)]: https://learn.microsoft.com/azure/azure-maps/creator-long-running-operation
    /// [asynchronous request-reply pattern]: https://learn.microsoft.com/azure/architecture/patterns/async-request-reply
    location

    /// `Operation-Location` on `200`, `201` and `202`, with the result by method and by `resourceLocation`
    /// ([`FinalResponse::Auto`](crate::FinalResponse::Auto)): the data plane of Azure as its SDKs see it, by the [Azure REST API guidelines].
    ///
    /// Some services send `Operation-Location` with a `201` that starts nothing, as the new resource's own address: speak this
    /// protocol only with services that you know.
    ///
    /// [Azure REST API guidelines]: https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#long-running-operations--jobs
    azure_core

    /// Azure Resource Manager: `Azure-AsyncOperation`, else `Location`, else a `properties.provisioningState` in the response
    /// to a `PUT` or `PATCH` that is not terminal; on `200`, `201` and `202`
    /// ([asynchronous operations in the ARM resource provider contract]).
    ///
    /// The result is at the address of the start request after a `PUT` or `PATCH`, at `Location` after a `POST`, and
    /// the final status response after a `DELETE` ([`FinalResponse::Auto`](crate::FinalResponse::Auto)); that is a 404 where the deletion took its monitor
    /// with it, so ask [`ResponseExt::operation`](crate::ResponseExt::operation) for the outcome. The bodies of 200 and 201 responses to
    /// all requests that could start something are read for their `provisioningState`; finished ones pass through.
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
    /// request are polled without credentials, which they refuse. The end is a status of `completed`, also in a 202, or a 303; a
    /// 303 that names no result that may be fetched is itself handed over ([long-running actions in Graph]).
    ///
    /// Anything below the layer that adds credentials adds them to these polls, too: make it look at the host, or put the token
    /// into the request.
    ///
    /// [long-running actions in Graph]: https://learn.microsoft.com/graph/long-running-actions-overview
    graph

    /// OData: `Prefer: respond-async` was sent (by you), and answered by `202 Accepted` with `Location`. The HTTP status of the
    /// status monitor decides; the `AsyncResult` of its last response becomes the status of the final response, and a body of
    /// `application/http` becomes the response itself ([OData 4.01, asynchronous requests]).
    ///
    /// [OData 4.01, asynchronous requests]: https://docs.oasis-open.org/odata/odata/v4.01/odata-v4.01-part1-protocol.html#sec_AsynchronousRequests
    odata

    /// HL7 FHIR, bulk data among it: `202 Accepted` with `Content-Location`; 202 with `X-Progress` until it is done, then the
    /// manifest, or a 4xx or 5xx with an `OperationOutcome`, which is handed over as a failure
    /// ([FHIR asynchronous bulk data request pattern]). A 401, 403 or 407 is an error, and a 5xx with `Retry-After` a failed poll.
    /// A retry layer outside that takes a 500 for a transient failure would start the export anew: put it below.
    ///
    /// [FHIR asynchronous bulk data request pattern]: https://hl7.org/fhir/async-bulk.html
    fhir

    /// [`location`](Self::location), except that a `302` or `303` names the result, also if the client follows it by itself: the
    /// [asynchronous request-reply pattern] of the Azure Architecture Center.
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

    /// Plain HTTP: `202 Accepted` with `Location`, and 202 until it is something else ([RFC 9110, section 15.3.3]). Bodies are not
    /// read. A 4xx is the outcome of an operation that has failed, except for 401, 403 and 407, which are errors, and 408, 425 and
    /// 429, which are failed polls.
    ///
    /// [`location`](Self::location) reads a `status`, too: prefer it unless the results have a `status` of their own that says nothing
    /// about the operation. Any other 2xx means that the operation has succeeded, except at a page that a redirect led to; if there never was a 202,
    /// [`Operation::is_success_assumed`](crate::Operation::is_success_assumed) says so.
    ///
    /// [RFC 9110, section 15.3.3]: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.3
    http_202

    /// OGC API - Processes, of pygeoapi, GeoServer and ZOO-Project among others: a `POST` with `Prefer: respond-async` is answered
    /// `201 Created` with the `Location` of a job, whose `status` is `accepted`, `running`, `successful`, `failed` or `dismissed`
    /// and whose result is at `{job}/results` ([OGC 18-062r2, section 7.11]). `DELETE` dismisses it.
    ///
    /// A `POST` that creates something else with a 201 and `Location`, such as the deployment of a process by part 2 of the
    /// standard, must bypass the layer: [`LroOverrides::disabled`](crate::LroOverrides::disabled).
    ///
    /// [OGC 18-062r2, section 7.11]: https://docs.ogc.org/is/18-062r2/18-062r2.html#sc_execute_process
    ogc_processes

    /// DMTF Redfish, of baseboard management controllers: `202 Accepted` with the `Location` of a task monitor, which answers 202
    /// until the operation is done, and then as the operation itself would have, possibly with a 4xx ([DSP0266, asynchronous operations]).
    /// If the address is that of the task, its `TaskState` decides, and the final response is the task.
    ///
    /// A response that is neither a 202 nor a task is the operation's own. That includes a 404, which is also the answer of a monitor
    /// that is gone: poll more often than your controller forgets its tasks.
    ///
    /// [DSP0266, asynchronous operations]: https://www.dmtf.org/sites/default/files/standards/documents/DSP0266_1.20.1.html#asynchronous-operations
    redfish

    /// LXD and Incus: `202 Accepted` with the address of a background operation in `Location` and in `operation`. Its
    /// `metadata.status_code` decides (200, 400, 401), not the `status` at the top, which is that of the request; why it failed is in
    /// `metadata.err` ([LXD REST API]).
    ///
    /// An operation is gone five seconds after its end: give the layer a shorter
    /// [`max_delay`](crate::LroLayer::max_delay) and [`Backoff`](crate::Backoff).
    ///
    /// [LXD REST API]: https://documentation.ubuntu.com/lxd/en/latest/rest-api/#background-operation
    lxd

    /// Azure Durable Functions: `202 Accepted` (`201` from Java) with `statusQueryGetUri` in the body and in `Location`, whose query has
    /// a key. Its `runtimeStatus` decides; 500 and 410 mean that it has failed
    /// ([HTTP APIs in Durable Functions]).
    ///
    /// [HTTP APIs in Durable Functions]: https://learn.microsoft.com/azure/azure-functions/durable/durable-functions-http-api
    durable_functions

    /// The Snowflake SQL API: `202 Accepted` with `statementStatusUrl` in the body, 202 again until a 200 with the result; 422 and
    /// 408 mean that the statement has failed ([handling responses]).
    ///
    /// [handling responses]: https://docs.snowflake.com/en/developer-guide/sql-api/handling-responses
    snowflake_sql

    /// Dataverse, background operations: `Prefer: respond-async`, then `202 Accepted` with `Location`; the status is an integer, `backgroundOperationStatusCode`
    /// ([background operations]).
    ///
    /// [background operations]: https://learn.microsoft.com/power-apps/developer/data-platform/background-operations
    dataverse

    /// Meilisearch: `202 Accepted` with a `taskUid`, polled at `/tasks/{taskUid}`; why it failed is in `error`
    /// ([asynchronous operations]).
    ///
    /// [asynchronous operations]: https://www.meilisearch.com/docs/learn/async/asynchronous_operations
    meilisearch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_protocols_are_valid_and_have_names_of_their_own() {
        for builder in BUILDERS {
            assert_eq!(builder().named("another").build().err(), None);
        }
        let names: std::collections::BTreeSet<_> = Protocol::known().map(|known| known.name().to_owned()).collect();
        assert_eq!(names.len(), BUILDERS.len());
    }
}
