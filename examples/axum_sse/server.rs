//! The server: the page, a request that starts an operation, and the stream of what happens to it.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, State},
    http::{Request, Response, StatusCode, header::LOCATION},
    response::{
        Html, IntoResponse,
        sse::{self, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower::{Layer, ServiceExt};
use tower_lro::{
    Event, Events, Lro, LroBody, LroLayer, Outcome, OwnedEvent, ResponseExt,
    simulator::{ConnectionLost, Reply, Script, Simulator, SimulatorBody},
};

struct Server {
    settings: LroLayer,
    client: Lro<Simulator>,
    operations: Mutex<Operations>,
}

/// The operations that nobody has asked for yet. A real server would forget them after a while.
#[derive(Default)]
struct Operations {
    started: u64,
    unread: HashMap<u64, Unread>,
}

struct Unread {
    events: Events,
    outcome: JoinHandle<Value>,
}

pub fn router() -> Router {
    let settings = LroLayer::new().timeout(Duration::from_secs(60));
    let client = settings.layer(simulator());
    let server = Server { settings, client, operations: Mutex::default() };
    Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/operations", post(start))
        .route("/operations/{number}/events", get(events))
        .with_state(Arc::new(server))
}

/// A service that says how far it is, and asks to be polled three times a second.
fn simulator() -> Simulator {
    let moment = Duration::from_millis(333);
    let status = |word: &str, percent: u8| {
        Reply::json(format!(r#"{{"id": "{{id}}", "status": "{word}", "percentComplete": {percent}}}"#))
            .retry_after(moment)
    };
    Simulator::new().script(Script::new(Reply::accepted().retry_after(moment)).polls([
        status("NotStarted", 0),
        status("Running", 20),
        Reply::http(503).retry_after(moment),
        status("Running", 55),
        status("Running", 85),
        status("Succeeded", 100),
    ]))
}

/// The operation goes on whether or not anybody looks at it: a page that is closed drops the stream only.
async fn start(State(server): State<Arc<Server>>) -> Result<impl IntoResponse, StatusCode> {
    // The settings of this one request, and a stream of what happens to its operation.
    let (settings, events) = server.settings.clone().events();
    let request = Request::post("https://service.example/conversions")
        .extension(settings)
        .body(SimulatorBody::from("a drawing package"))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let response = server.client.clone().oneshot(request);
    let outcome = tokio::spawn(async { outcome(response.await).await });

    let mut operations = server.operations.lock().unwrap_or_else(PoisonError::into_inner);
    operations.started += 1;
    let number = operations.started;
    operations.unread.insert(number, Unread { events, outcome });
    Ok((StatusCode::CREATED, [(LOCATION, format!("/operations/{number}/events"))]))
}

async fn events(
    State(server): State<Arc<Server>>,
    Path(number): Path<u64>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, StatusCode> {
    let mut operations = server.operations.lock().unwrap_or_else(PoisonError::into_inner);
    let Unread { events, outcome } = operations.unread.remove(&number).ok_or(StatusCode::NOT_FOUND)?;
    // The events end when the response is there.
    let outcome = stream::once(async {
        outcome.await.unwrap_or_else(|error| json!({"ended": "The server broke down.", "text": error.to_string()}))
    });
    let progress = events.map(|event| sse::Event::default().event("progress").data(progress(&event).to_string()));
    let outcome = outcome.map(|outcome| sse::Event::default().event("outcome").data(outcome.to_string()));
    Ok(Sse::new(progress.chain(outcome).map(Ok)).keep_alive(KeepAlive::default()))
}

fn progress(event: &OwnedEvent) -> Value {
    let Some(operation) = event.operation() else { return json!({"what": format!("{event:?}")}) };
    let what = match event.as_event() {
        Event::Accepted { .. } => format!("accepted: the operation is at {}", operation.monitor().path()),
        Event::Waiting { delay, .. } => format!("waiting {:.2} s", delay.as_secs_f64()),
        Event::Polled { .. } => {
            format!("poll {}: {}", operation.polls(), operation.status().unwrap_or("no status yet"))
        }
        Event::PollFailed { failure, retry_in: Some(delay), .. } => {
            format!("poll {} failed: {failure}, retrying in {:.1} s", operation.polls(), delay.as_secs_f64())
        }
        Event::PollFailed { failure, .. } => format!("poll {} failed: {failure}", operation.polls()),
        Event::Moved { .. } => format!("moved to {}", operation.monitor().path()),
        Event::Finished { outcome: Outcome::Response, .. } => format!("finished: {:?}", operation.state()),
        Event::Finished { outcome, .. } => format!("did not complete: {outcome}"),
        other => format!("{other:?}"),
    };
    json!({"what": what, "status": operation.status(), "percent": operation.percent_complete()})
}

/// The last message to the page.
async fn outcome(result: Result<Response<LroBody<SimulatorBody>>, tower_lro::Error<ConnectionLost>>) -> Value {
    let response = match result {
        Ok(response) => response,
        Err(error) => return json!({"ended": "It did not complete.", "text": error.to_string()}),
    };
    let ended = response.operation().map_or_else(
        || format!("It was answered {}.", response.status()),
        |operation| format!("{:?} after {} polls", operation.state(), operation.polls()),
    );
    match response.into_body().collect().await {
        Ok(body) => json!({"ended": ended, "text": String::from_utf8_lossy(&body.to_bytes())}),
        Err(error) => json!({"ended": ended, "text": error.to_string()}),
    }
}
