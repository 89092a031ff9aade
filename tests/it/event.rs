//! Events as observers get them.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_lro::{
    Event, LroLayer, Protocol, Resume,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{START, exact, play, polls, seconds, start};

/// The events, in short.
fn recorded(layer: LroLayer) -> (LroLayer, Arc<Mutex<Vec<String>>>) {
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let layer = layer.on_event({
        let recorded = recorded.clone();
        move |event| {
            let line = match event {
                Event::Accepted { operation, .. } => format!("accepted, {:?}", operation.state()),
                Event::Resumed { operation, .. } => format!("resumed, {:?}", operation.state()),
                Event::Waiting { delay, reason, .. } => format!("waiting {delay:?}, {reason:?}"),
                Event::Polled { operation, .. } => format!("polled {:?}", operation.status()),
                Event::PollFailed { failure, failures, .. } => format!("failed {failures}: {failure:?}"),
                Event::Moved { operation, from, .. } => {
                    format!("moved {} → {}", from.path(), operation.monitor().path())
                }
                Event::Finished { operation, outcome, .. } => format!("finished {outcome:?}, {:?}", operation.state()),
                other => panic!("{other:?}"),
            };
            recorded.lock().unwrap().push(line);
        }
    });
    (layer, recorded)
}

async fn lines(layer: LroLayer, script: Script) -> Vec<String> {
    let (layer, recorded) = recorded(layer);
    let _ = play(layer, script).await;
    let lines = recorded.lock().unwrap();
    lines.clone()
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order() {
    let script = polls([
        Reply::http(429).retry_after(seconds(20)),
        Reply::http(200).fault(Fault::Refused),
        Reply::status("x").fault(Fault::BrokenAfter(5)),
        Reply::status("Running").header("operation-location", "?moved").retry_after(seconds(3)),
        Reply::status("Succeeded"),
    ]);
    let monitor = "/operations/00000001-add9-4ef7-9788-1635bed9a87e";
    assert_eq!(
        lines(exact(), script).await,
        [
            "accepted, NotStarted".to_owned(),
            "waiting 1s, Backoff".to_owned(),
            "failed 1: Http(429)".to_owned(),
            "waiting 20s, RetryAfter".to_owned(),
            "failed 2: Service".to_owned(),
            "waiting 1.5s, Backoff".to_owned(),
            "failed 3: Body".to_owned(),
            "waiting 2.25s, Backoff".to_owned(),
            format!("moved {monitor} → {monitor}"),
            "polled Some(\"Running\")".to_owned(),
            "waiting 3s, RetryAfter".to_owned(),
            "polled Some(\"Succeeded\")".to_owned(),
            "finished Response, Succeeded".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_outcome_of_polls_is_one_finished_event() {
    for (layer, reply, outcome) in [
        (exact(), Reply::status("Failed"), "finished Response, Failed"),
        (exact(), Reply::http(204), "finished Response, Succeeded"),
        (exact().timeout(seconds(9)), Reply::status("Running"), "finished Timeout, Running"),
        (exact().max_consecutive_failures(0), Reply::http(200).fault(Fault::Refused), "finished Service, NotStarted"),
        (
            exact().max_consecutive_failures(0),
            Reply::status("").fault(Fault::BrokenAfter(1)),
            "finished Body, NotStarted",
        ),
        (exact(), Reply::http(403), "finished Monitor, NotStarted"),
        (exact(), Reply::status("x").header("operation-location", "https://evil.test"), "finished Address, Running"),
        (exact(), Reply::json("{}"), "finished Status, NotStarted"),
        (exact().error_on_failure(true), Reply::status("Failed"), "finished Failed, Failed"),
    ] {
        let lines = lines(layer, polls([reply])).await;
        assert_eq!(lines.last().unwrap(), outcome);
        assert_eq!(lines.iter().filter(|line| line.starts_with("finished")).count(), 1);
        assert_eq!(lines.iter().filter(|line| line.starts_with("accepted")).count(), 1);
    }
    let refused = Script::new(Reply::http(202).header("operation-location", "ftp://example.com"));
    assert_eq!(lines(exact(), refused).await, ["accepted, NotStarted", "finished Address, NotStarted"]);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_is_an_event() {
    let (layer, recorded) = recorded(exact());
    let mut operation = tokio_test::task::spawn(layer.layer(Simulator::new()).oneshot(start()));
    assert!(operation.poll().is_pending());
    drop(operation);
    assert_eq!(recorded.lock().unwrap().last().unwrap(), "finished Dropped, NotStarted");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_future_that_resumes_and_was_never_polled_is_an_event() {
    let (layer, recorded) = recorded(exact());
    let request = http::Request::get(START).extension(Resume::new()).body(SimulatorBody::default()).unwrap();
    drop(layer.layer(Simulator::new()).call(request));
    assert_eq!(*recorded.lock().unwrap(), ["resumed, NotStarted", "finished Dropped, NotStarted"]);
}

#[tokio::test(start_paused = true)]
async fn a_pass_through_is_no_event() {
    assert_eq!(lines(exact(), Script::azure_maps_invalid()).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn observers_are_called_in_order_and_one_that_panics_harms_nothing() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (layer, before) = recorded(exact());
    /// Panics when it is dropped.
    struct Worse;
    impl Drop for Worse {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("and again");
            }
        }
    }
    let layer = layer.on_event(|_| panic!("an observer")).on_event(|_| std::panic::panic_any(Worse));
    let (layer, after) = recorded(layer);
    let (outcome, _) = play(layer, Script::azure_maps()).await;
    std::panic::set_hook(quiet);
    assert_eq!(outcome.unwrap().status(), 200);
    assert_eq!(*before.lock().unwrap(), *after.lock().unwrap());
    assert_eq!(before.lock().unwrap().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_operation_knows_the_location_of_its_start_response() {
    let start = Reply::http(202).header("operation-location", "/operations/{id}").header("location", "/maps/1");
    let resources = Arc::new(Mutex::new(Vec::new()));
    let layer = exact().on_event({
        let resources = resources.clone();
        move |event| {
            if let Event::Accepted { operation, .. } = event {
                resources.lock().unwrap().extend(operation.resource().map(|uri| uri.path().to_owned()));
            }
        }
    });
    play(layer, Script::azure_maps().start(start)).await.0.unwrap();
    assert_eq!(*resources.lock().unwrap(), ["/maps/1"]);
}

/// An observer may wait for a request of its own through the same client.
#[tokio::test(start_paused = true)]
async fn observers_are_called_while_no_permit_of_the_service_below_is_held() {
    let refused = Script::azure_maps().polls([Reply::http(200).fault(Fault::Refused), Reply::status("Succeeded")]);
    let late = Script::azure_maps().polls([Reply::status("Running").delay(seconds(3600))]);
    let unmatched = exact().protocols([Protocol::fhir()]);
    for (layer, script, last) in [
        (exact(), refused, "Finished"),
        (exact().timeout(seconds(20)), late, "Finished"),
        (unmatched, Script::azure_maps(), "Unmatched"),
    ] {
        let limited = ConcurrencyLimit::new(Simulator::new().script(script), 1);
        let reported = Arc::new(Mutex::new(Vec::new()));
        let layer = layer.on_event({
            let (limited, reported) = (limited.clone(), reported.clone());
            move |event| {
                let other = limited.clone();
                let ready = ServiceExt::<http::Request<SimulatorBody>>::ready_oneshot(other).now_or_never();
                reported.lock().unwrap().push((format!("{event:?}"), ready.is_some()));
            }
        });
        drop(layer.layer(limited).oneshot(start()).await);
        let reported = reported.lock().unwrap();
        assert!(reported.last().is_some_and(|(event, _)| event.starts_with(last)), "{reported:?}");
        assert!(reported.iter().all(|(_, is_free)| *is_free), "{reported:?}");
    }
}
