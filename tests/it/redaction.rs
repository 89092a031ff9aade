//! Secrets are in no output, and in no request that they are not meant for.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use reqwest_middleware::ClientBuilder;
use tower::{Layer, ServiceExt};
use tower_lro::{Error, LroLayer, Operation, OperationError, ResponseExt, simulator::Simulator};

use crate::secrets_fixture::{SECRET, SIGNATURE, outcomes, start};

/// Everything that is printed about an operation under way.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<String>>);

impl Printed {
    fn of(layer: LroLayer) -> (Self, LroLayer) {
        let printed = Self::default();
        printed.add(format_args!("{layer:?} {layer:#?}"));
        let layer = layer.on_event({
            let printed = printed.clone();
            move |event| {
                let owned = tower_lro::OwnedEvent::from(event);
                printed.add(format_args!("{event:?} {owned:?}"));
                event.operation().into_iter().for_each(|operation| printed.operation(operation));
            }
        });
        (printed, layer)
    }

    fn add(&self, text: std::fmt::Arguments<'_>) {
        writeln!(self.0.lock().unwrap(), "{text}").unwrap();
    }

    fn operation(&self, operation: &Operation) {
        self.add(format_args!("{operation:?} {operation:#?} {:?} {:?}", operation.resume(), operation.error()));
        // The service's own addresses are stored whole.
        let stored = serde_json::to_string(operation).unwrap();
        assert!(!stored.contains(SECRET), "{stored}");
    }

    fn response(&self, response: impl ResponseExt) {
        self.operation(response.operation().unwrap());
        if let Err(error) = response.error_for_operation() {
            self.add(format_args!("{error} {error:?} {error:#?}"));
        }
    }

    fn error<E: std::fmt::Debug + std::fmt::Display>(&self, error: &OperationError<E>) {
        self.add(format_args!("{error} {error:?} {error:#?} {:?}", error.cause()));
        self.operation(error.operation());
    }

    fn check(&self, outcome: usize) {
        for line in self.0.lock().unwrap().lines() {
            assert!(!line.contains(SECRET) && !line.contains(SIGNATURE), "outcome {outcome}: {line}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_output_has_them_whatever_the_outcome() {
    for (index, (layer, script)) in outcomes().into_iter().enumerate() {
        let (printed, layer) = Printed::of(layer);
        let service = layer.layer(Simulator::new().script(script));
        match service.oneshot(start()).await {
            Ok(response) => {
                printed.add(format_args!("{:?}", response.body()));
                printed.response(response);
            }
            Err(error) => {
                printed.add(format_args!("{error} {error:?} {error:#?}"));
                let Error::Operation(error) = error else { panic!("{error:?}") };
                printed.error(&error);
            }
        }
        printed.check(index);
    }
}

#[tokio::test(start_paused = true)]
async fn no_output_has_them_through_the_middleware_either() {
    for (index, (layer, script)) in outcomes().into_iter().enumerate() {
        let (printed, layer) = Printed::of(layer);
        let transport = Simulator::new().script(script);
        let client = ClientBuilder::new(reqwest::Client::new()).with(layer).with(transport).build();
        let (head, _) = start().into_parts();
        let request = client.post(head.uri.to_string()).headers(head.headers).body(SECRET);
        match request.with_extension(SECRET.to_owned()).send().await {
            Ok(response) => printed.response(response),
            Err(error) => {
                printed.add(format_args!("{error} {error:?} {error:#?}"));
                printed.error(OperationError::find(&error).unwrap());
            }
        }
        printed.check(index);
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
                assert_eq!(request.body_bytes, 0);
                let names: Vec<_> = request.headers.keys().map(http::HeaderName::as_str).collect();
                assert_eq!(names, ["accept", "accept-language", "user-agent"]);
            }
        }
    }
}
