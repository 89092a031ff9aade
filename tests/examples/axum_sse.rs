//! The page that shows an operation live.

use serde_json::Value;

use crate::run::{Serving, prints};

/// The events of a stream: their names, and their data.
fn events(text: &str) -> Vec<(String, Value)> {
    let event = |line: &str| {
        let (name, data) = line.strip_prefix("event: ")?.split_once("data: ")?;
        Some((name.trim().to_owned(), serde_json::from_str(data).unwrap()))
    };
    text.lines().filter_map(event).collect()
}

fn assert_is_whole(events: &[(String, Value)]) {
    let Some(((last, outcome), progress)) = events.split_last() else { panic!("no events") };
    assert!(progress.iter().all(|(name, _)| name == "progress"), "{events:?}");
    let lines =
        |what: &'static str| progress.iter().filter(move |(_, data)| data["what"].as_str().unwrap().starts_with(what));
    assert_eq!((lines("accepted: ").count(), lines("waiting 0.3").count()), (1, 6));
    assert_eq!(lines("poll 3 failed: HTTP 503").count(), 1);
    let polls: Vec<_> = lines("poll").map(|(_, data)| (data["status"].as_str(), data["percent"].as_f64())).collect();
    let at = |word, percent| (Some(word), Some(percent));
    let running = |percent| at("Running", percent);
    let all =
        [at("NotStarted", 0.0), running(20.0), running(20.0), running(55.0), running(85.0), at("Succeeded", 100.0)];
    assert_eq!(polls, all);
    assert_eq!((last.as_str(), &outcome["ended"]), ("outcome", &"Succeeded after 6 polls".into()));
    assert!(outcome["text"].as_str().unwrap().contains(r#""percentComplete": 100}"#), "{outcome}");
}

#[test]
fn it_prints_what_a_browser_is_sent() {
    let printed = prints("axum_sse");
    assert!(printed.contains("GET / → 200 OK, "), "{printed}");
    assert!(printed.contains("POST /operations → 201 Created, /operations/1/events"), "{printed}");
    assert_is_whole(&events(&printed));
}

#[tokio::test]
async fn it_serves_a_page_that_needs_nothing_else_and_the_events_of_each_operation_once() {
    let server = Serving::start("axum_sse", &[]);
    let page = reqwest::get(server.url("/")).await.unwrap().text().await.unwrap();
    assert!(page.contains("new EventSource(") && page.contains("<progress "), "{page}");
    for elsewhere in ["http://", "https://", "src="] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }

    let browser = reqwest::Client::new();
    let started = browser.post(server.url("/operations")).send().await.unwrap();
    let address = server.url(started.headers()["location"].to_str().unwrap());
    let stream = browser.get(&address).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(browser.get(&address).send().await.unwrap().status(), 404);
    assert_is_whole(&events(&stream.text().await.unwrap().replace("\ndata: ", " data: ")));
}
