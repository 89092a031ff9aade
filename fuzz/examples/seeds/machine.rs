//! The seeds of the target that reads tapes.

use std::time::Duration;

use tower_lro::FinalResponse;
use tower_lro_fuzz::machine::{
    COMES_LATE, DROPS, MOVES_TASK, POLLS_UNASKED,
    reply::{BREAKS, HAS_EMPTY_FRAMES, HAS_TRAILERS, IS_OPEN, Pause},
    settings::{ERROR_ON_FAILURE, PER_REQUEST, RESUMES, RESUMES_LATER, STARTS},
};

use crate::tape::{Seed, filler, in_chunks, lost, named, reply, seed, text, whole};

const V1: &str = r#"{"operationId":"c587574e-add9-4ef7-9788-1635bed9a87e","created":"3/11/2020 8:45:13 PM +00:00","status":"Succeeded","resourceLocation":"https://us.atlas.microsoft.com/conversions/c587574e?api-version=1.0"}"#;
const V2: &str = r#"{"operationId":"c587574e","createdDateTime":"2021-05-06T07:55:19.5256829+00:00","status":"Failed","error":{"code":"InvalidFeature","message":"The provided feature is invalid.","details":{"code":"NoGeometry","message":"No geometry was provided."}}}"#;
pub const RUNNING: &str = r#"{"status":"Running"}"#;
pub const SUCCEEDED: &str = r#"{"status":"Succeeded"}"#;
const FAILED: &str = r#"{"status":"Failed","error":{"code":"C","message":"m"}}"#;

