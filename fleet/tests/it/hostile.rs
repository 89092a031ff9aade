//! Write access to the queue gives no key: hostile jobs, a server of the attacker's, and what it gets to see.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fleet::{
    http_server::Server,
    local::{Kind, LocalQueue},
    queue::{Queue, State},
    service::{Behavior, TestService},
    table::table,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_lro::Protocol;

use crate::crew::{KEY, LIMIT, TestWorker, all_ended, here, id, job, options, queue, tenants};

/// Records everything, and answers whatever might make a client come back.
struct Attacker {
    server: Server,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Attacker {
    async fn start() -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let server = Server::start("127.0.0.1:0", move |request: Request<Incoming>| {
            let seen = seen.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                seen.lock().unwrap().push(format!("{head:?} {body:?} {:?}", head.headers.iter().collect::<Vec<_>>()));
                Response::builder()
                    .header("operation-location", "/again")
                    .header("retry-after-ms", "10")
                    .body(Full::from(r#"{"status":"Running"}"#))
                    .unwrap()
            }
        });
        Self { server: server.await.unwrap(), requests }
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }
}

/// Writes into the queue's file what no worker would.
fn overwrite(local: &LocalQueue, job: &str, envelope: &str) {
    let path = local.address().strip_prefix("sqlite:").unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    let changed =
        connection.execute("UPDATE jobs SET envelope = ?2, due = 0, worker = NULL WHERE id = ?1", [job, envelope]);
    assert_eq!(changed.unwrap(), 1);
}

/// An operation as a worker has stored it.
async fn stored_operation(queue: &Arc<dyn Queue>, service: &TestService) -> Value {
    queue.accept(&[job("model")]).await.unwrap();
    service.change(|behavior| behavior.delay = Duration::from_secs(600));
    let worker = TestWorker::start(queue, &service.endpoint(), options());
    let envelope = crate::crew::until("it is stored", async || {
        let entry = queue.show(&id("model")).await.unwrap()?;
        entry.envelope.contains("\"operation\":").then_some(entry.envelope)
    });
    let mut envelope: Value = serde_json::from_str(&envelope.await).unwrap();
    // The next one is the last: nothing to wait for.
    envelope["operation"]["failures"] = json!(10);
    worker.stop().await;
    service.change(|behavior| behavior.delay = Duration::from_millis(20));
    envelope
}

/// Everything that can be written for an operation.
fn edits(model: &Value, attacker: &Attacker, other: &str) -> Vec<Value> {
    let (evil, host) = (attacker.uri("/collect?x=1"), attacker.uri(""));
    let with = |edits: &[(&str, Value)]| {
        let mut envelope = model.clone();
        for (member, value) in edits {
            envelope["operation"][*member] = value.clone();
        }
        envelope
    };
    let start = json!({"method": "POST", "uri": attacker.uri("/jobs")});
    let user_info = model["operation"]["monitor"].as_str().unwrap().replace("http://", &format!("{host}@"));
    let mut all = vec![
        with(&[("monitor", json!(evil))]),
        with(&[("monitor", json!(evil)), ("start", start.clone())]),
        with(&[("monitor", json!(evil)), ("start", Value::Null)]),
        with(&[("monitor", json!(evil)), ("anonymous", json!(true))]),
        with(&[("monitor", json!(evil)), ("anonymous", json!(false))]),
        with(&[("monitor", json!(user_info))]),
        with(&[("monitor", json!(format!("{other}operations/0")))]),
        with(&[("start", start)]),
        with(&[("state", json!("Succeeded")), ("result", json!({"uri": evil}))]),
        with(&[("state", json!("Succeeded")), ("result", json!({"uri": evil, "anonymous": true}))]),
        with(&[("version", json!(2))]),
        with(&[("version", json!("1"))]),
        with(&[("protocol", json!("of-nobody"))]),
        with(&[("monitor", json!("/collect"))]),
        with(&[("monitor", json!("ftp://example.com/"))]),
        with(&[("monitor", json!(attacker.uri("/collect").replace("http:", "")))]),
        with(&[("rule", json!(255)), ("monitor", json!(evil))]),
    ];
    for protocol in Protocol::known() {
        let name = json!(protocol.name());
        for member in ["resource", "location"] {
            all.push(with(&[("protocol", name.clone()), (member, json!(evil))]));
        }
        all.push(with(&[("protocol", name.clone()), ("monitor", json!(evil)), ("resource", json!(evil))]));
        all.push(with(&[("protocol", name), ("state", json!("Succeeded")), ("result", json!({"uri": evil}))]));
    }
    all
}

/// Starts, tenants, and what is no job at all.
fn other_envelopes(model: &Value, attacker: &Attacker) -> Vec<String> {
    let start = |path: &str| {
        let start =
            json!({"request_id": "1", "first_sent": "x", "path": path, "content_type": "text/plain", "body": ""});
        json!({"tenant": "acme", "start": start}).to_string()
    };
    let host = attacker.server.address();
    let mut nobody = model.clone();
    nobody["tenant"] = json!("nobody");
    vec![
        start(&attacker.uri("/collect")),
        start(&format!("//{host}/collect")),
        start(&format!("@{host}/collect")),
        start(&format!(".{host}/")),
        start(&format!("\\\\{host}\\collect")),
        start("/jobs\r\nhost: evil"),
        json!({"tenant": "acme", "start": {"path": "/"}}).to_string(),
        nobody.to_string(),
        json!({"tenant": "acme"}).to_string(),
        json!({"tenant": "acme", "endpoint": attacker.uri("/"), "operation": model["operation"]}).to_string(),
        String::new(),
        "[".repeat(100_000),
        "\0".to_owned(),
    ]
}

#[tokio::test]
async fn hostile_jobs_get_no_key() {
    let (local, queue) = queue(Kind::Sqlite, here!()).await.unwrap();
    let service = TestService::start("127.0.0.1:0", Behavior::default()).await.unwrap();
    let other = TestService::start("127.0.0.1:0", Behavior { key: "another".to_owned(), ..Behavior::default() });
    let other = other.await.unwrap();
    let attacker = Attacker::start().await;
    let model = stored_operation(&queue, &service).await;

    let mut envelopes: Vec<String> = edits(&model, &attacker, &other.endpoint()).iter().map(Value::to_string).collect();
    envelopes.extend(other_envelopes(&model, &attacker));
    let names: Vec<_> = (0..envelopes.len()).map(|number| format!("hostile-{number}")).collect();
    queue.accept(&names.iter().map(|name| job(name)).collect::<Vec<_>>()).await.unwrap();
    for (name, envelope) in names.iter().zip(&envelopes) {
        overwrite(&local, name, envelope);
    }
    overwrite(&local, "model", &model.to_string());

    // By a protocol that the service does not speak, some are running for ever.
    let worker = TestWorker::with(&queue, &service.endpoint(), options(), |tenant| tenant.timeout_s = Some(5));
    let ended = tokio::time::timeout(LIMIT / 2, all_ended(&*queue)).await;
    assert!(ended.is_ok(), "{}", table(&queue.list(10).await.unwrap()));
    worker.stop().await;

    let requests = attacker.requests.lock().unwrap().clone();
    assert!(requests.is_empty(), "the attacker was asked: {requests:#?}");
    assert_eq!(other.seen().unauthorized, 0, "another service was asked");
    // The honest one among them is served.
    assert!(matches!(queue.show(&id("model")).await.unwrap().unwrap().state, State::Finished(..)));
    for entry in queue.list(1000).await.unwrap() {
        assert!(!format!("{entry:?}").contains(KEY), "the key is in the queue: {entry:?}");
    }
    let file = std::fs::read(local.address().strip_prefix("sqlite:").unwrap()).unwrap();
    assert!(!file.windows(KEY.len()).any(|window| window == KEY.as_bytes()));
}

/// The second lock, by itself: a request that nobody has judged.
#[tokio::test]
async fn key_goes_to_the_tenants_origin_only() {
    let service = TestService::start("127.0.0.1:0", Behavior::default()).await.unwrap();
    let attacker = Attacker::start().await;
    let tenants = tenants(&service.endpoint(), |_| {}, Duration::from_secs(10)).0;
    let client = tenants.get("acme").unwrap().client();
    for (uri, status) in [(service.endpoint(), 404), (attacker.uri("/"), 200)] {
        let request = Request::get(uri).body(Full::default()).unwrap();
        assert_eq!(client.clone().oneshot(request).await.unwrap().status(), status);
    }
    assert_eq!(service.seen().unauthorized, 0);
    let requests = attacker.requests.lock().unwrap().clone();
    assert!(requests.len() == 1 && !requests[0].contains(KEY), "{requests:?}");
}
