//! The README's snippet of a test.

#[tokio::test(start_paused = true)] // Waiting takes no time.
async fn waits_for_the_report() {
    use tower::{Layer, ServiceExt};
    let client = tower_lro::LroLayer::new().layer(tower_lro::simulator::Simulator::new());
    let request = http::Request::post("https://service.example/reports").body(String::new()).unwrap();
    assert_eq!(client.oneshot(request).await.unwrap().status(), 200);
}