/// Tapes of what a service may do under the default protocol.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let secs = Duration::from_secs;
    let accepted = reply(202, &[("operation-location", "/operations/1")], "");
    let (running, succeeded, failed) = (reply(200, &[], RUNNING), reply(200, &[], SUCCEEDED), reply(200, &[], FAILED));
    let moved = |status: u16, to: &str| reply(status, &[("location", to)], "");
    let begun = || seed().start(&accepted);
    let atlas = Seed { start: STARTS[1], ..seed() };
    let small = Seed { max_status_bytes: 64, ..seed() };
    let with_timeout = Seed { timeout: Some(secs(30)), ..seed() };
    let thrown = Seed { flags: ERROR_ON_FAILURE, ..seed() };
    let no_failures = Seed { max_consecutive_failures: 0, ..seed() };
    let resuming = Seed { flags: RESUMES, method: "GET", ..seed() };
    let result = r#"{"status":"Succeeded","resourceLocation":"/resource/1"}"#;

    let seeds = [
        ("passes_through", seed().start(&reply(200, &[("location", "/a")], "{}"))),
        (
            "passes_through_in_pieces",
            seed().start(&whole(404, &[], &[text(V1)], in_chunks(7) | HAS_TRAILERS | IS_OPEN)),
        ),
        ("start_lost", seed().start(&lost())),
        ("start_never_answered", seed().start(&accepted.clone().after(Pause::Forever))),
        ("azure_maps_v1", atlas.clone().start(&accepted).poll(&running).poll(&reply(200, &[], V1))),
        ("azure_maps_v2", atlas.clone().start(&accepted).poll(&reply(200, &[], V2))),
        (
            "azure_maps_geography",
            atlas
                .start(&reply(202, &[("operation-location", "https://eu.atlas.microsoft.com/o/1?api-version=2.0")], ""))
                .poll(&succeeded),
        ),
        (
            "hints",
            seed()
                .start(&reply(202, &[("operation-location", "/o"), ("retry-after", "5")], ""))
                .poll(&reply(200, &[("retry-after-ms", "2500")], RUNNING))
                .poll(&reply(
                    200,
                    &[("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT"), ("date", "Fri, 31 Dec 2100 23:59:30 GMT")],
                    RUNNING,
                ))
                .poll(&reply(200, &[("retry-after", "18446744073709551615")], RUNNING))
                .poll(&reply(200, &[("retry-after", "5")], SUCCEEDED)),
        ),
        (
            "hints_without_bounds",
            Seed { max_delay: Duration::MAX, min_delay: secs(20), ..seed() }
                .start(&reply(202, &[("operation-location", "/o"), ("retry-after", "1")], ""))
                .poll(&reply(200, &[("retry-after", "18446744073709551615")], RUNNING))
                .poll(&succeeded),
        ),
        ("untrusted", seed().start(&reply(202, &[("operation-location", "https://evil.test/")], ""))),
        ("internal", seed().start(&reply(202, &[("operation-location", "http://169.254.169.254:8080/")], ""))),
        (
            "allowed",
            Seed { allowed: vec!["https://other.example"], ..seed() }
                .start(&reply(202, &[("operation-location", "https://other.example/o")], ""))
                .poll(&running)
                .poll(&succeeded),
        ),
        (
            "trusted",
            Seed { trusted: vec!["https://*.trusted.example"], ..seed() }
                .start(&reply(202, &[("operation-location", "https://api.trusted.example/o")], ""))
                .poll(&succeeded),
        ),
        (
            "echoed_key",
            begun()
                .poll(&reply(
                    200,
                    &[("operation-location", "/operations/3?subscription-key=squeamish-ossifrage&a=b")],
                    RUNNING,
                ))
                .poll(&reply(
                    200,
                    &[("resource-location", "/operations/3?subscription-key=squeamish-ossifrage&a=b")],
                    SUCCEEDED,
                )),
        ),
        (
            "moved_by_status",
            begun().poll(&reply(200, &[("operation-location", "/operations/2")], RUNNING)).poll(&succeeded),
        ),
        ("moved_away", begun().poll(&reply(200, &[("operation-location", "https://evil.test/")], RUNNING))),
        ("redirected", begun().poll(&moved(302, "/operations/2")).poll(&moved(308, "../3")).poll(&succeeded)),
        ("redirected_in_circles", (0..12).fold(begun(), |seed, _| seed.poll(&moved(307, "/operations/1")))),
        ("redirected_nowhere", begun().poll(&reply(301, &[], ""))),
        (
            "redirected_with_a_hint_and_a_body_that_stalls",
            begun()
                .poll(&whole(302, &[("location", "/operations/2")], &[text("moved")], 0).pausing(0, Pause::Forever))
                .poll(&reply(302, &[("location", "/operations/3"), ("retry-after", "5")], ""))
                .poll(&succeeded),
        ),
        (
            "redirected_to_the_allowed_and_back",
            Seed { allowed: vec!["https://other.example"], ..seed() }
                .start(&accepted)
                .poll(&moved(302, "https://other.example/o"))
                .poll(&moved(302, "https://example.com/o"))
                .poll(&succeeded),
        ),
        (
            "see_other",
            begun().poll(&moved(303, "/resource")).poll(&reply(503, &[("retry-after", "5")], "")).poll(&reply(
                200,
                &[],
                "[1]",
            )),
        ),
        ("see_other_elsewhere", begun().poll(&moved(303, "https://evil.test/"))),
        (
            "retryable_statuses",
            begun()
                .poll(&reply(404, &[], ""))
                .poll(&lost())
                .poll(&reply(429, &[("retry-after", "1")], ""))
                .poll(&succeeded),
        ),
        ("too_many_failed_polls", no_failures.clone().start(&accepted).poll(&reply(503, &[], "overloaded"))),
        ("lost_at_last", no_failures.clone().start(&accepted).poll(&lost())),
        ("body_breaks", no_failures.clone().start(&accepted).poll(&whole(200, &[], &[text("{\"a\":")], BREAKS))),
        ("body_breaks_after_status", begun().poll(&whole(200, &[], &[text("{\"status\":\"Succeeded\",")], BREAKS))),
        ("gone", begun().poll(&running).gone()),
        (
            "refused",
            begun().poll(&whole(400, &[], &[text("{\"status\":\"Running\"}"), filler(1_050_000)], in_chunks(16_384))),
        ),
        ("no_status", begun().poll(&reply(200, &[], "[]"))),
        (
            "no_status_with_words",
            small.clone().start(&accepted).poll(&whole(200, &[], &[text("<html>"), filler(500)], in_chunks(7))),
        ),
        (
            "status_too_late",
            small.start(&accepted).poll(&whole(
                200,
                &[],
                &[text("{\"a\":\""), filler(5_000), text("\","), text("\"status\":\"Succeeded\"}")],
                in_chunks(64),
            )),
        ),
        (
            "large_result",
            begun().poll(&whole(
                200,
                &[],
                &[text("{\"status\":\"Succeeded\",\"a\":\""), filler(1_050_000), filler(1_050_000), text("\"}")],
                in_chunks(16_384) | HAS_TRAILERS,
            )),
        ),
        ("byte_by_byte", begun().poll(&whole(200, &[], &[text(V2)], in_chunks(1) | HAS_EMPTY_FRAMES | IS_OPEN))),
        ("no_content", begun().poll(&reply(204, &[("resource-location", "\"/resource\"")], ""))),
        ("still_accepted", begun().poll(&reply(202, &[], "")).poll(&reply(202, &[], "[]")).poll(&succeeded)),
        ("failed_and_handed_over", begun().poll(&failed)),
        ("failed_and_thrown", thrown.clone().start(&accepted).poll(&failed)),
        ("canceled_and_thrown", thrown.start(&accepted).poll(&reply(200, &[], r#"{"status":"Canceled"}"#))),
        (
            "failed_and_stalls",
            begun()
                .poll(&whole(200, &[], &[text("{\"status\":\"Failed\","), filler(10)], 0).pausing(3, Pause::Forever)),
        ),
        (
            "times_out_waiting",
            with_timeout.clone().start(&reply(202, &[("operation-location", "/o"), ("retry-after", "100")], "")),
        ),
        ("times_out_in_flight", with_timeout.clone().start(&accepted).poll(&succeeded.clone().after(Pause::Forever))),
        ("times_out_not_ready", with_timeout.clone().start(&accepted).ready(Pause::Forever, &succeeded)),
        (
            "times_out_reading",
            with_timeout
                .clone()
                .start(&accepted)
                .poll(&whole(200, &[], &[text("{\"a\":1,")], 0).pausing(0, Pause::Forever)),
        ),
        (
            "times_out_running",
            with_timeout.start(&accepted).poll(&running).poll(&running.clone().after(Pause::For(secs(31)))),
        ),
        ("no_time_at_all", Seed { timeout: Some(Duration::ZERO), ..seed() }.start(&accepted).poll(&succeeded)),
        (
            "start_body_stalls",
            seed()
                .start(&whole(202, &[("operation-location", "/o")], &[text("wait")], 0).pausing(0, Pause::Forever))
                .poll(&succeeded),
        ),
        (
            "running_body_stalls",
            begun()
                .poll(&whole(200, &[("retry-after", "1")], &[text(RUNNING), text("\n")], 0).pausing(3, Pause::Forever))
                .poll(&succeeded),
        ),
        (
            "slow_everywhere",
            begun()
                .ready(Pause::For(secs(4)), &running.clone().after(Pause::For(secs(4))))
                .poll(&whole(200, &[], &[text(V1)], in_chunks(64)).pausing(9, Pause::For(secs(4)))),
        ),
        (
            "details_come_late",
            Seed { timeout: Some(secs(30)), moves: vec![0, COMES_LATE + 4], ..seed() }.start(&accepted).poll(
                &whole(200, &[], &[text("{\"status\":\"Failed\","), filler(10)], in_chunks(7))
                    .pausing(3, Pause::For(secs(4))),
            ),
        ),
        (
            "path_start_trusted_elsewhere",
            Seed { start: STARTS[4], trusted: vec!["http://*:8080"], ..seed() }
                .start(&reply(202, &[("operation-location", "http://127.0.0.1:8080/o")], ""))
                .poll(&succeeded),
        ),
        (
            "allowed_and_taken_up",
            Seed { allowed: vec!["https://other.example"], moves: vec![DROPS], flags: RESUMES_LATER, ..seed() }
                .start(&reply(202, &[("operation-location", "https://other.example/o")], ""))
                .reply(&moved(302, "https://example.com/o"))
                .poll(&succeeded),
        ),
        (
            "waits_for_ever",
            Seed { max_delay: Duration::MAX, ..seed() }.start(&accepted).poll(
                &whole(200, &[("retry-after", "18446744073709551615")], &[text(RUNNING), text("\n")], 0)
                    .pausing(3, Pause::Forever),
            ),
        ),
        (
            "dropped_waiting",
            Seed { moves: vec![DROPS], flags: RESUMES_LATER, ..seed() }.start(&accepted).poll(&succeeded),
        ),
        (
            "dropped_in_flight",
            Seed { moves: vec![0, DROPS], ..seed() }
                .start(&accepted)
                .poll(&succeeded.clone().after(Pause::For(secs(4)))),
        ),
        ("late", Seed { moves: vec![COMES_LATE + 4; 4], ..seed() }.start(&accepted).poll(&running).poll(&succeeded)),
        (
            "asked_unasked",
            Seed { moves: vec![POLLS_UNASKED, MOVES_TASK, POLLS_UNASKED, 0], ..seed() }
                .start(&accepted)
                .poll(&running)
                .poll(&succeeded),
        ),
        (
            "taken_up",
            Seed { flags: RESUMES_LATER, max_consecutive_failures: 0, ..seed() }
                .start(&accepted)
                .poll(&reply(500, &[], ""))
                .reply(&succeeded),
        ),
        ("resumed", resuming.clone().start(&running).poll(&succeeded)),
        ("resumed_and_redirected", resuming.start(&moved(302, "/operations/2")).poll(&succeeded)),
        ("per_request", Seed { flags: PER_REQUEST, ..seed() }.start(&accepted).poll(&succeeded)),
        ("path_start", Seed { start: STARTS[4], ..seed() }.start(&accepted).poll(&running).poll(&succeeded)),
        (
            "path_start_absolute",
            Seed { start: STARTS[4], ..seed() }
                .start(&reply(202, &[("operation-location", "https://example.com/o")], ""))
                .poll(&succeeded),
        ),
        ("user_in_start", Seed { start: STARTS[5], ..seed() }.start(&accepted).poll(&succeeded)),
        (
            "result_at_resource",
            Seed { final_response: Some(FinalResponse::Resource), ..seed() }
                .start(&accepted)
                .poll(&reply(200, &[], result))
                .poll(&reply(200, &[], "[]")),
        ),
        (
            "result_at_location",
            Seed { final_response: Some(FinalResponse::Location), ..seed() }
                .start(&reply(202, &[("operation-location", "/o"), ("location", "/r")], ""))
                .poll(&succeeded)
                .poll(&moved(302, "/r/2"))
                .poll(&reply(200, &[], "x")),
        ),
        (
            "result_at_start",
            Seed { final_response: Some(FinalResponse::OriginalUri), ..seed() }
                .start(&accepted)
                .poll(&reply(204, &[], ""))
                .poll(&reply(404, &[], "not here")),
        ),
        (
            "result_elsewhere",
            Seed { final_response: Some(FinalResponse::Resource), ..seed() }.start(&accepted).poll(&reply(
                200,
                &[("resource-location", "https://evil.test/")],
                SUCCEEDED,
            )),
        ),
    ];
    named(seeds)
}
