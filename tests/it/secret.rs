//! Secrets are in no output, and in no request that they are not meant for.

use std::sync::{Arc, Mutex};

use http::{HeaderValue, Request};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Error, LroLayer, ResponseExt,
    simulator::{Fault, Reply, Script, Simulator, SimulatorBody},
};

use crate::support::{exact, polls, seconds};

const SECRET: &str = "SECRET";

fn start() -> Request<SimulatorBody> {
    let mut key = HeaderValue::from_static("SECRET-key");
    key.set_sensitive(true);
    Request::post("https://atlas.microsoft.com/mapData?subscription-key=SECRET&code=SECRET&api-version=2.0")
        .header("authorization", "Bearer SECRET")
        .header("ocp-apim-subscription-key", key)
        .header("cookie", "SECRET")
        .extension("SECRET".to_owned())
        .body("SECRET".into())
        .unwrap()
}

fn outcomes() -> Vec<(LroLayer, Script)> {
    let monitor = |value: &str| Script::new(Reply::http(202).header("operation-location", value).header("x", SECRET));
    let body = |status| Reply::http(status).header("x", SECRET).body("SECRET {\"x\": \"SECRET\"}");
    vec![
        (exact(), polls([Reply::status("Succeeded").header("x", SECRET)])),
        (exact(), polls([Reply::json(r#"{"status": "Succeeded", "token": "SECRET"}"#)])),
        (exact(), polls([Reply::status("Failed").header("set-cookie", SECRET)])),
        (exact().error_on_failure(true), polls([Reply::json(r#"{"status": "Failed", "token": "SECRET"}"#)])),
        (exact().timeout(seconds(9)), polls([Reply::status("Running")])),
        (exact().max_failures(1), polls([Reply::http(200).fault(Fault::Refused)])),
        (exact().max_failures(1), polls([Reply::status("").fault(Fault::BrokenAfter(2))])),
        (exact(), polls([body(403)])),
        (exact().max_failures(1), polls([body(503)])),
        (exact(), polls([body(200)])),
        (exact(), polls([Reply::http(307).header("location", "https://evil.test/?sig=SECRET")])),
        (exact(), polls([Reply::http(303).header("location", "/resources/{id}?sig=SECRET")])),
        (exact(), polls([Reply::status("Running").header("operation-location", "?sig=SECRET"), Reply::http(403)])),
        (exact(), polls([Reply::status("Succeeded").header("resource-location", "/x?sig=SECRET")])),
        (exact(), monitor("https://evil.test/?sig=SECRET")),
        (exact(), monitor("https://u:SECRET@atlas.microsoft.com/")),
        (exact(), monitor("https://atlas.microsoft.com:SECRET/")),
        (exact(), monitor("ftp://atlas.microsoft.com/?SECRET")),
        (exact().allow_origin("https://evil.test".parse().unwrap()), monitor("https://evil.test/operations/1")),
    ]
}

#[tokio::test(start_paused = true)]
async fn no_output_has_them_whatever_the_outcome() {
    for (index, (layer, script)) in outcomes().into_iter().enumerate() {
        let printed = Arc::new(Mutex::new(Vec::new()));
        let layer = layer.on_event({
            let printed = printed.clone();
            move |event| printed.lock().unwrap().push(format!("{event:?} {:?}", event.operation()))
        });
        let service = layer.layer(Simulator::new().script(script));
        let future = service.oneshot(start());
        printed.lock().unwrap().push(format!("{layer:?}"));
        let outcome = future.await;
        let mut printed = printed.lock().unwrap();
        match outcome {
            Ok(response) => {
                printed.push(format!("{:?}", response.body()));
                printed.push(format!("{:?}", response.operation().unwrap()));
                if let Err(error) = response.error_for_operation() {
                    printed.push(format!("{error} {error:?} {:?}", error.failure()));
                }
            }
            Err(error) => {
                printed.push(format!("{error} {error:?} {error:#?}"));
                if let Error::Operation(error) = &error {
                    printed.push(format!("{error} {error:?} {:?} {:?}", error.cause(), error.operation()));
                    printed.push(format!("{:?}", error.operation().resume()));
                }
            }
        }
        for line in printed.iter() {
            assert!(!line.contains(SECRET), "outcome {index}: {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_other_origin_gets_them_and_flags_survive_where_they_go() {
    for (layer, script) in outcomes() {
        let simulator = Simulator::new().script(script).recording();
        let _ = layer.layer(simulator.clone()).oneshot(start()).await;
        for request in &simulator.recorded()[1..] {
            if request.uri.host() == Some("atlas.microsoft.com") {
                assert_eq!(request.headers["authorization"], "Bearer SECRET");
                assert!(request.headers["ocp-apim-subscription-key"].is_sensitive());
                assert!(!request.headers["cookie"].is_sensitive());
            } else {
                assert_eq!(request.uri.host(), Some("evil.test"));
                assert!(!request.uri.to_string().contains(SECRET), "{}", request.uri);
                assert!(request.headers.is_empty(), "{:?}", request.headers);
            }
        }
    }
}
