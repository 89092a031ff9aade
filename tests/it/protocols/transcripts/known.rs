//! Known protocols against the documents of their services.

use super::*;

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
    // A synchronous response is not of this protocol.
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
