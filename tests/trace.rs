//! The tree of spans and events.

#[allow(dead_code, reason = "shared with other tests")]
#[path = "it/support.rs"]
mod support;

#[path = "it/secrets_fixture.rs"]
mod secrets_fixture;

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::{Debug, Write},
    sync::Once,
};

use http::{Request, Response, StatusCode};
use support::{exact, polls, seconds, start};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_lro::{
    Canceller, Error, LroLayer, Protocol,
    simulator::{ConnectionLost, Fault, Reply, Script, Simulator, SimulatorBody},
};
use tracing::{
    Instrument, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// Writes the tree down, a line for each span and event, indented by the spans around it: for each test its own, by its
/// thread.
struct Tree;

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

/// There is one subscriber for all, before anything else: callsites that are met without one at that moment may stay off.
fn subscribe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Tree)).unwrap();
    });
}

fn seen() -> Seen {
    SEEN.take()
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    fields: HashMap<u64, Vec<String>>,
    closed: Vec<String>,
    /// The events with their fields.
    events: Vec<String>,
}

struct Fields<'a>(&'a mut Vec<String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push(format!("{field}={value:?}"));
    }
}

fn indented<S: Subscriber + for<'a> LookupSpan<'a>>(
    depth: Option<tracing_subscriber::registry::SpanRef<'_, S>>,
    text: &str,
) -> String {
    let depth = depth.map_or(0, |span| span.scope().count());
    format!("{}{text}", "  ".repeat(depth))
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Tree {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        SEEN.with_borrow_mut(|seen| {
            seen.lines.push(indented(span.parent(), span.name()));
            attributes.record(&mut Fields(seen.fields.entry(id.into_u64()).or_default()));
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        SEEN.with_borrow_mut(|seen| values.record(&mut Fields(seen.fields.entry(id.into_u64()).or_default())));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Vec::new();
        event.record(&mut Fields(&mut fields));
        let message = fields.iter().find_map(|field| field.strip_prefix("message=")).unwrap_or_default();
        let line = indented(context.event_span(event), &format!("- {message}"));
        SEEN.with_borrow_mut(|seen| {
            seen.lines.push(line);
            seen.events.push(fields.join(" "));
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let name = context.span(&id).unwrap().name();
        let mut line = name.to_owned();
        SEEN.with_borrow_mut(|seen| {
            for field in seen.fields.remove(&id.into_u64()).unwrap_or_default() {
                write!(line, " {field}").unwrap();
            }
            seen.closed.push(line);
        });
    }
}

/// A layer below that says when it is asked, and when its response is there.
fn below(
    simulator: Simulator,
) -> impl tower::Service<Request<SimulatorBody>, Response = Response<SimulatorBody>, Error = ConnectionLost> + Clone {
    ServiceBuilder::new()
        .map_future(|future| async move {
            tracing::info!("sent");
            let answer: Result<_, ConnectionLost> = future.await;
            tracing::info!("answered");
            answer
        })
        .service(simulator)
}

async fn traced(layer: LroLayer, script: Script, request: Request<SimulatorBody>) -> (Vec<String>, Vec<String>) {
    subscribe();
    let caller = tracing::info_span!("caller");
    let operation = layer.layer(below(Simulator::new().script(script))).oneshot(request);
    let _: Result<_, Error<_>> = operation.instrument(caller).await;
    let seen = seen();
    (seen.lines, seen.closed)
}

#[tokio::test(start_paused = true)]
async fn polls_are_in_the_span_of_their_operation_and_what_is_below_in_theirs() {
    let script = polls([
        Reply::status("Running").delay(seconds(1)),
        Reply::http(503),
        Reply::http(200).fault(Fault::Refused),
        Reply::status("Succeeded"),
    ]);
    let (lines, closed) = traced(exact(), script, start()).await;
    assert_eq!(
        lines,
        [
            "caller",
            "  - sent",
            "  - answered",
            "  operation",
            "    - accepted",
            "    - waiting",
            "    poll",
            "      - sent",
            "      - answered",
            "      - polled",
            "    - waiting",
            "    poll",
            "      - sent",
            "      - answered",
            "      - poll failed",
            "    - waiting",
            "    poll",
            "      - sent",
            "      - answered",
            "      - poll failed",
            "    - waiting",
            "    poll",
            "      - sent",
            "      - answered",
            "      - polled",
            "      - finished",
        ]
    );
    assert_eq!(closed.len(), 6);
    assert_eq!(
        closed[0],
        "poll otel.kind=\"internal\" http.request.method=\"GET\" \
         url.full=https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e?api-version=2.0 \
         server.address=\"atlas.microsoft.com\" http.response.status_code=200"
    );
    let failed = "http.response.status_code=503 otel.status_code=\"ERROR\" error.type=\"503\"";
    assert!(closed[1].ends_with(failed), "{}", closed[1]);
    assert!(!closed[2].contains("http.response.status_code") && closed[2].ends_with("error.type=\"Service\""));
    assert_eq!(
        closed[4],
        "operation otel.kind=\"internal\" http.request.method=POST \
         url.full=https://atlas.microsoft.com/mapData?api-version=2.0 server.address=\"atlas.microsoft.com\" \
         lro.protocol=\"operation-location\" \
         lro.monitor=https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e lro.resumed=false \
         lro.state=Succeeded lro.status=Succeeded lro.polls=4"
    );
}

/// The span of polls is of a level that this filters out.
#[tokio::test(start_paused = true)]
async fn at_info_every_event_during_a_poll_is_in_the_operations_span() {
    subscribe();
    let filtered = tracing_subscriber::registry().with(LevelFilter::INFO).with(Tree);
    let _guard = tracing::subscriber::set_default(filtered);
    let script = polls([Reply::http(503), Reply::status("Brewing"), Reply::status("Succeeded")]);
    let (lines, _) = traced(exact(), script, start()).await;
    assert_eq!(
        lines,
        [
            "caller",
            "  - sent",
            "  - answered",
            "  operation",
            "    - accepted",
            "    - sent",
            "    - answered",
            "    - poll failed",
            "    - sent",
            "    - answered",
            "    - unrecognized status: treated as running. If it ends the operation, tell the protocol (Protocol::builder), and set \
             LroLayer::timeout",
            "    - sent",
            "    - answered",
            "    - finished",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_that_no_poll_has_told_is_marked() {
    subscribe();
    let result = r#"{"job": {"phase": "WORKING"}}"#;
    for (first, is_assumed) in
        [(Reply::json(result), true), (Reply::http(202), false), (Reply::status("Running"), false)]
    {
        let script =
            Script::new(Reply::http(202).header("location", "/operations/{id}")).polls([first, Reply::json(result)]);
        let layer = exact().protocols([Protocol::location()]);
        layer.layer(Simulator::new().script(script)).oneshot(start()).await.unwrap();
        let events = seen().events;
        let finished = events.iter().find(|event| event.contains("finished")).unwrap();
        assert_eq!(finished.contains("lro.success_assumed=true"), is_assumed, "{finished}");
        assert_eq!(finished.contains("lro.success_assumed"), is_assumed, "{finished}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_the_type_of_the_error() {
    for (layer, script, error) in [
        (exact(), Script::azure_maps_failed(), "error.type=\"InvalidFeature\""),
        (exact(), polls([Reply::status("Canceled")]), "error.type=\"Canceled\""),
        (exact().timeout(seconds(3)), polls([Reply::status("Running")]), "error.type=\"Timeout\""),
        (exact(), polls([Reply::http(403)]), "error.type=\"Monitor\""),
    ] {
        let (lines, closed) = traced(layer, script, start()).await;
        assert!(lines.last().unwrap().ends_with("- finished"), "{lines:#?}");
        let operation = closed.iter().find(|line| line.starts_with("operation")).unwrap();
        assert!(operation.contains(error) && operation.contains("otel.status_code=\"ERROR\""), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_no_polls_have_spans_as_well() {
    // A result that is fetched, a redirect, and a request that resumes.
    let layer = exact().protocols([Protocol::async_request_reply()]);
    let (_, closed) = traced(layer, Script::async_request_reply(), start()).await;
    let paths = |closed: &[String]| -> Vec<String> {
        let polls = closed.iter().filter(|line| line.starts_with("poll"));
        polls
            .map(|line| {
                line.split("atlas.microsoft.com/").nth(1).unwrap().split(['/', '?', ' ']).next().unwrap().to_owned()
            })
            .collect()
    };
    assert_eq!(paths(&closed), ["api", "api", "resources"]);

    let simulator = Simulator::new().script(polls([Reply::status("Succeeded")]));
    simulator.clone().oneshot(start()).await.unwrap();
    let uri = "https://atlas.microsoft.com/operations/00000001-add9-4ef7-9788-1635bed9a87e?sig=SECRET";
    let request = Request::get(uri).extension(tower_lro::Resume::new()).body(SimulatorBody::default()).unwrap();
    exact().layer(below(simulator)).oneshot(request).await.unwrap();
    let seen = seen();
    assert_eq!(
        seen.lines,
        ["operation", "  - resumed", "  poll", "    - sent", "    - answered", "    - polled", "    - finished"]
    );
    assert!(seen.closed.iter().all(|line| line.contains("sig=***") && !line.contains("SECRET")), "{:?}", seen.closed);
}

#[tokio::test(start_paused = true)]
async fn cancel_requests_are_reported_at_info() {
    for (answer, expected) in
        [(Ok(StatusCode::NO_CONTENT), "cancel request sent"), (Err("lost"), "cancel request failed")]
    {
        let layer = exact()
            .protocols([Protocol::fhir()])
            .timeout(seconds(3))
            .cancel_on_timeout(Canceller::new(move |_: Request<String>| async move { Ok(answer?) }));
        let script =
            polls([Reply::http(202)]).start(Reply::http(202).header("content-location", "/operations/{id}?sig=SECRET"));
        subscribe();
        let outcome = layer.layer(Simulator::new().script(script)).oneshot(start()).await;
        assert!(outcome.is_err());
        // The canceller runs in a task of its own.
        tokio::task::yield_now().await;
        let seen = seen();
        let event = seen.events.iter().find(|event| event.contains(expected)).expect(expected);
        assert!(event.contains("/operations/") && !event.contains("SECRET"), "{event}");
        assert_eq!(event.contains("http.response.status_code=204"), answer.is_ok(), "{event}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_closes_its_spans() {
    subscribe();
    let simulator = Simulator::new().script(polls([Reply::http(200).fault(Fault::Stalled)]));
    let mut operation = tokio_test::task::spawn(exact().layer(simulator).oneshot(start()));
    assert!(operation.poll().is_pending());
    tokio::time::advance(seconds(1)).await;
    assert!(operation.poll().is_pending());
    drop(operation);
    let seen = seen();
    assert_eq!(seen.lines.last().unwrap(), "    - finished");
    assert_eq!(seen.closed.len(), 2, "{:?}", seen.closed);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_traced_has_a_secret() {
    subscribe();
    for (index, (layer, script)) in secrets_fixture::outcomes().into_iter().enumerate() {
        let _ = layer.layer(Simulator::new().script(script)).oneshot(secrets_fixture::start()).await;
        let seen = seen();
        assert!(seen.closed.len() >= 2 || seen.events.len() == 2, "outcome {index}: {:?}", seen.closed);
        for line in seen.closed.iter().chain(&seen.events) {
            assert!(
                !line.contains(secrets_fixture::SECRET) && !line.contains(secrets_fixture::SIGNATURE),
                "outcome {index}: {line}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_without_a_host_are_warned_of_once_before_they_are_sent() {
    subscribe();
    let request = |host: Option<&str>| {
        let request = Request::post("/start");
        let request = host.into_iter().fold(request, |request, host| request.header("host", host));
        request.body(SimulatorBody::default()).unwrap()
    };
    let base = http::Uri::from_static("https://api.example");
    for (layer, host, warnings) in [
        (exact(), None, 1),
        (exact(), Some("api.example"), 0),
        (exact().base_uri(base), None, 0),
        (exact().trust_origin("https://api.example".parse().unwrap()), None, 0),
    ] {
        let client = layer.layer(Simulator::new().script(Script::new(Reply::http(200))));
        for _ in 0..2 {
            client.clone().oneshot(request(host)).await.unwrap();
        }
        let told = seen().lines.iter().filter(|line| line.contains("a request has no host")).count();
        assert_eq!(told, warnings, "{layer:?} {host:?}");
    }
}
