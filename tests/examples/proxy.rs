//! The gateway as a proxy: addresses, headers, event streams and upgraded connections, over real sockets.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_lro::{
    Protocol,
    simulator::{Script, Simulator},
};

use crate::{common, run::Serving};

/// Nothing here takes as long.
const LONG: Duration = Duration::from_secs(20);

async fn serve(service: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

#[tokio::test]
async fn addresses_of_the_service_point_at_the_gateway() {
    let answer = |request: Request| async move {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        let path = request.uri().path().to_owned();
        let here = format!("http://{host}");
        let links = format!("<{here}/base/next>; rel=next, </base/last>; rel=last, <https://other.test/>; rel=up");
        let headers = [
            ("location", format!("{here}{path}/uploads/1?digest=x")),
            ("content-location", "/base/uploads/2".to_owned()),
            ("operation-location", format!("\"{here}/base/operations/3\"")),
            ("azure-asyncoperation", "https://other.test/base/4".to_owned()),
            ("resource-location", format!("{here}/elsewhere/5")),
            ("x-not-an-address", format!("{here}/base/6")),
            ("link", links),
        ];
        // A status that announces nothing.
        (
            StatusCode::CREATED,
            headers.map(|(name, value)| [(name, value)]).into_iter().flatten().collect::<Vec<_>>().into_iter().fold(
                HeaderMap::new(),
                |mut all, (name, value)| {
                    all.insert(name, value.parse().unwrap());
                    all
                },
            ),
        )
    };
    let upstream = serve(Router::new().fallback(answer)).await;
    let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}/base")]);
    let response = client().post(gateway.url("/v2/blobs")).body("x").send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(response.status(), 201);
    assert_eq!(header("location"), gateway.url("/v2/blobs/uploads/1?digest=x"));
    assert_eq!(header("content-location"), "/uploads/2");
    assert_eq!(header("operation-location"), format!("\"{}\"", gateway.url("/operations/3")));
    assert_eq!(header("azure-asyncoperation"), "https://other.test/base/4");
    assert_eq!(header("resource-location"), format!("http://{upstream}/elsewhere/5"), "it is not behind the gateway");
    assert_eq!(header("x-not-an-address"), format!("http://{upstream}/base/6"));
    let expected = format!("<{}>; rel=next, </last>; rel=last, <https://other.test/>; rel=up", gateway.url("/next"));
    assert_eq!(header("link"), expected);

    // As the client of another proxy before it sees them.
    let request = client().post(gateway.url("/v2/blobs")).header("x-forwarded-host", "api.test");
    let response = request.header("x-forwarded-proto", "https").send().await.unwrap();
    assert_eq!(response.headers()["location"], "https://api.test/v2/blobs/uploads/1?digest=x");

    // And of several, which have appended what they were asked for.
    let request = client().post(gateway.url("/v2/blobs")).header("x-forwarded-host", "api.test, inner.test:81");
    let response = request.header("x-forwarded-proto", "https, http").send().await.unwrap();
    assert_eq!(response.headers()["location"], "https://api.test/v2/blobs/uploads/1?digest=x");
}

#[tokio::test]
async fn the_service_is_told_who_asks() {
    let answer = |request: Request| async move {
        let names = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via", "upgrade"];
        let value = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        names.map(|name| format!("{name}: {:?}\n", value(name))).concat()
    };
    let upstream = serve(Router::new().fallback(answer)).await;
    let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}")]);
    let host = gateway.url("").replace("http://", "");
    let plain = client().get(gateway.url("/")).send().await.unwrap().text().await.unwrap();
    let expected = [
        format!("host: Some({:?})", upstream.to_string()),
        "x-forwarded-for: Some(\"127.0.0.1\")".to_owned(),
        format!("x-forwarded-host: Some({host:?})"),
        "x-forwarded-proto: Some(\"http\")".to_owned(),
        "via: Some(\"1.1 gateway\")".to_owned(),
        "upgrade: None\n".to_owned(),
    ];
    assert_eq!(plain, expected.join("\n"));
    let request =
        client().get(gateway.url("/")).header("x-forwarded-for", "192.0.2.1").header("x-forwarded-proto", "https");
    let behind = request.send().await.unwrap().text().await.unwrap();
    assert!(behind.contains("x-forwarded-for: Some(\"192.0.2.1, 127.0.0.1\")"), "{behind}");
    assert!(behind.contains("x-forwarded-proto: Some(\"https\")"), "{behind}");
}

#[tokio::test]
async fn a_service_that_believes_who_asks_is_polled_where_it_is() {
    let answer = |request: Request| async move {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let monitor = format!("{}://{}/operations/1", header("x-forwarded-proto"), header("x-forwarded-host"));
        match request.uri().path() {
            "/base/operations/1" => {
                (StatusCode::OK, [("x-monitor", monitor)], r#"{"status": "Succeeded"}"#).into_response()
            }
            _ => (StatusCode::ACCEPTED, [("operation-location", monitor)]).into_response(),
        }
    };
    let upstream = serve(Router::new().fallback(answer)).await;
    let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}/base")]);
    let response = client().post(gateway.url("/start")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.text().await.unwrap().as_str()),
        (200, r#"{"status": "Succeeded"}"#)
    );
}

