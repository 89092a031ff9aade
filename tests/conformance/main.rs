//! The scenarios of long-running operations in Azure's own specifications, driven through the layer.
//!
//! Their mock services come from npm: `npm ci --ignore-scripts --prefix tests/conformance`. Without that there is nothing to
//! drive, which is said in a line.

mod scenarios;
mod spector;

use std::{
    collections::HashMap,
    io::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use reqwest_middleware::ClientBuilder;
use serde_json::Value;
use tower::{Layer, ServiceExt};
use tower_lro::{Backoff, LroLayer, Operation, OperationState, ResponseExt};

use self::{
    scenarios::{Scenario, scenarios},
    spector::Spector,
};

#[derive(Clone, Copy)]
enum Integration {
    Tower,
    Middleware,
}

/// The final response.
struct Ended {
    status: u16,
    body: Value,
    operation: Option<Operation>,
}

impl Integration {
    async fn send(self, layer: LroLayer, method: &str, url: &str, body: String) -> Result<Ended, String> {
        let (status, operation, body) = match self {
            Self::Tower => {
                let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
                let request = http::Request::builder()
                    .method(method)
                    .uri(url)
                    .header("content-type", "application/json")
                    .body(Full::from(body))
                    .map_err(|error| error.to_string())?;
                let response = layer.layer(client).oneshot(request).await.map_err(|error| format!("{error:?}"))?;
                let (status, operation) = (response.status(), response.operation().cloned());
                let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
                (status, operation, body.to_bytes())
            }
            Self::Middleware => {
                let client = ClientBuilder::new(reqwest::Client::new()).with(layer).build();
                let request = client.request(method.parse().map_err(|_| "no method")?, url);
                let request = request.header("content-type", "application/json").body(body);
                let response = request.send().await.map_err(|error| format!("{error:?}"))?;
                let (status, operation) = (response.status(), response.operation().cloned());
                (status, operation, response.bytes().await.map_err(|error| error.to_string())?)
            }
        };
        Ok(Ended { status: status.as_u16(), body: serde_json::from_slice(&body).unwrap_or_default(), operation })
    }

    /// Plays a scenario, and compares what it came to with what the specification says.
    async fn play(self, base: &str, scenario: &Scenario) -> Result<String, String> {
        let mut verdict = Err("nothing is sent".to_owned());
        for url in scenario.urls(base) {
            verdict = self.play_at(&url, scenario).await;
            if verdict.is_err() {
                break;
            }
        }
        verdict
    }

    async fn play_at(self, url: &str, scenario: &Scenario) -> Result<String, String> {
        let layer = LroLayer::new()
            .protocols([scenario.protocol.clone()])
            .backoff(Backoff::constant(Duration::from_millis(20)));
        let ended = self.send(layer.clone(), scenario.method, url, scenario.body_text()).await?;
        let state = ended.operation.as_ref().map(Operation::state);
        if state != scenario.has_operation.then_some(OperationState::Succeeded) {
            return Err(format!("came to {state:?}"));
        }
        if ended.status != scenario.status || !(scenario.is_expected)(&ended.body) {
            return Err(format!("{} {}", ended.status, ended.body));
        }
        // The pages after the first are the caller's to fetch; a scenario that has some wants to see it done.
        if let Some(next) = ended.body["nextLink"].as_str() {
            let page = self.send(layer, "GET", next, String::new()).await?;
            if page.body["value"][0]["name"] != "product2" {
                return Err(format!("{} {}", page.status, page.body));
            }
        }
        let polls = ended.operation.as_ref().map_or(0, Operation::polls);
        Ok(format!("{}, {polls} polls", ended.status))
    }
}

#[tokio::test]
async fn the_scenarios_of_azures_specifications() {
    // The test harness would capture what is printed, and this is to be seen.
    let mut terminal = io::stderr();
    let mut verdicts: HashMap<_, Vec<_>> = HashMap::new();
    for integration in [Integration::Tower, Integration::Middleware] {
        // Its services keep count of the polls of all clients, and some do not begin anew.
        let spector = match Spector::start() {
            Ok(spector) => spector,
            Err(why) => {
                writeln!(terminal, "conformance: skipped: {why}").unwrap();
                return;
            }
        };
        for scenario in scenarios() {
            let verdict = integration.play(spector.base(), &scenario).await;
            verdicts.entry(scenario.name).or_default().push(verdict);
        }
        let coverage = spector.stop().await;
        for (name, verdicts) in &mut verdicts {
            let last = verdicts.last_mut().unwrap();
            if last.is_ok() && coverage[name] != "pass" {
                *last = Err(format!("{} to spector", coverage[name]));
            }
        }
    }
    writeln!(terminal, "\n{:<75} {:<15} reqwest-middleware", "scenario", "tower").unwrap();
    for scenario in scenarios() {
        let [tower, middleware] = &verdicts[scenario.name][..] else { panic!() };
        let show = |verdict: &Result<String, String>| verdict.clone().unwrap_or_else(|why| format!("FAILED: {why}"));
        writeln!(terminal, "{:<75} {:<15} {}", scenario.name, show(tower), show(middleware)).unwrap();
    }
    assert!(verdicts.values().flatten().all(Result::is_ok));
}
