//! The seeds of the target that reads tapes: other protocols than the default one.

use std::time::Duration;

use tower_lro_fuzz::machine::{
    COMES_LATE,
    reply::Pause,
    settings::{PROTOCOLS, STARTS},
};

use crate::{
    machine::{RUNNING, SUCCEEDED},
    tape::{Seed, filler, in_chunks, named, reply, seed, speaking, text, whole},
};

pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let located = reply(202, &[("location", "/operations/1")], "");
    let (running, succeeded) = (reply(200, &[], RUNNING), reply(200, &[], SUCCEEDED));
    let moved = |status: u16, to: &str| reply(status, &[("location", to)], "");
    let all_protocols = Seed { protocols: PROTOCOLS.to_vec(), ..seed() };
    let put = |protocol| Seed { method: "PUT", ..speaking(protocol) };
    let creating = r#"{"properties":{"provisioningState":"Creating"}}"#;
    let created = r#"{"properties":{"provisioningState":"Succeeded"}}"#;
    let seeds = [
        (
            "location",
            speaking("location").start(&located).poll(&reply(202, &[("location", "/operations/2")], "")).poll(&reply(
                200,
                &[],
                "done",
            )),
        ),
        (
            "location_and_operation_location",
            speaking("location")
                .start(&reply(202, &[("location", "/r"), ("operation-location", "/o")], ""))
                .poll(&succeeded),
        ),
        ("location_refused", speaking("location").start(&located).poll(&reply(410, &[], "gone"))),
        (
            "azure_core",
            put("azure-core").start(&reply(201, &[("operation-location", "/o")], "{}")).poll(&succeeded).poll(&reply(
                200,
                &[],
                "{\"id\":1}",
            )),
        ),
        (
            "arm_asynchronous",
            put("azure-resource-manager")
                .start(&reply(201, &[("azure-asyncoperation", "/o")], creating))
                .poll(&running)
                .poll(&succeeded)
                .poll(&reply(200, &[], created)),
        ),
        (
            "arm_location",
            speaking("azure-resource-manager").start(&located).poll(&reply(202, &[], "")).poll(&reply(
                200,
                &[],
                created,
            )),
        ),
        (
            "arm_resource",
            put("azure-resource-manager")
                .start(&reply(201, &[], creating))
                .poll(&reply(200, &[], creating))
                .poll(&reply(200, &[], created)),
        ),
        (
            "arm_looked_into_late",
            Seed { moves: vec![COMES_LATE + 4], ..put("azure-resource-manager") }.start(
                &whole(201, &[("azure-asyncoperation", "/o")], &[text(creating)], in_chunks(7))
                    .pausing(1, Pause::For(Duration::from_secs(4))),
            ),
        ),
        (
            "aip_151_looked_into_late",
            Seed { moves: vec![COMES_LATE + 4], ..speaking("aip-151") }.start(
                &whole(200, &[], &[text(r#"{"name":"operations/1"}"#)], in_chunks(7))
                    .pausing(1, Pause::For(Duration::from_secs(4))),
            ),
        ),
        ("arm_finished", put("azure-resource-manager").start(&reply(200, &[("azure-asyncoperation", "/o")], created))),
        (
            "fabric",
            Seed { start: STARTS[2], ..speaking("fabric") }
                .start(&reply(202, &[("location", "https://wabi-north.analysis.windows.net/v1/operations/1")], ""))
                .poll(&reply(
                    200,
                    &[("location", "https://wabi-north.analysis.windows.net/v1/operations/1/result")],
                    SUCCEEDED,
                ))
                .poll(&reply(200, &[], "{}")),
        ),
        (
            "graph",
            speaking("graph")
                .start(&reply(202, &[("location", "https://other.example/monitor")], ""))
                .poll(&reply(202, &[], r#"{"status":"inProgress"}"#))
                .poll(&reply(303, &[], "")),
        ),
        (
            "graph_see_other",
            speaking("graph")
                .start(&reply(202, &[("location", "https://other.example/monitor")], ""))
                .poll(&moved(303, "https://api.trusted.example/x"))
                .poll(&reply(200, &[], "{}")),
        ),
        (
            "odata",
            speaking("odata").start(&located).poll(&reply(202, &[], "")).poll(&reply(
                200,
                &[("asyncresult", "404")],
                "no",
            )),
        ),
        (
            "odata_message",
            speaking("odata").start(&located).poll(&whole(
                200,
                &[("content-type", "application/http")],
                &[
                    text("HTTP/1.1 201 Created\r\nLocation: /r\r\nX: "),
                    filler(500),
                    text("\r\n\r\n"),
                    text("{\"id\":\"7\"}"),
                ],
                in_chunks(7),
            )),
        ),
        (
            "odata_message_without_end",
            speaking("odata").start(&located).poll(&whole(
                200,
                &[("content-type", "application/http")],
                &[text("HTTP/1.1 200 OK\r\nX: "), filler(65_536)],
                in_chunks(1000),
            )),
        ),
        (
            "fhir",
            speaking("fhir")
                .start(&reply(202, &[("content-location", "/job")], ""))
                .poll(&reply(202, &[("x-progress", "50% done"), ("retry-after", "30")], ""))
                .poll(&reply(200, &[], "{}")),
        ),
        (
            "fhir_refused",
            speaking("fhir").start(&reply(202, &[("content-location", "/job")], "")).poll(&reply(
                500,
                &[],
                r#"{"resourceType":"OperationOutcome"}"#,
            )),
        ),
        (
            "async_request_reply",
            speaking("async-request-reply")
                .start(&located)
                .poll(&reply(200, &[], "{}"))
                .poll(&moved(302, "/r"))
                .poll(&reply(200, &[], "{}")),
        ),
        (
            "async_request_reply_found",
            speaking("async-request-reply").start(&located).poll(&moved(302, "/r")).poll(&reply(200, &[], "{}")),
        ),
        (
            "key_vault",
            speaking("key-vault")
                .start(&located)
                .poll(&reply(200, &[], r#"{"status":"inProgress"}"#))
                .poll(&reply(200, &[], r#"{"status":"completed","target":"/secrets/1"}"#))
                .poll(&reply(200, &[], "{}")),
        ),
        (
            "aip_151",
            speaking("aip-151")
                .start(&reply(200, &[], r#"{"name":"operations/1"}"#))
                .poll(&reply(200, &[], r#"{"name":"operations/1","done":false}"#))
                .poll(&reply(200, &[], r#"{"name":"operations/1","done":true,"response":{}}"#)),
        ),
        (
            "aip_151_finished",
            speaking("aip-151").start(&reply(200, &[], r#"{"name":"operations/1","done":true,"error":{"code":3}}"#)),
        ),
        ("all_protocols", all_protocols.start(&located).poll(&running).poll(&succeeded)),
    ];
    named(seeds)
}
