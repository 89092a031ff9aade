//! The table: what happens to operations, and the paths that they take.

use std::time::Duration;

use self::Happens::{
    After, Broken, Due, End, Flood, Frame as Data, Head, LastFrame as LastData, NoTimer, ServiceError, ServiceGone,
    Stall, Trailers, Unsendable,
};
use crate::poller::chart::{
    row::{Begin, Happens, Headers, Row, answered, stored},
    settings::{
        at_most_two_seconds, by_body_or_message, by_header, by_link, no_failures, odata, odata_at_location,
        odata_in_two_seconds, odata_with_errors, patient_for_half_a_second, resource, resource_in_two_seconds,
    },
};

const ACCEPTED: Begin = answered(202, &[("operation-location", "/monitor")]);
const STORED: Begin = stored("https://example.com/monitor");
const JSON: Headers = &[("content-type", "application/json")];
const MESSAGE: Headers = &[("content-type", "application/http")];
const OK: Happens = Head(200, &[]);
const RUNNING: Happens = Data(r#"{"status":"Running"}"#);
const SUCCEEDED: Happens = Data(r#"{"status":"Succeeded"}"#);
const FAILED: Happens = Data(r#"{"status":"Failed"}"#);
const AT_RESOURCE: Happens = Data(r#"{"status":"Succeeded","resourceLocation":"/result"}"#);
const HEAD_OF_MESSAGE: Happens = Data("HTTP/1.1 200 OK\r\n\r\n");
const PASSED: Happens = After(Duration::from_secs(20));

pub(super) const STARTS: &[Row] = &[
    Row(
        "from the first response to the last",
        ACCEPTED,
        &[End, Due, OK, RUNNING, End, Due, OK, SUCCEEDED],
        "Response ► Reading(Drain)@1s ► Waiting@1s ► Sending ► Reading(Status) ► Reading(DrainStatus)@2.5s ► Waiting@2.5s \
         ► Sending ► Reading(Status) ► Done",
    ),
    Row(
        "a body without end is read for a while, and not for longer than until the next poll",
        answered(202, &[("operation-location", "/monitor"), ("retry-after", "10")]),
        &[Data("{"), Due, Due, Head(202, &[("retry-after", "2")]), RUNNING, Due, Due, OK, Stall],
        "Response ► Reading(Drain)@5s ► Waiting@10s ► Sending ► Reading(Status) ► Reading(DrainStatus)@12s ► Waiting@12s \
         ► Sending ► Reading(Status) ► Waiting@13s",
    ),
    Row(
        "enough of a body is enough",
        ACCEPTED,
        &[Flood, Due, OK, RUNNING, Stall],
        "Response ► Reading(Drain)@1s ► Waiting@1s ► Sending ► Reading(Status) ► Reading(DrainStatus)@2.5s ► Waiting@2.5s",
    ),
    Row(
        "the operation is named by the body",
        answered(202, JSON).with(by_link),
        &[Data(r#"{"statusQueryGetUri""#), Data(r#":"/monitor"}"#), Trailers],
        "Response ► Starting@10s ► Reading(Drain)@1s ► Waiting@1s",
    ),
    Row(
        "a body that names no operation passes through",
        answered(202, JSON).with(by_link),
        &[Data("{}")],
        "Response ► Starting@10s ► NotAnOperation",
    ),
    Row(
        "so does one that takes too long",
        answered(202, JSON).with(by_link),
        &[Data("{"), Due],
        "Response ► Starting@10s ► NotAnOperation",
    ),
    Row(
        "and one without data",
        answered(202, JSON).with(by_link),
        &[Data("{"), Stall],
        "Response ► Starting@10s ► NotAnOperation",
    ),
    Row(
        "and one that breaks off",
        answered(202, JSON).with(by_link),
        &[Broken],
        "Response ► Starting@10s ► NotAnOperation",
    ),
    Row("and one that is no JSON, unread", answered(202, &[]).with(by_link), &[], "Response ► NotAnOperation"),
    Row(
        "a body names a monitor elsewhere",
        answered(202, JSON).with(by_link),
        &[Data(r#"{"statusQueryGetUri":"https://elsewhere.test/"}"#)],
        "Response ► Starting@10s ► Failed: Address",
    ),
    Row(
        "a header names a monitor elsewhere",
        answered(202, &[("operation-location", "https://elsewhere.test/")]),
        &[],
        "Response ► Failed: Address",
    ),
    Row("a stored monitor is elsewhere", stored("https://elsewhere.test/"), &[], "Request ► Failed: Address"),
    Row(
        "the deadline of a stored operation has passed",
        STORED.with(|config| config.timeout = Some(Duration::ZERO)),
        &[],
        "Request ► Failed: Timeout",
    ),
];

pub(super) const WAITS: &[Row] = &[
    Row(
        "the first wait is too long",
        ACCEPTED.with(patient_for_half_a_second),
        &[End],
        "Response ► Reading(Drain)@1s ► Pending: 1s",
    ),
    Row(
        "the next wait is too long, as far as it is left when the body has been read",
        STORED.with(patient_for_half_a_second),
        &[OK, RUNNING, After(Duration::from_millis(200)), End],
        "Request ► Sending ► Reading(Status) ► Reading(DrainStatus)@1s ► Pending: 800ms",
    ),
    Row(
        "the wait after an error of the service is too long",
        STORED.with(patient_for_half_a_second),
        &[ServiceError],
        "Request ► Sending ► Pending: 1s",
    ),
    Row(
        "the wait after a broken body is too long",
        STORED.with(patient_for_half_a_second),
        &[OK, Broken],
        "Request ► Sending ► Reading(Status) ► Pending: 1s",
    ),
    Row(
        "the deadline comes while it waits",
        answered(202, &[("operation-location", "/monitor"), ("retry-after", "10")]).with(at_most_two_seconds),
        &[Due, Due],
        "Response ► Reading(Drain)@2s ► Waiting@2s ► Failed: Timeout",
    ),
    Row(
        "the deadline comes while it sends",
        ACCEPTED.with(at_most_two_seconds),
        &[End, Due, Due],
        "Response ► Reading(Drain)@1s ► Waiting@1s ► Sending@2s ► Failed: Timeout",
    ),
    Row(
        "the deadline comes while it reads a status",
        STORED.with(at_most_two_seconds),
        &[OK, Due],
        "Request ► Sending@2s ► Reading(Status)@2s ► Failed: Timeout",
    ),
    Row(
        "the deadline comes while a body is always ready",
        STORED.with(at_most_two_seconds),
        &[OK, PASSED, RUNNING],
        "Request ► Sending@2s ► Reading(Status)@2s ► Failed: Timeout",
    ),
    Row(
        "the deadline comes while it reads an error",
        STORED.with(at_most_two_seconds),
        &[Head(403, &[]), Due],
        "Request ► Sending@2s ► Reading(Error)@2s ► Failed: Monitor",
    ),
    Row("no timer to drain by", ACCEPTED, &[NoTimer], "Response ► Reading(Drain)@1s ► Failed: NoTimer"),
    Row(
        "no timer to wait with",
        ACCEPTED,
        &[End, NoTimer],
        "Response ► Reading(Drain)@1s ► Waiting@1s ► Failed: NoTimer",
    ),
    Row("no timer to send with", STORED, &[NoTimer], "Request ► Sending ► Failed: NoTimer"),
    Row(
        "no timer to drain a status response by",
        STORED,
        &[OK, RUNNING, NoTimer],
        "Request ► Sending ► Reading(Status) ► Reading(DrainStatus)@1s ► Failed: NoTimer",
    ),
];

pub(super) const HEADS: &[Row] = &[
    Row(
        "the service fails once",
        STORED,
        &[ServiceError, Due, OK, SUCCEEDED],
        "Request ► Sending ► Waiting@1s ► Sending ► Reading(Status) ► Done",
    ),
    Row(
        "the service fails once too often",
        STORED.with(no_failures),
        &[ServiceError],
        "Request ► Sending ► Failed: Service",
    ),
    Row("the service is gone", STORED, &[ServiceGone], "Request ► Sending ► Failed: Service"),
    Row("an address that cannot be sent", STORED, &[Unsendable], "Request ► Sending ► Failed: Address"),
    Row(
        "a transient error",
        STORED,
        &[Head(503, &[("retry-after", "3")]), End, Due],
        "Request ► Sending ► Reading(Drain)@3s ► Waiting@3s ► Sending",
    ),
    Row(
        "one transient error too many",
        STORED.with(no_failures),
        &[Head(503, &[]), Data("busy"), End],
        "Request ► Sending ► Reading(Error)@5s ► Failed: Monitor",
    ),
    Row(
        "an error of the monitor, whose body is longer than is kept",
        STORED,
        &[Head(401, &[]), Flood],
        "Request ► Sending ► Reading(Error)@5s ► Failed: Monitor",
    ),
    Row(
        "the monitor has moved",
        STORED,
        &[Head(307, &[("location", "/moved")]), End, Due, OK, SUCCEEDED],
        "Request ► Sending ► Reading(Drain)@250ms ► Waiting@0ns ► Sending ► Reading(Status) ► Done",
    ),
    Row(
        "the result is elsewhere",
        STORED,
        &[Head(303, &[("location", "/result")]), Due, Due, OK],
        "Request ► Sending ► Reading(Drain)@250ms ► Waiting@0ns ► Sending ► Done",
    ),
    Row(
        "the monitor has moved where nobody may go",
        STORED,
        &[Head(307, &[("location", "https://elsewhere.test/")])],
        "Request ► Sending ► Failed: Address",
    ),
    Row("success by the head alone", STORED, &[Head(204, &[]), End], "Request ► Sending ► Reading(Details)@0ns ► Done"),
    Row(
        "the status is in a header",
        STORED.with(by_header),
        &[Head(200, &[("x-status", "Running")]), End, Due, Head(200, &[("x-status", "Failed")]), Due],
        "Request ► Sending ► Reading(DrainStatus)@1s ► Waiting@1s ► Sending ► Reading(Details)@2s ► Done",
    ),
    Row(
        "a message in the body is the result",
        STORED.with(odata),
        &[Head(200, MESSAGE), Data("HTTP/1.1 200 OK\r\n"), Data("\r\n{"), Data("}")],
        "Request ► Sending ► Reading(MessageHead) ► Reading(Details)@0ns ► Done",
    ),
];

pub(super) const STATUSES: &[Row] = &[
    Row(
        "the last frame",
        STORED,
        &[OK, LastData(r#"{"status":"Succeeded","#)],
        "Request ► Sending ► Reading(Status) ► Done",
    ),
    Row(
        "a body that breaks off is asked for again",
        STORED,
        &[OK, Data("{"), Broken, Due],
        "Request ► Sending ► Reading(Status) ► Waiting@1s ► Sending",
    ),
    Row(
        "a body that breaks off once too often",
        STORED.with(no_failures),
        &[OK, Broken],
        "Request ► Sending ► Reading(Status) ► Failed: Body",
    ),
    Row("no timer", STORED, &[OK, NoTimer], "Request ► Sending ► Reading(Status) ► Failed: NoTimer"),
    Row(
        "no status at first is an error",
        STORED,
        &[OK, Data("<html>"), Data("</html>"), End],
        "Request ► Sending ► Reading(Status) ► Reading(Error)@5s ► Failed: Status",
    ),
    Row(
        "no status later is asked for again",
        STORED,
        &[OK, RUNNING, End, Due, OK, Data("{}"), End, Due],
        "Request ► Sending ► Reading(Status) ► Reading(DrainStatus)@1s ► Waiting@1s ► Sending ► Reading(Status) \
         ► Reading(Drain)@2.5s ► Waiting@2.5s ► Sending",
    ),
    Row(
        "no status within what is read",
        STORED.with(|config| config.max_status_bytes = 4),
        &[OK, SUCCEEDED],
        "Request ► Sending ► Reading(Status) ► Failed: Status",
    ),
    Row(
        "a failure that the caller wants as an error",
        STORED.with(|config| config.error_on_failure = true),
        &[OK, FAILED, End],
        "Request ► Sending ► Reading(Status) ► Reading(Error)@5s ► Failed: Failed",
    ),
    Row(
        "of a failure the details are waited for",
        STORED,
        &[OK, Data(r#"{"status":"Failed""#), Due],
        "Request ► Sending ► Reading(Status) ► Reading(Details)@1s ► Done",
    ),
    Row(
        "the result is what the last response names",
        STORED.with(resource),
        &[OK, AT_RESOURCE, End, Due, OK],
        "Request ► Sending ► Reading(Status) ► Reading(Drain)@250ms ► Waiting@0ns ► Sending ► Done",
    ),
    Row(
        "a message in the body takes the place of a status",
        STORED.with(by_body_or_message),
        &[Head(200, MESSAGE), Data("HTTP/1.1 200 OK"), Data("\r\n\r\n"), End],
        "Request ► Sending ► Reading(Status) ► Reading(MessageHead) ► Reading(Details)@0ns ► Done",
    ),
    Row(
        "a whole message that came while a status was looked for",
        STORED.with(by_body_or_message),
        &[Head(200, MESSAGE), Data("HTTP/1.1 404 Not Found\r\n\r\n{}")],
        "Request ► Sending ► Reading(Status) ► Done",
    ),
];

pub(super) const ENDS: &[Row] = &[
    Row(
        "the rest of the last response says where the result is",
        STORED.with(resource),
        &[OK, Data(r#"{"status":"Succeeded","#), PASSED, Data(r#""resourceLocation":"/result"}"#), End, Due, OK],
        "Request ► Sending ► Reading(Status) ► Reading(Details) ► Reading(Drain)@20.25s ► Waiting@20s ► Sending ► Done",
    ),
    Row(
        "the rest of the last response says that the result is elsewhere",
        STORED.with(resource),
        &[OK, Data(r#"{"status":"Succeeded","#), Data(r#""resourceLocation":"https://elsewhere.test/"}"#)],
        "Request ► Sending ► Reading(Status) ► Reading(Details) ► Failed: Address",
    ),
    Row(
        "the rest of the last response may say where the result is, and does not come in time",
        STORED.with(resource_in_two_seconds),
        &[OK, Data(r#"{"status":"Succeeded","#), Due],
        "Request ► Sending@2s ► Reading(Status)@2s ► Reading(Details)@2s ► Failed: Timeout",
    ),
    Row(
        "or comes late, and names no result",
        STORED.with(resource_in_two_seconds),
        &[OK, Data(r#"{"status":"Succeeded","#), PASSED, LastData(r#""x":1"#)],
        "Request ► Sending@2s ► Reading(Status)@2s ► Reading(Details)@2s ► Done",
    ),
    Row(
        "or breaks off",
        STORED.with(resource),
        &[OK, Data(r#"{"status":"Succeeded","#), Broken, Due, OK, AT_RESOURCE, End, Due, OK],
        "Request ► Sending ► Reading(Status) ► Reading(Details) ► Waiting@1s ► Sending ► Reading(Status) ► Reading(Drain)@1.25s \
         ► Waiting@1s ► Sending ► Done",
    ),
    Row(
        "it breaks off behind the place of the result",
        STORED.with(resource),
        &[OK, Data(r#"{"status":"Succeeded","resourceLocation":"/result","#), Broken, End, Due, OK],
        "Request ► Sending ► Reading(Status) ► Reading(Details) ► Reading(Drain)@250ms ► Waiting@0ns ► Sending ► Done",
    ),
    Row(
        "half of the head of a message is asked for again",
        STORED.with(odata),
        &[Head(200, MESSAGE), Data("HTTP/1.1 200"), Broken, Due, Head(200, MESSAGE), HEAD_OF_MESSAGE, LastData("{}")],
        "Request ► Sending ► Reading(MessageHead) ► Waiting@1s ► Sending ► Reading(MessageHead) ► Reading(Details)@1s ► Done",
    ),
    Row(
        "no timer for the details",
        STORED,
        &[Head(204, &[]), NoTimer],
        "Request ► Sending ► Reading(Details)@0ns ► Failed: NoTimer",
    ),
    Row(
        "frames without data are no details",
        STORED,
        &[OK, Data(r#"{"status":"Succeeded","#), Stall],
        "Request ► Sending ► Reading(Status) ► Reading(Details)@0ns ► Done",
    ),
    Row(
        "a message without an end of its head is returned as it is",
        STORED.with(odata),
        &[Head(200, MESSAGE), Data("HTTP/1.1 200"), End],
        "Request ► Sending ► Reading(MessageHead) ► Done",
    ),
    Row(
        "half a message of an operation that failed, and the caller wants an error",
        STORED.with(odata_with_errors),
        &[Head(200, &[("content-type", "application/http"), ("asyncresult", "404")]), Data("HTTP/1.1 404"), End],
        "Request ► Sending ► Reading(MessageHead) ► Failed: Failed",
    ),
    Row(
        "or one that breaks off",
        STORED.with(odata_with_errors),
        &[Head(200, &[("content-type", "application/http"), ("asyncresult", "404")]), Data("HTTP/1.1 404"), Broken],
        "Request ► Sending ► Reading(MessageHead) ► Failed: Failed",
    ),
    Row(
        "a message says that it failed, and the caller wants an error",
        STORED.with(odata_with_errors),
        &[Head(200, MESSAGE), Data("HTTP/1.1 404 Not Found\r\n\r\n"), End],
        "Request ► Sending ► Reading(MessageHead) ► Reading(Error)@5s ► Failed: Failed",
    ),
    Row(
        "a whole message says where the result is",
        STORED.with(odata_at_location),
        &[Head(200, MESSAGE), Data("HTTP/1.1 200 OK\r\nLocation: /result\r\n\r\n{}"), End, Due, OK],
        "Request ► Sending ► Reading(MessageHead) ► Reading(Drain)@250ms ► Waiting@0ns ► Sending ► Done",
    ),
    Row(
        "a whole message says that the result is elsewhere",
        STORED.with(odata_at_location),
        &[Head(200, MESSAGE), Data("HTTP/1.1 200 OK\r\nLocation: https://elsewhere.test/\r\n\r\n{}")],
        "Request ► Sending ► Reading(MessageHead) ► Failed: Address",
    ),
    Row(
        "a message may be as long as the deadline allows",
        STORED.with(odata_in_two_seconds),
        &[Head(200, MESSAGE), HEAD_OF_MESSAGE, Due],
        "Request ► Sending@2s ► Reading(MessageHead)@2s ► Reading(Details)@0ns ► Done",
    ),
];
