//! When polls are sent.

use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Backoff, LroLayer,
    simulator::{Fault, Reply, Script},
};

use crate::support::{accepted, answering, exact, millis, play, polls, seconds};

#[tokio::test(start_paused = true)]
async fn retry_after_of_30_seconds_means_30_seconds_to_the_millisecond() {
    let script = Script::new(Reply::accepted().retry_after(seconds(30))).polls([
        Reply::status("NotStarted").retry_after(seconds(30)),
        Reply::status("Running").retry_after(seconds(30)),
        Reply::status("Succeeded").retry_after(seconds(30)),
    ]);
    let (_, requests) = play(exact(), script).await;
    assert_eq!(millis(&requests), [0, 30_000, 60_000, 90_000]);
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_backoff_grows_to_its_maximum() {
    let running = Reply::status("Running");
    let mut replies = vec![running; 12];
    replies.push(Reply::status("Succeeded"));
    let (_, requests) = play(exact(), Script::azure_maps().polls(replies)).await;
    let at = millis(&requests);
    let delays: Vec<u128> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Tokio's timers have a resolution of one millisecond.
    let expected = [1000, 1500, 2250, 3375, 5063, 7594, 11391, 17086, 25629, 30000, 30000, 30000, 30000];
    for (delay, expected) in delays.iter().zip(expected) {
        assert!(delay.abs_diff(expected) <= 1, "{delays:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_stops_coming_returns_to_where_the_backoff_was() {
    let hint = Reply::status("Running").retry_after(seconds(7));
    let none = Reply::status("Running");
    let (_, requests) =
        play(exact(), polls([none.clone(), hint.clone(), hint, none, Reply::status("Succeeded")])).await;
    // 1 s and 1.5 s of the backoff, 7 s twice, and on with 2.25 s.
    assert_eq!(millis(&requests), [0, 1000, 2500, 9500, 16500, 18750]);
}

#[tokio::test(start_paused = true)]
async fn settings_bound_the_delays() {
    let script = || {
        polls([
            Reply::status("Running").retry_after(seconds(60)),
            Reply::status("Running").retry_after(seconds(1)),
            Reply::status("Running"),
            Reply::status("Succeeded"),
        ])
    };
    let layer = exact().min_delay(seconds(2)).max_delay(seconds(10)).backoff(Backoff::constant(seconds(5)));
    let (_, requests) = play(layer, script()).await;
    assert_eq!(millis(&requests), [0, 5000, 15_000, 17_000, 22_000]);
}

#[tokio::test(start_paused = true)]
async fn an_hour_is_the_longest_retry_after_by_default() {
    for hint in ["86400", "18446744073709551615", "9999999999"] {
        let running = Reply::status("Running").header("retry-after", hint);
        let (_, requests) = play(exact(), polls([running, Reply::status("Succeeded")])).await;
        assert_eq!(millis(&requests), [0, 1000, 3_601_000], "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_delays_there_are_do_not_overflow() {
    let layer = exact().max_delay(std::time::Duration::MAX).timeout(seconds(1_000_000));
    let running = Reply::status("Running").header("retry-after", "18446744073709551615");
    let (outcome, requests) = play(layer, polls([running])).await;
    assert!(outcome.is_err());
    assert_eq!(requests.len(), 2);
    let layer = exact().backoff(Backoff::constant(std::time::Duration::MAX)).timeout(std::time::Duration::MAX);
    let mut forever = tokio_test::task::spawn(play(layer, polls([Reply::status("Running")])));
    assert!(forever.poll().is_pending());
}

#[tokio::test(start_paused = true)]
async fn jitter_makes_delays_longer_by_up_to_its_fraction_and_each_by_another() {
    let mut firsts = Vec::new();
    for _ in 0..50 {
        let running = Reply::status("Running").retry_after(seconds(100));
        let (_, requests) = play(LroLayer::new(), polls([running, Reply::status("Succeeded")])).await;
        let delay = millis(&requests)[2] - millis(&requests)[1];
        assert!((100_000..=110_001).contains(&delay), "{delay}");
        firsts.push(delay);
    }
    firsts.sort_unstable();
    firsts.dedup();
    assert!(firsts.len() > 25, "{firsts:?}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_failed_polls_counts_and_junk_backs_off() {
    let script = polls([
        Reply::http(429).retry_after(seconds(20)),
        Reply::http(503),
        Reply::http(200).fault(Fault::Refused),
        Reply::status("Succeeded"),
    ]);
    let (_, requests) = play(exact(), script).await;
    assert_eq!(millis(&requests), [0, 1000, 21_000, 22_500, 24_750]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_whatever_becomes_of_the_body() {
    let stalled = Reply::accepted().body("a body").fault(Fault::StalledAfter(3));
    let script = Script::new(stalled.retry_after(std::time::Duration::from_millis(100))).polls([
        Reply::status("Running").fault(Fault::BrokenAfter(5)).retry_after(seconds(30)),
        Reply::status("Succeeded"),
    ]);
    let (_, requests) = play(exact(), script).await;
    assert_eq!(millis(&requests), [0, 100, 30_100]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_can_be_a_date() {
    let (service, log) = answering(|index, _| match index {
        0 => accepted("/operations/1"),
        1 => Ok(Response::builder()
            .header("date", "Fri, 31 Dec 1999 23:59:00 GMT")
            .header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")
            .body(r#"{"status": "Running"}"#.to_owned())?),
        // Long past.
        2 => Ok(Response::builder()
            .header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")
            .body(r#"{"status": "Running"}"#.to_owned())?),
        _ => Ok(Response::new(r#"{"status": "Succeeded"}"#.to_owned())),
    });
    let request = Request::post("https://example.com/").body(String::new()).unwrap();
    exact().layer(service).oneshot(request).await.unwrap();
    assert_eq!(log.millis(), [0, 1000, 60_000, 61_500]);
}
