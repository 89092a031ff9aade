//! Events as a stream.

use std::task::Poll;

use futures_util::{FutureExt, Stream, StreamExt};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Backoff, Event, Events, LroLayer, OwnedEvent,
    simulator::{Fault, Reply, Simulator},
};

use crate::support::{exact, polls, seconds, start};

fn ready(events: &mut Events) -> Vec<OwnedEvent> {
    std::iter::from_fn(|| events.next().now_or_never().flatten()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_stream_has_the_observers_events_and_ends() {
    let recorded = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (settings, events) = exact().events();
    let settings = settings.on_event({
        let recorded = recorded.clone();
        move |event| recorded.lock().unwrap().push(format!("{event:?}"))
    });
    let script = polls([
        Reply::http(503),
        Reply::http(200).fault(Fault::Refused),
        Reply::status("Running").header("operation-location", "?moved=1"),
        Reply::status("Succeeded"),
    ]);
    let mut request = start();
    request.extensions_mut().insert(settings);
    LroLayer::new().layer(Simulator::new().script(script)).oneshot(request).await.unwrap();
    let events: Vec<OwnedEvent> = events.collect().await;
    let printed: Vec<String> = events.iter().map(|event| format!("{event:?}")).collect();
    assert_eq!(printed, *recorded.lock().unwrap());
    assert_eq!(events.len(), 11);
    assert!(matches!(events[0].as_event(), Event::Accepted { .. }));
    assert_eq!(events[0].operation().unwrap().polls(), 0);
    assert!(matches!(events.last().unwrap().as_event(), Event::Finished { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken_by_every_event_and_by_the_end() {
    let (settings, events) = exact().events();
    let mut reader = tokio_test::task::spawn(events);
    assert!(reader.poll_next().is_pending());
    let operation = settings.layer(Simulator::new().script(polls([Reply::status("Succeeded")]))).oneshot(start());
    drop(settings);
    let mut operation = tokio_test::task::spawn(operation);
    assert!(operation.poll().is_pending());
    assert!(reader.is_woken());
    while let Poll::Ready(event) = reader.poll_next() {
        assert!(matches!(event.unwrap().as_event(), Event::Accepted { .. } | Event::Waiting { .. }));
    }
    drop(operation);
    assert!(reader.is_woken());
    assert!(
        matches!(reader.poll_next(), Poll::Ready(Some(event)) if matches!(event.as_event(), Event::Finished { .. }))
    );
    assert!(matches!(reader.poll_next(), Poll::Ready(None)));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_are_lost_to_a_slow_reader_and_never_the_last() {
    let (layer, mut events) = exact().backoff(Backoff::constant(seconds(1))).timeout(seconds(1000)).events();
    let simulator = Simulator::new().script(polls([Reply::status("Running")]));
    layer.layer(simulator).oneshot(start()).await.unwrap_err();
    // One for acceptance, two for each of 999 polls, the last delay, and the end.
    assert_eq!(events.lost(), 1 + 2 * 999 + 1 + 1 - 256);
    let events = ready(&mut events);
    assert_eq!(events.len(), 256);
    assert!(matches!(events[255].as_event(), Event::Finished { .. }));
    assert_eq!(events[255].operation().unwrap().polls(), 999);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_harms_nothing() {
    let (layer, events) = exact().events();
    drop(events);
    layer.layer(Simulator::new()).oneshot(start()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_passes_through_ends_the_stream_without_an_event() {
    let (settings, events) = exact().events();
    let mut request = start();
    request.extensions_mut().insert(settings);
    let simulator = Simulator::new().script(tower_lro::simulator::Script::azure_maps_invalid());
    LroLayer::new().layer(simulator).oneshot(request).await.unwrap();
    assert_eq!(events.count().await, 0);
}

#[test]
fn the_stream_and_its_events_can_go_anywhere() {
    fn is<T: Send + Sync + Unpin + 'static>() {}
    fn is_stream<T: Stream<Item = OwnedEvent>>() {}
    is::<Events>();
    is::<OwnedEvent>();
    is_stream::<Events>();
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_response_though_the_future_is_kept() {
    for script in [polls([Reply::status("Succeeded")]), tower_lro::simulator::Script::azure_maps_invalid()] {
        let (settings, mut events) = exact().events();
        let mut request = start();
        request.extensions_mut().insert(settings);
        let mut client = LroLayer::new().layer(Simulator::new().script(script));
        let mut operation = std::pin::pin!(tower::Service::call(&mut client, request));
        let response = loop {
            tokio::select! {
                response = &mut operation => break response.unwrap(),
                Some(_) = events.next() => {}
            }
        };
        while events.next().await.is_some() {}
        drop(response);
    }
}

#[test]
fn wakers_are_dropped_where_nothing_is_locked() {
    /// Holds the settings that send, and drops them with itself.
    struct Holding(std::sync::Mutex<Option<LroLayer>>);
    impl std::task::Wake for Holding {
        fn wake(self: std::sync::Arc<Self>) {}
    }
    let (settings, mut events) = LroLayer::new().events();
    let holding = std::sync::Arc::new(Holding(std::sync::Mutex::new(Some(settings))));
    let weak = std::sync::Arc::downgrade(&holding);
    let waker = std::task::Waker::from(holding);
    assert!(events.poll_next_unpin(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop(waker);
    // The stream's own is the last; with it goes the sender.
    assert!(events.poll_next_unpin(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    assert!(weak.upgrade().is_none());
    assert!(matches!(events.next().now_or_never(), Some(None)));

    let (settings, mut events) = LroLayer::new().events();
    let holding = std::sync::Arc::new(Holding(std::sync::Mutex::new(None)));
    let waker = std::task::Waker::from(holding.clone());
    assert!(events.poll_next_unpin(&mut std::task::Context::from_waker(&waker)).is_pending());
    drop((waker, events));
    assert_eq!(std::sync::Arc::strong_count(&holding), 1, "the stream is gone, and its reader is not");
    drop((settings, holding.0.lock().unwrap().take()));
}
