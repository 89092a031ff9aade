//! Descriptions of services against their own documents: known protocols, and those of the cookbook's pages.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use tower::service_fn;

use super::*;

/// What has to be asked, and what is answered.
struct Exchange(&'static str, u16, &'static [(&'static str, &'static str)], &'static str);

/// What came of it: the state, the HTTP status and the body; why it failed; the request that would cancel it.
#[derive(Debug, PartialEq)]
struct Outcome {
    state: Option<OperationState>,
    status: u16,
    body: String,
    failure: Option<String>,
    cancel: Option<String>,
}

/// Answers what is asked, in this order and nothing else.
async fn play(protocol: &Protocol, exchanges: Vec<Exchange>) -> Outcome {
    let (method, uri) = exchanges[0].0.split_once(' ').unwrap();
    let start = Request::builder().method(method).uri(uri).body(String::new()).unwrap();
    let left: Arc<Mutex<VecDeque<Exchange>>> = Arc::new(Mutex::new(exchanges.into()));
    let played = left.clone();
    let service = service_fn(move |request: Request<String>| {
        let Exchange(asked, status, headers, body) =
            played.lock().unwrap().pop_front().expect("the transcript is at its end");
        assert_eq!(format!("{} {}", request.method(), request.uri()), asked);
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status.try_into().unwrap();
        if body.starts_with('{') {
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let response = exact().protocols([protocol.clone()]).layer(service).oneshot(start).await.unwrap();
    assert!(left.lock().unwrap().is_empty(), "{}: more was recorded than asked", protocol.name());
    let operation = response.operation().cloned();
    let status = response.status().as_u16();
    let cancel = operation.as_ref().and_then(Operation::cancel).map(|cancel| {
        let method = cancel.method().clone();
        format!("{method} {}", cancel.body())
    });
    Outcome {
        state: operation.as_ref().map(Operation::state),
        status,
        body: text(response).await,
        failure: operation.as_ref().and_then(Operation::error).map(ToString::to_string),
        cancel,
    }
}

impl Outcome {
    #[track_caller]
    fn is(&self, state: OperationState, status: u16, body: &str) -> &Self {
        assert_eq!((self.state, self.status), (Some(state), status), "{self:?}");
        assert!(self.body.contains(body), "{self:?}");
        self
    }

    #[track_caller]
    fn fails_for(&self, reason: &str) {
        assert_eq!(self.failure.as_deref(), Some(reason));
    }
}

/// The first description of a page.
fn of_page(page: &str) -> Protocol {
    descriptions(page).next().expect("a description in TOML")
}

fn descriptions(page: &str) -> impl Iterator<Item = Protocol> {
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| toml::from_str(block).unwrap_or_else(|error| panic!("{error}\n{block}")))
}

use OperationState::{Canceled, Failed, Succeeded};

#[tokio::test(start_paused = true)]
async fn redfish_monitors_answer_as_the_operation_and_tasks_by_their_state() {
    const START: &str = "POST https://bmc.test/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate";
    const MONITOR: &str = "GET https://bmc.test/redfish/v1/TaskService/TaskMonitors/7";
    const AT: &[(&str, &str)] = &[("location", "/redfish/v1/TaskService/TaskMonitors/7")];
    let accepted =
        || Exchange(START, 202, AT, r#"{"@odata.id": "/redfish/v1/TaskService/Tasks/7", "TaskState": "New"}"#);
    let error = r#"{"error": {"code": "Base.1.8.PropertyValueNotInList", "message": "The value is not in the list."}}"#;
    let redfish = &Protocol::redfish();
    for (last, state) in [
        (Exchange(MONITOR, 204, &[], ""), Succeeded),
        (Exchange(MONITOR, 201, &[], "{}"), Succeeded),
        (Exchange(MONITOR, 400, &[], error), Failed),
    ] {
        let status = last.1;
        let running = Exchange(MONITOR, 202, AT, r#"{"TaskState": "Running", "PercentComplete": 40}"#);
        let outcome = play(redfish, vec![accepted(), running, last]).await;
        outcome.is(state, status, "");
        assert_eq!(outcome.cancel.as_deref(), Some("DELETE "));
    }
    // Some name the task.
    for (task, state) in
        [("Completed", Succeeded), ("Exception", Failed), ("Killed", Canceled), ("Cancelled", Canceled)]
    {
        let body: &'static str = format!(
            r#"{{"TaskState": "{task}", "TaskStatus": "OK", "Messages": [{{"MessageId": "x", "Message": "Why."}}]}}"#
        )
        .leak();
        let running = Exchange(MONITOR, 200, &[], r#"{"TaskState": "Service", "TaskStatus": "OK"}"#);
        let outcome = play(redfish, vec![accepted(), running, Exchange(MONITOR, 200, &[], body)]).await;
        outcome.is(state, 200, task);
        if state == Failed {
            outcome.fails_for("Why.");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lxd_counts_by_its_codes_and_says_why() {
    let accepted = || {
        let body = r#"{"type": "async", "status": "Operation created", "status_code": 100, "operation": "/1.0/operations/a40f", "metadata": {"status_code": 103}}"#;
        Exchange("POST https://lxd.test/1.0/instances", 202, &[], body)
    };
    for (code, err, state) in [(200, "", Succeeded), (400, "Not enough space", Failed), (401, "", Canceled)] {
        let operation = |code: u16, err: &str| -> &'static str {
            format!(r#"{{"type": "sync", "status": "Success", "status_code": 200, "metadata": {{"id": "a40f", "status_code": {code}, "may_cancel": true, "err": "{err}"}}}}"#).leak()
        };
        const MONITOR: &str = "GET https://lxd.test/1.0/operations/a40f";
        let polls =
            [Exchange(MONITOR, 200, &[], operation(103, "")), Exchange(MONITOR, 200, &[], operation(code, err))];
        let outcome = play(&Protocol::lxd(), [accepted()].into_iter().chain(polls).collect()).await;
        outcome.is(state, 200, &format!(r#""status_code": {code}"#));
        if state == Failed {
            outcome.fails_for("Not enough space");
        }
    }
    // A synchronous response is none of its.
    let sync =
        Exchange("GET https://lxd.test/1.0", 200, &[], r#"{"type": "sync", "operation": "", "status_code": 200}"#);
    assert_eq!(play(&Protocol::lxd(), vec![sync]).await.state, None);
}

#[tokio::test(start_paused = true)]
async fn durable_functions_end_with_their_output_or_an_error() {
    const MONITOR: &str =
        "GET https://app.test/runtime/webhooks/durabletask/instances/b79b?taskHub=h&connection=s&code=k";
    let accepted = |status| {
        let body = r#"{"id": "b79b", "statusQueryGetUri": "https://app.test/runtime/webhooks/durabletask/instances/b79b?taskHub=h&connection=s&code=k", "terminatePostUri": "x"}"#;
        Exchange("POST https://app.test/api/start", status, &[], body)
    };
    let running =
        || Exchange(MONITOR, 202, &[], r#"{"instanceId": "b79b", "runtimeStatus": "Running", "output": null}"#);
    for (start, last, state) in [
        (202, Exchange(MONITOR, 200, &[], r#"{"runtimeStatus": "Completed", "output": ["Hello"]}"#), Succeeded),
        (201, Exchange(MONITOR, 200, &[], r#"{"runtimeStatus": "Failed", "output": "It broke."}"#), Failed),
        (202, Exchange(MONITOR, 500, &[], r#"{"runtimeStatus": "Failed", "output": "It broke."}"#), Failed),
        (202, Exchange(MONITOR, 410, &[], ""), Failed),
        (202, Exchange(MONITOR, 200, &[], r#"{"runtimeStatus": "Terminated", "output": "By hand."}"#), Canceled),
    ] {
        let (status, has_output) = (last.1, !last.3.is_empty());
        let outcome = play(&Protocol::durable_functions(), vec![accepted(start), running(), last]).await;
        outcome.is(state, status, "");
        if state == Failed && has_output {
            outcome.fails_for("It broke.");
        }
    }
    let suspended = Exchange(MONITOR, 202, &[], r#"{"runtimeStatus": "Suspended"}"#);
    let done = Exchange(MONITOR, 200, &[], r#"{"runtimeStatus": "Completed", "output": null}"#);
    play(&Protocol::durable_functions(), vec![accepted(202), suspended, done]).await.is(Succeeded, 200, "Completed");
}

#[tokio::test(start_paused = true)]
async fn snowflake_answers_202_until_the_result() {
    const MONITOR: &str = "GET https://x.test/api/v2/statements/e4ce";
    let running = |asked| {
        let body = r#"{"code": "333334", "message": "Asynchronous execution in progress.", "statementHandle": "e4ce", "statementStatusUrl": "/api/v2/statements/e4ce"}"#;
        Exchange(asked, 202, &[], body)
    };
    let failed =
        r#"{"code": "002140", "sqlState": "42601", "message": "SQL compilation error", "statementHandle": "e4ce"}"#;
    for (last, state) in [
        (
            Exchange(
                MONITOR,
                200,
                &[],
                r#"{"code": "090001", "statementHandle": "e4ce", "data": [["1"]], "statementStatusUrl": "/x"}"#,
            ),
            Succeeded,
        ),
        (Exchange(MONITOR, 422, &[], failed), Failed),
        (Exchange(MONITOR, 408, &[], failed), Failed),
    ] {
        let status = last.1;
        let exchanges = vec![running("POST https://x.test/api/v2/statements?async=true"), running(MONITOR), last];
        let outcome = play(&Protocol::snowflake_sql(), exchanges).await;
        outcome.is(state, status, "");
        assert_eq!(outcome.cancel.as_deref(), Some("POST "));
        if state == Failed {
            outcome.fails_for("SQL compilation error");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dataverse_counts_by_its_codes() {
    const MONITOR: &str = "GET https://x.test/api/backgroundoperation/2387";
    const AT: &[(&str, &str)] =
        &[("location", "https://x.test/api/backgroundoperation/2387"), ("x-ms-dyn-backgroundoperationid", "2387")];
    for (last, state) in [
        (
            r#"{"backgroundOperationStateCode": 3, "backgroundOperationStatusCode": 30, "AnnotationId": "a1"}"#,
            Succeeded,
        ),
        (
            r#"{"backgroundOperationStateCode": 3, "backgroundOperationStatusCode": 31, "backgroundOperationErrorMessage": "No such row."}"#,
            Failed,
        ),
        (r#"{"backgroundOperationStateCode": 3, "backgroundOperationStatusCode": 32}"#, Canceled),
    ] {
        let running =
            Exchange(MONITOR, 200, &[], r#"{"backgroundOperationStateCode": 2, "backgroundOperationStatusCode": 20}"#);
        let start = Exchange("POST https://x.test/api/data/v9.2/sample_Export", 202, AT, "");
        let outcome = play(&Protocol::dataverse(), vec![start, running, Exchange(MONITOR, 200, &[], last)]).await;
        outcome.is(state, 200, last);
        if state == Failed {
            outcome.fails_for("No such row.");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn meilisearch_has_integers_for_names() {
    const MONITOR: &str = "GET https://x.test/tasks/0";
    let accepted = || {
        Exchange(
            "POST https://x.test/indexes/movies/documents",
            202,
            &[],
            r#"{"taskUid": 0, "indexUid": "movies", "status": "enqueued", "type": "documentAdditionOrUpdate"}"#,
        )
    };
    let error = r#"{"uid": 0, "status": "failed", "error": {"message": "The document has no id.", "code": "missing_document_id", "type": "invalid_request"}}"#;
    for (last, state) in [
        (r#"{"uid": 0, "status": "succeeded", "error": null}"#, Succeeded),
        (error, Failed),
        (r#"{"uid": 0, "status": "canceled", "canceledBy": 7}"#, Canceled),
    ] {
        let running = |status| Exchange(MONITOR, 200, &[], status);
        let exchanges = vec![
            accepted(),
            running(r#"{"uid": 0, "status": "enqueued"}"#),
            running(r#"{"uid": 0, "status": "processing"}"#),
            running(last),
        ];
        let outcome = play(&Protocol::meilisearch(), exchanges).await;
        outcome.is(state, 200, last);
        assert_eq!(outcome.cancel.as_deref(), Some("POST "));
        if state == Failed {
            outcome.fails_for("[missing_document_id] The document has no id.");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ogc_processes_end_with_the_result_or_the_status_document() {
    const JOB: &str = "GET https://x.test/jobs/81574318";
    const AT: &[(&str, &str)] = &[("location", "https://x.test/jobs/81574318")];
    // pygeoapi answers `null`, others the status document.
    for body in ["null", r#"{"jobID": "81574318", "status": "accepted", "type": "process"}"#] {
        let start = || Exchange("POST https://x.test/processes/hello-world/execution", 201, AT, body);
        let running = || Exchange(JOB, 200, &[], r#"{"jobID": "81574318", "status": "running", "progress": 5}"#);
        let done = Exchange(
            JOB,
            200,
            &[],
            r#"{"jobID": "81574318", "status": "successful", "progress": 100, "message": "Job complete"}"#,
        );
        let result =
            Exchange("GET https://x.test/jobs/81574318/results", 200, &[], r#"{"id": "echo", "value": "Hello"}"#);
        let outcome = play(&Protocol::ogc_processes(), vec![start(), running(), done, result]).await;
        outcome.is(Succeeded, 200, "Hello");
        assert_eq!(outcome.cancel.as_deref(), Some("DELETE "));
        let failed = Exchange(
            JOB,
            200,
            &[],
            r#"{"jobID": "81574318", "status": "failed", "message": "Cannot process without a name"}"#,
        );
        let outcome = play(&Protocol::ogc_processes(), vec![start(), failed]).await;
        outcome.is(Failed, 200, "failed").fails_for("Cannot process without a name");
        let dismissed = Exchange(JOB, 200, &[], r#"{"jobID": "81574318", "status": "dismissed"}"#);
        play(&Protocol::ogc_processes(), vec![start(), running(), dismissed]).await.is(Canceled, 200, "dismissed");
    }
    let synchronous = Exchange("POST https://x.test/processes/hello-world/execution", 200, &[], r#"{"id": "echo"}"#);
    assert_eq!(play(&Protocol::ogc_processes(), vec![synchronous]).await.state, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_http() {
    const AT: &[(&str, &str)] = &[("location", "/queue/1")];
    const MONITOR: &str = "GET https://x.test/queue/1";
    for (status, body, state) in [
        (200, r#"{"status": "failed payments"}"#, Succeeded),
        (204, "", Succeeded),
        (410, "", Failed),
        (404, "", Failed),
    ] {
        let exchanges = vec![
            Exchange("POST https://x.test/reports", 202, AT, ""),
            Exchange(MONITOR, 202, &[], r#"{"status": "done"}"#),
            Exchange(MONITOR, status, &[], body),
        ];
        play(&Protocol::http_202(), exchanges).await.is(state, status, body);
    }
}

#[tokio::test(start_paused = true)]
async fn glacier_and_orthanc_and_flower() {
    let glacier = of_page(include_str!("../../../src/cookbook/glacier.md"));
    const JOB: &str = "GET https://x.test/1234/vaults/v/jobs/HkF9";
    let start = || {
        Exchange(
            "POST https://x.test/1234/vaults/v/jobs",
            202,
            &[("x-amz-job-id", "HkF9"), ("location", "/1234/vaults/v/jobs/HkF9")],
            "",
        )
    };
    let running = Exchange(JOB, 200, &[], r#"{"JobId": "HkF9", "Completed": false, "StatusCode": "InProgress"}"#);
    let done = Exchange(JOB, 200, &[], r#"{"JobId": "HkF9", "Completed": true, "StatusCode": "Succeeded"}"#);
    let output = Exchange("GET https://x.test/1234/vaults/v/jobs/HkF9/output", 200, &[], r#"{"ArchiveList": []}"#);
    play(&glacier, vec![start(), running, done, output]).await.is(Succeeded, 200, "ArchiveList");
    let failed =
        Exchange(JOB, 200, &[], r#"{"Completed": true, "StatusCode": "Failed", "StatusMessage": "No such archive"}"#);
    play(&glacier, vec![start(), failed]).await.is(Failed, 200, "").fails_for("No such archive");

    let orthanc = of_page(include_str!("../../../src/cookbook/orthanc.md"));
    let start =
        || Exchange("POST https://x.test/studies/5d7f/archive", 200, &[], r#"{"ID": "3f4e", "Path": "/jobs/3f4e"}"#);
    const ORTHANC: &str = "GET https://x.test/jobs/3f4e";
    let running = Exchange(
        ORTHANC,
        200,
        &[],
        r#"{"ID": "3f4e", "Progress": 25, "State": "Running", "ErrorDescription": "Success"}"#,
    );
    let done = Exchange(
        ORTHANC,
        200,
        &[],
        r#"{"ID": "3f4e", "Progress": 100, "State": "Success", "ErrorDescription": "Success"}"#,
    );
    let archive = Exchange("GET https://x.test/jobs/3f4e/archive", 200, &[], "PK");
    play(&orthanc, vec![start(), running, done, archive]).await.is(Succeeded, 200, "PK");
    let failed = Exchange(
        ORTHANC,
        200,
        &[],
        r#"{"State": "Failure", "ErrorDetails": "", "ErrorDescription": "Unknown resource"}"#,
    );
    play(&orthanc, vec![start(), failed]).await.is(Failed, 200, "").fails_for("Unknown resource");
    let instance = Exchange(
        "POST https://x.test/instances",
        200,
        &[],
        r#"{"ID": "cdd8", "Path": "/instances/cdd8", "Status": "Success"}"#,
    );
    assert_eq!(play(&orthanc, vec![instance]).await.state, None);

    let flower = of_page(include_str!("../../../src/cookbook/celery_flower.md"));
    let start = Exchange(
        "POST https://x.test/api/task/async-apply/tasks.add",
        200,
        &[],
        r#"{"task-id": "6b37", "state": "PENDING"}"#,
    );
    const TASK: &str = "GET https://x.test/api/task/result/6b37";
    let pending = Exchange(TASK, 200, &[], r#"{"task-id": "6b37", "state": "PENDING"}"#);
    let done = Exchange(TASK, 200, &[], r#"{"task-id": "6b37", "state": "SUCCESS", "result": 42}"#);
    play(&flower, vec![start, pending, done]).await.is(Succeeded, 200, "42");
}

#[tokio::test(start_paused = true)]
async fn ironic_is_done_when_it_has_no_target() {
    let ironic = of_page(include_str!("../../../src/cookbook/ironic.md"));
    const STATES: &str = "GET https://x.test/v1/nodes/node/states";
    let start = || Exchange("PUT https://x.test/v1/nodes/node/states/provision", 202, &[], "");
    let states = |body| Exchange(STATES, 200, &[], body);
    let deploying = || {
        states(
            r#"{"last_error": null, "provision_state": "deploying", "target_provision_state": "active", "target_power_state": null}"#,
        )
    };
    let active = states(
        r#"{"last_error": null, "provision_state": "active", "target_provision_state": null, "target_power_state": null}"#,
    );
    play(&ironic, vec![start(), deploying(), active]).await.is(Succeeded, 200, "active");
    let failed = states(
        r#"{"last_error": "No valid host", "provision_state": "deploy failed", "target_provision_state": "active"}"#,
    );
    play(&ironic, vec![start(), deploying(), failed]).await.is(Failed, 200, "").fails_for("No valid host");
}

#[tokio::test(start_paused = true)]
async fn clouds_of_the_cookbook() {
    let replicate = of_page(include_str!("../../../src/cookbook/replicate.md"));
    let start = |status| -> Exchange {
        let body = format!(
            r#"{{"id": "gm3q", "status": "{status}", "urls": {{"get": "https://x.test/v1/predictions/gm3q", "cancel": "https://x.test/v1/predictions/gm3q/cancel"}}}}"#
        );
        Exchange("POST https://x.test/v1/predictions", 201, &[], body.leak())
    };
    let done = Exchange(
        "GET https://x.test/v1/predictions/gm3q",
        200,
        &[],
        r#"{"id": "gm3q", "status": "succeeded", "output": "hi"}"#,
    );
    let outcome = play(&replicate, vec![start("starting"), done]).await;
    outcome.is(Succeeded, 200, "hi");
    assert_eq!(outcome.cancel.as_deref(), Some("POST "));
    assert_eq!(play(&replicate, vec![start("succeeded")]).await.state, None, "it was waited for");

    let adobe = of_page(include_str!("../../../src/cookbook/adobe_pdf_services.md"));
    let start = Exchange(
        "POST https://pdf-services.adobe.io/operation/createpdf",
        201,
        &[("location", "https://pdf-services-ue1.adobe.io/operation/createpdf/7/status")],
        "",
    );
    const ADOBE: &str = "GET https://pdf-services-ue1.adobe.io/operation/createpdf/7/status";
    let running = Exchange(ADOBE, 200, &[], r#"{"status": "in progress"}"#);
    let done = Exchange(
        ADOBE,
        200,
        &[],
        r#"{"status": "done", "asset": {"downloadUri": "https://dcplatformstorageservice-prod-us-east-1.s3-accelerate.amazonaws.com/7?X-Amz-Signature=x"}}"#,
    );
    let pdf = Exchange(
        "GET https://dcplatformstorageservice-prod-us-east-1.s3-accelerate.amazonaws.com/7?X-Amz-Signature=x",
        200,
        &[],
        "%PDF",
    );
    play(&adobe, vec![start, running, done, pdf]).await.is(Succeeded, 200, "%PDF");

    let databricks = of_page(include_str!("../../../src/cookbook/databricks.md"));
    let start = |state| -> Exchange {
        Exchange(
            "POST https://x.test/api/2.0/sql/statements/",
            200,
            &[],
            format!(r#"{{"statement_id": "01ed", "status": {{"state": "{state}"}}}}"#).leak(),
        )
    };
    let failed = Exchange(
        "GET https://x.test/api/2.0/sql/statements/01ed",
        200,
        &[],
        r#"{"statement_id": "01ed", "status": {"state": "FAILED", "error": {"error_code": "BAD_REQUEST", "message": "No table."}}}"#,
    );
    play(&databricks, vec![start("PENDING"), failed]).await.is(Failed, 200, "").fails_for("No table.");
    assert_eq!(play(&databricks, vec![start("SUCCEEDED")]).await.state, None);
    let start = Exchange(
        "POST https://x.test/api/2.1/jobs/run-now",
        200,
        &[],
        r#"{"run_id": 455644833, "number_in_job": 455644833}"#,
    );
    const RUN: &str = "GET https://x.test/api/2.1/jobs/runs/get?run_id=455644833";
    let running =
        Exchange(RUN, 200, &[], r#"{"job_id": 1, "state": {"life_cycle_state": "RUNNING", "state_message": ""}}"#);
    let done = Exchange(
        RUN,
        200,
        &[],
        r#"{"job_id": 1, "state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}}"#,
    );
    play(&databricks, vec![start, running, done]).await.is(Succeeded, 200, "SUCCESS");

    let devops = of_page(include_str!("../../../src/cookbook/azure_devops.md"));
    let start = Exchange(
        "POST https://dev.azure.com/fabrikam/_apis/projects?api-version=7.1",
        202,
        &[],
        r#"{"id": "066488b8", "status": "notSet", "url": "https://dev.azure.com/fabrikam/_apis/operations/066488b8"}"#,
    );
    const OPERATION: &str = "GET https://dev.azure.com/fabrikam/_apis/operations/066488b8?api-version=7.1";
    let running = Exchange(OPERATION, 200, &[], r#"{"id": "066488b8", "status": "inProgress"}"#);
    let done = Exchange(OPERATION, 200, &[], r#"{"id": "066488b8", "status": "succeeded"}"#);
    play(&devops, vec![start, running, done]).await.is(Succeeded, 200, "succeeded");

    let openstack = of_page(include_str!("../../../src/cookbook/openstack.md"));
    let start = || {
        Exchange(
            "POST https://x.test/v2.1/servers",
            202,
            &[("location", "https://x.test/v2.1/servers/9168")],
            r#"{"server": {"id": "9168"}}"#,
        )
    };
    const SERVER: &str = "GET https://x.test/v2.1/servers/9168";
    let building = Exchange(SERVER, 200, &[], r#"{"server": {"status": "BUILD", "progress": 0}}"#);
    let active = Exchange(SERVER, 200, &[], r#"{"server": {"status": "ACTIVE", "progress": 100}}"#);
    play(&openstack, vec![start(), building, active]).await.is(Succeeded, 200, "ACTIVE");
    let failed = Exchange(
        SERVER,
        200,
        &[],
        r#"{"server": {"status": "ERROR", "fault": {"code": 500, "message": "No valid host was found."}}}"#,
    );
    play(&openstack, vec![start(), failed]).await.is(Failed, 200, "").fails_for("[500] No valid host was found.");

    let camunda = of_page(include_str!("../../../src/cookbook/camunda.md"));
    let start = Exchange(
        "POST https://x.test/engine-rest/process-instance/delete",
        200,
        &[],
        r#"{"id": "batch1", "type": "instance-deletion", "totalJobs": 10}"#,
    );
    const BATCH: &str = "GET https://x.test/engine-rest/history/batch/batch1";
    let running = Exchange(BATCH, 200, &[], r#"{"id": "batch1", "type": "instance-deletion", "endTime": null}"#);
    let done = Exchange(
        BATCH,
        200,
        &[],
        r#"{"id": "batch1", "type": "instance-deletion", "endTime": "2026-01-01T00:00:00.000+0000"}"#,
    );
    play(&camunda, vec![start, running, done]).await.is(Succeeded, 200, "batch1");
    let instance = Exchange(
        "POST https://x.test/engine-rest/process-definition/key/invoice/start",
        200,
        &[],
        r#"{"id": "anInstance", "ended": false}"#,
    );
    assert_eq!(play(&camunda, vec![instance]).await.state, None);

    let platform = of_page(include_str!("../../../src/cookbook/power_platform.md"));
    const AT: &[(&str, &str)] =
        &[("location", "https://europe.api.bap.microsoft.com/operations/1?api-version=2021-04-01")];
    const LIFECYCLE: &str = "GET https://europe.api.bap.microsoft.com/operations/1?api-version=2021-04-01";
    let start = |method| Exchange(method, 202, AT, "");
    let running = Exchange(LIFECYCLE, 200, &[], r#"{"id": "1", "state": {"id": "Running"}}"#);
    let busy = Exchange(LIFECYCLE, 409, &[], "");
    let done = Exchange(LIFECYCLE, 200, &[], r#"{"id": "1", "state": {"id": "Succeeded"}}"#);
    play(
        &platform,
        vec![start("POST https://api.bap.microsoft.com/environments?api-version=2021-04-01"), running, busy, done],
    )
    .await
    .is(Succeeded, 200, "Succeeded");
    let running = Exchange(LIFECYCLE, 200, &[], r#"{"id": "1", "state": {"id": "Running"}}"#);
    let gone = Exchange(LIFECYCLE, 404, &[], "");
    play(
        &platform,
        vec![start("DELETE https://api.bap.microsoft.com/environments/e?api-version=2021-04-01"), running, gone],
    )
    .await
    .is(Succeeded, 404, "");
}

/// A description that is in a page and in the examples is the same in both.
#[test]
fn pages_and_example_files_agree() {
    for (page, file) in [
        (include_str!("../../../src/cookbook/glacier.md"), include_str!("../../../examples/protocols/glacier.toml")),
        (include_str!("../../../src/cookbook/orthanc.md"), include_str!("../../../examples/protocols/orthanc.toml")),
        (
            include_str!("../../../src/cookbook/celery_flower.md"),
            include_str!("../../../examples/protocols/celery_flower.toml"),
        ),
    ] {
        let of_file: Protocol = toml::from_str(file).unwrap();
        assert_eq!(toml::to_string(&of_page(page)).unwrap(), toml::to_string(&of_file).unwrap());
    }
}
