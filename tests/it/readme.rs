//! The README's code: each block is one of the files in `readme/`, which are run here against the simulator.

use std::time::Duration;

use reqwest_middleware::ClientBuilder;
use tower_lro::{
    LroLayer,
    simulator::{Reply, Script, Simulator},
};

use crate::support::Server;

#[path = "readme/reqwest_client.rs"]
mod reqwest_client;
#[path = "readme/simulated.rs"]
mod simulated;
#[path = "readme/tasks.rs"]
mod tasks;
#[path = "readme/tower_stacks.rs"]
mod tower_stacks;

const README: &str = include_str!("../../README.md");

/// Serves operations that take a few milliseconds.
async fn quick_service() -> Server {
    let moment = Duration::from_millis(20);
    let polls = [
        Reply::status("Running").retry_after(moment),
        Reply::json(r#"{"status": "Succeeded", "pages": 3}"#).header("resource-location", "{origin}/resources/{id}"),
    ];
    let script = Script::new(Reply::accepted().retry_after(moment)).polls(polls);
    Server::of(&Simulator::new().script(script)).await
}

#[test]
fn the_readme_has_these_snippets_and_is_short() {
    for snippet in [
        include_str!("readme/reqwest_client.rs"),
        include_str!("readme/simulated.rs"),
        include_str!("readme/tasks.rs"),
        include_str!("readme/tower_stacks.rs"),
    ] {
        // Behind the line that says what the file is.
        let (_, code) = snippet.split_once("\n\n").unwrap();
        assert!(README.contains(&format!("```rust\n{code}```\n")), "the README does not have this:\n{code}");
    }
    assert!(README.lines().count() <= 150, "{}", README.lines().count());
    assert!(README.lines().position(|line| line.starts_with("```rust")).unwrap() < 24);
}

#[tokio::test]
async fn the_first_snippet_returns_the_typed_result() {
    let service = quick_service().await;
    let report = reqwest_client::analyze(&service.url("/reports"), "key", b"a file".to_vec()).await.unwrap();
    assert_eq!(report.pages, 3);
}

#[tokio::test]
async fn the_tower_snippets_return_the_final_response() {
    let service = quick_service().await;
    let url = service.url("/reports");
    let body = tower_stacks::over_hyper(&url).await.unwrap();
    assert!(body.starts_with(br#"{"status": "Succeeded""#), "{body:?}");
    let body = tower_stacks::over_reqwest(reqwest::Client::new(), &url).await.unwrap();
    assert!(body.contains("Succeeded"), "{body}");
}

#[tokio::test]
async fn the_common_tasks_run() {
    let client = ClientBuilder::new(reqwest::Client::new()).with(LroLayer::new()).build();
    let service = quick_service().await;
    tasks::tasks(&client, &service.url("/reports")).await.unwrap();
}

#[test]
fn the_readmes_numbers_are_those_of_the_benches() {
    let benches = include_str!("../../benches/README.md").replace('\u{202f}', " ");
    let rows = README.lines().filter(|line| line.starts_with("| ") && line.ends_with(" ms |"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        // First bytes are rounded.
        let (instructions, heap) = (cells[2], cells[3]);
        for number in instructions.split(", ").chain([heap.trim_end_matches(" B")]) {
            assert!(benches.contains(number), "benches/README.md has no {number}: {row}");
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}
