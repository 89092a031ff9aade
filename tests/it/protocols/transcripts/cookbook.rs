//! The descriptions in the cookbook's pages, against the documents of their services.

use super::*;

/// The first description of a page.
fn of_page(page: &str) -> Protocol {
    descriptions(page).next().expect("a description in TOML")
}

fn descriptions(page: &str) -> impl Iterator<Item = Protocol> {
    let blocks = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| toml::from_str(block).unwrap_or_else(|error| panic!("{error}\n{block}")))
}

#[tokio::test(start_paused = true)]
async fn glacier_and_orthanc_and_flower() {
    let glacier = of_page(include_str!("../../../../src/cookbook/glacier.md"));
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

    let orthanc = of_page(include_str!("../../../../src/cookbook/orthanc.md"));
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

    let flower = of_page(include_str!("../../../../src/cookbook/celery_flower.md"));
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
    let ironic = of_page(include_str!("../../../../src/cookbook/ironic.md"));
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
async fn replicate_has_links() {
    let replicate = of_page(include_str!("../../../../src/cookbook/replicate.md"));
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
}

#[tokio::test(start_paused = true)]
async fn adobe_has_results_elsewhere() {
    let adobe = of_page(include_str!("../../../../src/cookbook/adobe_pdf_services.md"));
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
}

#[tokio::test(start_paused = true)]
async fn databricks_has_statements_and_runs() {
    let databricks = of_page(include_str!("../../../../src/cookbook/databricks.md"));
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
}

#[tokio::test(start_paused = true)]
async fn azure_devops_has_a_link() {
    let devops = of_page(include_str!("../../../../src/cookbook/azure_devops.md"));
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
}

#[tokio::test(start_paused = true)]
async fn nova_is_its_own_monitor() {
    let openstack = of_page(include_str!("../../../../src/cookbook/openstack.md"));
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
}

#[tokio::test(start_paused = true)]
async fn camunda_moves_batches_into_history() {
    let camunda = of_page(include_str!("../../../../src/cookbook/camunda.md"));
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
}

#[tokio::test(start_paused = true)]
async fn power_platform_has_regions() {
    let platform = of_page(include_str!("../../../../src/cookbook/power_platform.md"));
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
        (
            include_str!("../../../../src/cookbook/glacier.md"),
            include_str!("../../../../examples/protocols/glacier.toml"),
        ),
        (
            include_str!("../../../../src/cookbook/orthanc.md"),
            include_str!("../../../../examples/protocols/orthanc.toml"),
        ),
        (
            include_str!("../../../../src/cookbook/celery_flower.md"),
            include_str!("../../../../examples/protocols/celery_flower.toml"),
        ),
        (
            include_str!("../../../../src/cookbook/ironic.md"),
            include_str!("../../../../examples/protocols/ironic.toml"),
        ),
    ] {
        let of_file: Protocol = toml::from_str(file).unwrap();
        assert_eq!(toml::to_string(&of_page(page)).unwrap(), toml::to_string(&of_file).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn the_annotated_description_of_a_service_of_your_own() {
    let renders = of_page(include_str!("../../../../src/cookbook/your_own.md"));
    let start = || Exchange("POST https://x.test/v1/renders", 201, &[("x-job", "/v1/jobs/7")], "");
    const JOB: &str = "GET https://x.test/v1/jobs/7";
    let drawing = Exchange(JOB, 200, &[], r#"{"job": {"phase": "Drawing", "progress": 0.3}}"#);
    let done =
        Exchange(JOB, 200, &[], r#"{"job": {"phase": "Done"}, "links": {"file": "http://files.internal:8080/7.png"}}"#);
    let picture = Exchange("GET http://files.internal:8080/7.png", 200, &[], "the picture");
    play(&renders, vec![start(), drawing, done, picture]).await.is(Succeeded, 200, "the picture");
    let broken = Exchange(JOB, 200, &[], r#"{"job": {"phase": "Broken", "reason": "no light"}}"#);
    play(&renders, vec![start(), broken]).await.is(Failed, 200, "").fails_for("no light");
    let gone = Exchange(JOB, 410, &[], r#"{"job": {"reason": "no paint"}}"#);
    play(&renders, vec![start(), gone]).await.is(Failed, 410, "").fails_for("no paint");
}
