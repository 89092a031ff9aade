//! The spans that an OpenTelemetry exporter gets, with `reqwest-tracing` below the layer and `tracing-opentelemetry` as the subscriber.

use mock::{FAILED, Mock, SUCCEEDED, layer, operation};
use opentelemetry::{
    global,
    trace::{Status, TracerProvider},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use reqwest_middleware::ClientBuilder;
use reqwest_tracing::{OtelName, TracingMiddleware};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

/// The spans of an operation that ends so, and the `traceparent` headers of its requests.
async fn spans_of(end: &str) -> (Vec<SpanData>, Vec<String>) {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let subscriber =
        tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(provider.tracer("example")));
    let _guard = tracing::subscriber::set_default(subscriber);

    let mock = Mock::of(operation(end)).await;
    let client = ClientBuilder::new(reqwest::Client::new())
        // The name is the start request's own, and none of the polls'.
        .with(layer().error_on_failure(false).omit_extension::<OtelName>())
        .with(TracingMiddleware::default())
        .build();
    let request = client.post(format!("{}/conversions", mock.url)).with_extension(OtelName("convert".into()));
    request.send().instrument(tracing::info_span!("caller")).await.unwrap();

    let recorded = mock.simulator.recorded();
    let parents = recorded.iter().map(|request| request.headers["traceparent"].to_str().unwrap().to_owned()).collect();
    (exporter.get_finished_spans().unwrap(), parents)
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn the_start_and_the_operation_are_of_one_trace_and_polls_are_named_for_themselves() {
    let (spans, parents) = spans_of(SUCCEEDED).await;
    let [caller] = named(&spans, "caller")[..] else { panic!("{spans:#?}") };
    let trace = caller.span_context.trace_id();
    assert!(spans.iter().all(|span| span.span_context.trace_id() == trace), "{spans:#?}");

    let [start] = named(&spans, "convert")[..] else { panic!("{spans:#?}") };
    let [operation] = named(&spans, "operation")[..] else { panic!("{spans:#?}") };
    for span in [start, operation] {
        assert_eq!(span.parent_span_id, caller.span_context.span_id());
    }
    assert_ne!(operation.status, Status::error(""));
    let polls = named(&spans, "poll");
    assert_eq!(polls.len(), 2);
    let requests = named(&spans, "GET");
    for (poll, request) in polls.iter().zip(&requests) {
        assert_eq!(poll.parent_span_id, operation.span_context.span_id());
        assert_eq!(request.parent_span_id, poll.span_context.span_id());
    }

    // Each request tells the service of its own span.
    let expected: Vec<_> = [start].iter().chain(&requests).map(|span| &span.span_context).collect();
    assert_eq!(parents.len(), expected.len());
    for (parent, context) in parents.iter().zip(expected) {
        assert_eq!(*parent, format!("00-{}-{}-01", context.trace_id(), context.span_id()));
    }
}

#[tokio::test]
async fn a_failed_operation_is_an_error() {
    let (spans, _) = spans_of(FAILED).await;
    let [operation] = named(&spans, "operation")[..] else { panic!("{spans:#?}") };
    assert!(matches!(operation.status, Status::Error { .. }), "{operation:?}");
    let error = operation.attributes.iter().find(|attribute| attribute.key.as_str() == "error.type").unwrap();
    assert_eq!(error.value.as_str(), "NoDrawing");
    // The polls have done what they should.
    for poll in named(&spans, "poll").into_iter().chain(named(&spans, "GET")) {
        assert!(!matches!(poll.status, Status::Error { .. }), "{poll:?}");
    }
}
