//! Scripts of the known families of services, in their own words and shapes.

use std::time::Duration;

use super::{Reply, Script};

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// One for each [`Protocol`](crate::Protocol), except those of Azure Maps.
///
/// # Example
///
/// ```
/// use http::Request;
/// use tower::{Layer, ServiceExt};
/// use tower_lro::{LroLayer, Protocol, ResponseExt, OperationState, simulator::{Script, Simulator}};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// for (protocol, script, method, start) in [
///     (Protocol::azure_core(), Script::azure_core(), "PUT", "https://example.azure.com/users/1"),
///     (Protocol::azure_resource_manager(), Script::azure_resource_manager(), "PUT", "https://management.azure.com/r"),
///     (Protocol::fabric(), Script::fabric(), "POST", "https://api.fabric.microsoft.com/v1/workspaces/1/items"),
///     (Protocol::graph(), Script::graph(), "POST", "https://graph.microsoft.com/v1.0/me/drive/items/1/copy"),
///     (Protocol::odata(), Script::odata(), "POST", "https://example.com/service/Orders"),
///     (Protocol::fhir(), Script::fhir(), "GET", "https://example.org/fhir/Patient/$export"),
///     (Protocol::async_request_reply(), Script::async_request_reply(), "POST", "https://example.com/api/work"),
///     (Protocol::key_vault(), Script::key_vault(), "POST", "https://example.vault.azure.net/certificates/create"),
///     (Protocol::aip_151(), Script::aip_151(), "POST", "https://translation.googleapis.com/v3/p:translate"),
///     (Protocol::http_202(), Script::http_202(), "POST", "https://example.com/reports"),
///     (Protocol::ogc_processes(), Script::ogc_processes(), "POST", "https://example.com/processes/hello/execution"),
///     (Protocol::redfish(), Script::redfish(), "POST", "https://bmc.example.com/redfish/v1/UpdateService"),
///     (Protocol::lxd(), Script::lxd(), "POST", "https://lxd.example.com:8443/1.0/instances"),
///     (Protocol::durable_functions(), Script::durable_functions(), "POST", "https://app.azurewebsites.net/api/start"),
///     (Protocol::snowflake_sql(), Script::snowflake_sql(), "POST", "https://x.snowflakecomputing.com/api/v2/statements"),
///     (Protocol::dataverse(), Script::dataverse(), "POST", "https://x.crm.dynamics.com/api/data/v9.2/sample_Export"),
///     (Protocol::meilisearch(), Script::meilisearch(), "POST", "https://example.com/indexes/movies/documents"),
/// ] {
///     let client = LroLayer::new().protocols([protocol]).layer(Simulator::new().script(script));
///     let request = Request::builder().method(method).uri(start).body(String::new())?;
///     let response = client.oneshot(request).await?;
///     assert!(response.operation().is_some_and(|operation| operation.state() == OperationState::Succeeded));
/// }
/// # Ok(())
/// # }
/// ```
impl Script {
    /// The data plane of Azure: `201` with `Operation-Location`, and the resource at the address of the start request.
    /// [`Protocol::azure_core`](crate::Protocol::azure_core).
    pub fn azure_core() -> Self {
        let start = Reply::json(r#"{"role": "contributor", "name": "madge"}"#).code(201);
        Self::new(start.header("operation-location", "{origin}/operations/{id}"))
            .polls([
                Reply::json(r#"{"id": "{id}", "status": "Running"}"#),
                Reply::json(r#"{"id": "{id}", "status": "Succeeded"}"#),
            ])
            .original(Reply::json(r#"{"role": "contributor", "name": "madge"}"#))
    }

    /// Azure Resource Manager, a resource that is created: `201` with `Azure-AsyncOperation` and a `provisioningState`, and the
    /// resource at the address of the start request. [`Protocol::azure_resource_manager`](crate::Protocol::azure_resource_manager).
    pub fn azure_resource_manager() -> Self {
        let resource = |state: &str| {
            Reply::json(format!(
                r#"{{"properties": {{"provisioningState": "{state}"}}, "location": "westus2", "tags": null, "name": "topic1"}}"#
            ))
        };
        let operation = "{origin}/subscriptions/0/providers/Microsoft.EventGrid/locations/westus2/operations/{id}";
        Self::new(resource("Creating").code(201).header("azure-asyncoperation", operation))
            .polls([
                Reply::json(r#"{"name": "{id}", "status": "InProgress"}"#).retry_after(SECONDS(10)),
                Reply::http(504),
                Reply::json(r#"{"name": "{id}", "status": "Succeeded"}"#),
            ])
            .original(resource("Succeeded"))
    }

    /// Microsoft Fabric: the monitor and the result on a regional host, and a new `Location` in every poll.
    /// [`Protocol::fabric`](crate::Protocol::fabric).
    pub fn fabric() -> Self {
        const MONITOR: &str = "https://wabi-us-central-b-primary-redirect.analysis.windows.net/v1/operations/{id}";
        let here = |reply: Reply| reply.header("location", MONITOR).header("x-ms-operation-id", "{id}");
        let status = |word: &str, percent: &str| {
            let created = "2026-06-15T11:01:15.184111";
            Reply::json(format!(
                r#"{{"status": "{word}", "createdTimeUtc": "{created}", "percentComplete": {percent}, "error": null}}"#
            ))
        };
        Self::new(here(Reply::json("null").code(202)).retry_after(SECONDS(20)))
            .polls([
                here(status("NotStarted", "null")).retry_after(SECONDS(20)),
                here(status("Running", "50")).retry_after(SECONDS(20)),
                status("Succeeded", "100").header("location", &format!("{MONITOR}/result")),
            ])
            .resource(Reply::json(r#"{"id": "{id}", "type": "Lakehouse", "displayName": "lake"}"#))
    }

    /// Microsoft Graph: the copy of an item, with its monitor on a foreign host, and the end in a 202.
    /// [`Protocol::graph`](crate::Protocol::graph).
    pub fn graph() -> Self {
        let status = |word: &str, percent: &str| {
            let body = format!(
                r#"{{"@odata.type": "microsoft.graph.asyncJobStatus", "operation": "itemCopy", "percentageComplete": {percent}, "status": "{word}"}}"#
            );
            Reply::json(body).code(202)
        };
        Self::new(
            Reply::http(202).header("location", "https://contoso.sharepoint.com/_api/v2.0/monitor/operations/{id}"),
        )
        .polls([status("notStarted", "0"), status("inProgress", "27.8"), status("completed", "100")])
    }

    /// OData: a status monitor, and the outcome with `AsyncResult`. [`Protocol::odata`](crate::Protocol::odata).
    pub fn odata() -> Self {
        let accepted = || Reply::http(202).header("location", "{origin}/service/async/operations/{id}");
        let outcome = Reply::json(r##"{"@odata.context": "{origin}/service/$metadata#Orders/$entity", "ID": 1}"##);
        Self::new(accepted().header("preference-applied", "respond-async").retry_after(SECONDS(5)))
            .polls([accepted().retry_after(SECONDS(5)), outcome.header("asyncresult", "201")])
    }

    /// FHIR, a bulk export: started by a `GET`, 202 with `X-Progress` until the manifest. [`Protocol::fhir`](crate::Protocol::fhir).
    pub fn fhir() -> Self {
        let manifest = r#"{"transactionTime": "2021-01-01T00:00:00Z", "request": "{start}", "requiresAccessToken": true, "output": [], "error": []}"#;
        Self::new(Reply::http(202).header("content-location", "{origin}/bulkstatus/operations/{id}"))
            .polls([
                Reply::http(202).header("x-progress", "in progress, 45%").retry_after(SECONDS(120)),
                Reply::json(manifest),
            ])
            .starts_on_get()
    }

    /// The asynchronous request-reply pattern: a status endpoint that redirects to the resource when it is there.
    /// [`Protocol::async_request_reply`](crate::Protocol::async_request_reply).
    pub fn async_request_reply() -> Self {
        Self::new(Reply::http(202).header("location", "{origin}/api/status/operations/{id}").retry_after(SECONDS(5)))
            .polls([
                Reply::json(r#"{"status": "In progress"}"#).retry_after(SECONDS(5)),
                Reply::http(302).header("location", "{origin}/resources/{id}"),
            ])
            .resource(Reply::json(r#"{"it": "is done"}"#))
    }

    /// Key Vault, a certificate that is created: the result at the `target`. [`Protocol::key_vault`](crate::Protocol::key_vault).
    pub fn key_vault() -> Self {
        let pending = |word: &str, more: &str| {
            Reply::json(format!(
                r#"{{"id": "{{origin}}/certificates/cert1/pending", "issuer": {{"name": "Self"}}, "status": "{word}"{more}, "request_id": "{{id}}"}}"#
            ))
        };
        let accepted = pending("inProgress", "").code(202);
        let location = "{origin}/certificates/cert1/pending/operations/{id}?api-version=7.4";
        Self::new(accepted.header("location", location).retry_after(SECONDS(10)))
            .polls([
                pending("inProgress", "").retry_after(SECONDS(10)),
                pending("completed", r#", "target": "{origin}/certificates/cert1/resources/{id}""#),
            ])
            .resource(Reply::json(r#"{"id": "{origin}/certificates/cert1", "attributes": {"enabled": true}}"#))
    }

    /// Google's long-running operations: `200` with a `name`, and `done` at the end. [`Protocol::aip_151`](crate::Protocol::aip_151).
    pub fn aip_151() -> Self {
        const NAME: &str = r#""name": "projects/p/locations/us-central1/operations/{id}""#;
        let operation = |more: &str| {
            Reply::json(format!(
                r#"{{{NAME}, "metadata": {{"@type": "type.googleapis.com/google.cloud.translation.v3.BatchTranslateMetadata", "state": "RUNNING"}}{more}}}"#
            ))
        };
        let response = r#", "done": true, "response": {"@type": "type.googleapis.com/google.cloud.translation.v3.BatchTranslateResponse", "totalCharacters": "12"}"#;
        Self::new(operation("")).polls([operation(""), operation(r#", "done": false"#), operation(response)])
    }

    /// Plain HTTP: 202 with `Location`, and 202 until it is done. [`Protocol::http_202`](crate::Protocol::http_202).
    pub fn http_202() -> Self {
        Self::new(Reply::http(202).header("location", "{origin}/operations/{id}"))
            .polls([Reply::http(202).retry_after(SECONDS(2)), Reply::json(r#"{"status": "paid", "total": 7}"#)])
    }

    /// OGC API - Processes: 201 with the `Location` of a job, whose result is at `{job}/results`.
    /// [`Protocol::ogc_processes`](crate::Protocol::ogc_processes).
    pub fn ogc_processes() -> Self {
        let job = |status: &str, progress: u8| {
            Reply::json(format!(
                r#"{{"type": "process", "processID": "hello", "jobID": "{{id}}", "status": "{status}", "progress": {progress}, "message": "Job {status}"}}"#
            ))
        };
        Self::new(job("accepted", 0).code(201).header("location", "{origin}/jobs/operations/{id}"))
            .polls([job("running", 50), job("successful", 100)])
            .resource(Reply::json(r#"{"id": "echo", "value": "Hello"}"#))
    }

    /// Redfish: a task monitor, which in the end answers as the operation would have.
    /// [`Protocol::redfish`](crate::Protocol::redfish).
    pub fn redfish() -> Self {
        let task = |state: &str, percent: u8| {
            let body = format!(
                r##"{{"@odata.id": "/redfish/v1/TaskService/Tasks/{{id}}", "@odata.type": "#Task.v1_7_4.Task", "TaskState": "{state}", "PercentComplete": {percent}}}"##
            );
            Reply::json(body).code(202)
        };
        let monitor = "/redfish/v1/TaskService/TaskMonitors/operations/{id}";
        Self::new(task("New", 0).header("location", monitor))
            .polls([task("Running", 40).retry_after(SECONDS(5)), Reply::http(204)])
    }

    /// LXD: a background operation with integer status codes. [`Protocol::lxd`](crate::Protocol::lxd).
    pub fn lxd() -> Self {
        let operation = |status: &str, code: u16| {
            format!(
                r#"{{"id": "{{id}}", "class": "task", "status": "{status}", "status_code": {code}, "may_cancel": false, "err": ""}}"#
            )
        };
        let response = |operation: String| {
            Reply::json(format!(
                r#"{{"type": "sync", "status": "Success", "status_code": 200, "metadata": {operation}}}"#
            ))
        };
        let accepted = Reply::json(format!(
            r#"{{"type": "async", "status": "Operation created", "status_code": 100, "operation": "/1.0/operations/{{id}}", "metadata": {}}}"#,
            operation("Running", 103)
        ));
        Self::new(accepted.code(202).header("location", "/1.0/operations/{id}"))
            .polls([response(operation("Running", 103)), response(operation("Success", 200))])
    }

    /// Durable Functions: an orchestration, with its output in the last status response.
    /// [`Protocol::durable_functions`](crate::Protocol::durable_functions).
    pub fn durable_functions() -> Self {
        const MONITOR: &str = "{origin}/runtime/webhooks/durabletask/instances/operations/{id}?taskHub=h&code=secret";
        let status = |word: &str, output: &str| {
            Reply::json(format!(
                r#"{{"name": "Orchestrator", "instanceId": "{{id}}", "runtimeStatus": "{word}", "customStatus": null, "output": {output}}}"#
            ))
        };
        let accepted = Reply::json(format!(r#"{{"id": "{{id}}", "statusQueryGetUri": "{MONITOR}"}}"#)).code(202);
        Self::new(accepted.header("location", MONITOR).retry_after(SECONDS(10))).polls([
            status("Running", "null").code(202).header("location", MONITOR),
            status("Completed", r#"["Hello Tokyo!"]"#),
        ])
    }

    /// The Snowflake SQL API: 202 with `statementStatusUrl` until the result. [`Protocol::snowflake_sql`](crate::Protocol::snowflake_sql).
    pub fn snowflake_sql() -> Self {
        let running = || {
            Reply::json(r#"{"code": "333334", "message": "Asynchronous execution in progress.", "statementHandle": "{id}", "statementStatusUrl": "/api/v2/statements/operations/{id}"}"#).code(202)
        };
        Self::new(running()).polls([
            running(),
            Reply::json(r#"{"code": "090001", "message": "Statement executed successfully.", "statementHandle": "{id}", "data": [["1"]]}"#),
        ])
    }

    /// Dataverse: a background operation with integer status codes. [`Protocol::dataverse`](crate::Protocol::dataverse).
    pub fn dataverse() -> Self {
        let status = |state: u8, code: u8| {
            Reply::json(format!(
                r#"{{"backgroundOperationStateCode": {state}, "backgroundOperationStatusCode": {code}}}"#
            ))
        };
        let accepted = Reply::http(202).header("location", "{origin}/api/backgroundoperation/operations/{id}");
        Self::new(accepted.header("x-ms-dyn-backgroundoperationid", "{id}")).polls([
            status(0, 0),
            status(2, 20),
            status(3, 30),
        ])
    }

    /// Meilisearch: a task, which is named in the body of the 202. [`Protocol::meilisearch`](crate::Protocol::meilisearch).
    pub fn meilisearch() -> Self {
        let task = |status: &str| {
            Reply::json(format!(
                r#"{{"uid": "{{id}}", "indexUid": "movies", "status": "{status}", "type": "documentAdditionOrUpdate", "error": null}}"#
            ))
        };
        let accepted = Reply::json(r#"{"taskUid": "{id}", "indexUid": "movies", "status": "enqueued"}"#).code(202);
        Self::new(accepted).polls([task("enqueued"), task("processing"), task("succeeded")])
    }
}
