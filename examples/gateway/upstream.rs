//! The service behind the gateway: a simulated one, whose operations go as the path of their start request says.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::IntoResponse,
};
use reqwest::Url;
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_lro::simulator::{Reply, Script, Simulator};

/// Serves it on a free port.
pub async fn simulated() -> io::Result<Url> {
    let moment = Duration::from_millis(100);
    let running = || Reply::status("Running").retry_after(moment);
    let failed =
        r#"{"id": "{id}", "status": "Failed", "error": {"code": "InvalidFeature", "message": "It has no geometry."}}"#;
    let simulators: Arc<[_]> = [
        ("small", vec![running(), Reply::json(r#"{"id": "{id}", "status": "Succeeded"}"#)]),
        ("large", vec![running(), Reply::status_with_result("Succeeded", 10_000_000)]),
        ("failing", vec![running(), Reply::json(failed)]),
        ("endless", vec![running()]),
    ]
    .map(|(name, polls)| {
        let monitor = format!("{{origin}}/{name}/operations/{{id}}");
        let accepted = Reply::http(202).header("operation-location", &monitor).retry_after(moment);
        (name, Simulator::new().script(Script::new(accepted).polls(polls)))
    })
    .into();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer).with_state(simulators);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Url::parse(&format!("http://{address}")).map_err(io::Error::other)
}

async fn answer(
    State(simulators): State<Arc<[(&'static str, Simulator)]>>,
    request: Request,
) -> Result<impl IntoResponse, StatusCode> {
    let name = request.uri().path().split('/').nth(1).unwrap_or_default();
    let (_, simulator) = simulators.iter().find(|(known, _)| *known == name).ok_or(StatusCode::NOT_FOUND)?;
    simulator.clone().oneshot(request).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