#[tokio::test]
async fn it_speaks_the_protocols_that_it_is_given() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("gateway.json");
    std::fs::write(&file, serde_json::to_string(&Protocol::meilisearch()).unwrap()).unwrap();
    for (script, protocol, expected) in [
        (Script::lxd(), "lxd", r#""status_code": 200"#),
        (Script::meilisearch(), file.to_str().unwrap(), r#""status": "succeeded""#),
    ] {
        let upstream = common::serve(Simulator::new().script(script)).await.unwrap();
        let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}"), "--protocol", protocol]);
        let response = client().post(gateway.url("/start")).body("{}").send().await.unwrap();
        let body = response.text().await.unwrap();
        assert!(body.contains(expected), "{protocol}: {body}");
    }
}

#[tokio::test]
async fn event_streams_pass_as_they_come() {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<&str>();
    let receive = std::sync::Arc::new(tokio::sync::Mutex::new(receive));
    let answer = move |_: Request| {
        let receive = receive.clone();
        async move {
            let events = stream::unfold(receive, |receive| async move {
                let event = receive.lock().await.recv().await?;
                Some((Ok::<_, Infallible>(Bytes::from(event)), receive))
            });
            Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(events)).unwrap()
        }
    };
    let upstream = serve(Router::new().fallback(answer)).await;
    let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}"), "--protocol", "aip-151"]);
    let mut response = client().post(gateway.url("/events")).send().await.unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        send.send(event).unwrap();
        // The next is not sent before this one has arrived.
        let chunk = timeout(LONG, response.chunk()).await.unwrap().unwrap().unwrap();
        assert_eq!(chunk, event);
    }
    drop(send);
    assert_eq!(timeout(LONG, response.chunk()).await.unwrap().unwrap(), None);
}

/// Answers an upgrade, and sends back what comes then, in capitals; closes without one.
async fn shouting(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let head = read_head(&mut stream).await.to_ascii_lowercase();
            if !head.contains("\r\nupgrade: websocket\r\n") || !head.contains("\r\nconnection: upgrade\r\n") {
                let refusal = "HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n";
                return stream.write_all(refusal.as_bytes()).await.unwrap();
            }
            let key = head.contains("\r\nsec-websocket-key: key\r\n");
            let switch = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {key}\r\n\r\n"
            );
            stream.write_all(switch.as_bytes()).await.unwrap();
            let mut bytes = [0; 64];
            loop {
                match stream.read(&mut bytes).await {
                    Ok(read) if read > 0 => stream.write_all(&bytes[..read].to_ascii_uppercase()).await.unwrap(),
                    _ => break,
                }
            }
        });
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LONG, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn upgraded_connections_pass_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(shouting(listener));
    let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}")]);

    let mut stream = TcpStream::connect(gateway.url("").trim_start_matches("http://")).await.unwrap();
    let request = "GET /socket HTTP/1.1\r\nhost: gateway\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: key\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for header in ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: true"] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{header}: {head}");
    }
    for text in ["hello", "again"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = vec![0; text.len()];
        timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(answer, text.to_ascii_uppercase().into_bytes());
    }
    stream.shutdown().await.unwrap();
    assert_eq!(timeout(LONG, stream.read(&mut [0])).await.unwrap().unwrap(), 0);

    // Without an upgrade it is an ordinary response.
    let refused = client().get(gateway.url("/socket")).send().await.unwrap();
    assert_eq!(refused.status(), 426);
}

/// A request for an upgrade that does not concern the service is an ordinary request, with its body and its operation.
#[tokio::test]
async fn what_asks_for_http_2_or_has_a_body_goes_through_the_layer() {
    let answer = |request: Request| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 100).await.unwrap();
        match head.uri.path() {
            "/operations/1" => (StatusCode::OK, r#"{"status": "Succeeded"}"#).into_response(),
            _ if head.headers.contains_key("upgrade") || head.headers.contains_key("http2-settings") => {
                StatusCode::BAD_REQUEST.into_response()
            }
            _ if body == head.headers.get("x-body").map_or("", |body| body.to_str().unwrap()) => {
                (StatusCode::ACCEPTED, [("operation-location", "/operations/1")]).into_response()
            }
            _ => StatusCode::IM_A_TEAPOT.into_response(),
        }
    };
    let upstream = serve(Router::new().fallback(answer)).await;
    let gateway = Serving::start("gateway", &["--upstream", &format!("http://{upstream}")]);
    for (protocol, body) in [("h2c", "the body"), ("h2c", ""), ("websocket", "the body")] {
        let mut stream = TcpStream::connect(gateway.url("").trim_start_matches("http://")).await.unwrap();
        let request = format!(
            "POST /start HTTP/1.1\r\nhost: gateway\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: {protocol}\r\n\
             http2-settings: AAMAAABk\r\nx-body: {body}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{protocol}, {body:?}: {head}");
    }
}
