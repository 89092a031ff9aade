//! The fixture of the tests of secrets: a start request full of them, and every outcome that there is.

use http::{HeaderValue, Request};
use tower_lro::{
    LroLayer,
    simulator::{Fault, Reply, Script, SimulatorBody},
};

use crate::support::{exact, polls, seconds};

/// The secret of the start request and of the service's answers.
pub const SECRET: &str = "SECRET";

/// The signature of the service's own addresses, which work for everybody who knows them.
pub const SIGNATURE: &str = "SIGNED";

pub fn start() -> Request<SimulatorBody> {
    let mut key = HeaderValue::from_static("SECRET-key");
    key.set_sensitive(true);
    Request::post("https://atlas.microsoft.com/mapData?subscription-key=SECRET&code=SECRET&api-version=2.0")
        .header("authorization", "Bearer SECRET")
        .header("ocp-apim-subscription-key", key)
        .header("cookie", "SECRET")
        .header("accept", "application/json")
        .header("accept-language", "sv")
        .header("user-agent", "me")
        .extension("SECRET".to_owned())
        .body("SECRET".into())
        .unwrap()
}

pub fn outcomes() -> Vec<(LroLayer, Script)> {
    let monitor = |value: &str| Script::new(Reply::http(202).header("operation-location", value).header("x", SECRET));
    let body = |status| Reply::http(status).header("x", SECRET).body("SECRET {\"x\": \"SECRET\"}");
    vec![
        (exact(), polls([Reply::status("Succeeded").header("x", SECRET)])),
        (exact(), polls([Reply::json(r#"{"status": "Succeeded", "token": "SECRET"}"#)])),
        (exact(), polls([Reply::status("Failed").header("set-cookie", SECRET)])),
        (exact().error_on_failure(true), polls([Reply::json(r#"{"status": "Failed", "token": "SECRET"}"#)])),
        (exact().timeout(seconds(9)), polls([Reply::status("Running")])),
        (exact().max_consecutive_failures(1), polls([Reply::http(200).fault(Fault::Refused)])),
        (exact().max_consecutive_failures(1), polls([Reply::status("").fault(Fault::BrokenAfter(2))])),
        (exact(), polls([body(403)])),
        (exact().max_consecutive_failures(1), polls([body(503)])),
        (exact(), polls([body(200)])),
        (exact(), polls([Reply::http(307).header("location", "https://evil.test/?sig=SIGNED")])),
        (exact(), polls([Reply::http(303).header("location", "/resources/{id}?sig=SIGNED")])),
        (exact(), polls([Reply::status("Running").header("operation-location", "?sig=SIGNED"), Reply::http(403)])),
        (exact(), polls([Reply::status("Succeeded").header("resource-location", "/x?sig=SIGNED")])),
        (exact(), monitor("https://evil.test/?sig=SIGNED")),
        (exact(), monitor("https://u:SECRET@atlas.microsoft.com/")),
        (exact(), monitor("https://atlas.microsoft.com:SECRET/")),
        (exact(), monitor("ftp://atlas.microsoft.com/?SECRET")),
        (
            exact().allow_anonymous_origin("https://evil.test".parse().unwrap()),
            monitor("https://evil.test/operations/1"),
        ),
    ]
}
