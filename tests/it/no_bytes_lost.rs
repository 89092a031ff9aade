//! Not a byte of the response is lost, whenever time runs out.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{
    BodyExt, Either, Full,
    channel::{Channel, Sender},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_lro::{LroLayer, OperationState, Protocol, ResponseExt};

use crate::support::{exact, seconds};

type Body = Either<Full<Bytes>, Channel<Bytes, Infallible>>;

/// Answers with `first` if there is one, and then with a body that the test sends. Returns the body that the caller got, and how
/// long the head took.
async fn sent_by_hand(
    layer: LroLayer,
    first: Option<Response<Body>>,
    header: Option<&'static str>,
    pieces: &[(u64, &'static str)],
) -> (String, Option<OperationState>) {
    let (mut sender, body): (Sender<Bytes, Infallible>, _) = Channel::new(64);
    let mut second = Response::new(Either::Right(body));
    if let Some(header) = header {
        second.headers_mut().insert(header, "/operations/1".parse().unwrap());
    }
    let answers: Vec<_> = first.into_iter().chain([second]).collect();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let service = service_fn(move |_: Request<String>| {
        let answer = answers.lock().unwrap().next().unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    let request = Request::put("https://example.com/v1/thing").body(String::new()).unwrap();
    let mut operation = tokio_test::task::spawn(layer.layer(service).oneshot(request));
    let mut out = None;
    let began = tokio::time::Instant::now();
    for &(at, piece) in pieces {
        // Polled as often as a runtime would.
        while began.elapsed() < Duration::from_millis(at) {
            if out.is_none() {
                if let Poll::Ready(response) = operation.poll() {
                    out = Some(response.unwrap());
                }
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        // Two at once, so that time is over while there is more to read.
        sender.send_data(piece.into()).await.unwrap();
        sender.send_data(" ".into()).await.unwrap();
    }
    drop(sender);
    let response = out.unwrap_or_else(|| match operation.poll() {
        Poll::Ready(response) => response.unwrap(),
        Poll::Pending => panic!("nothing comes out"),
    });
    let state = response.operation().map(|operation| operation.state());
    (String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(), state)
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_looked_into_for_too_long_passes_through_whole() {
    let pieces = [(0, "{\"id\": \"a\","), (9_900, "\"b\": 1,"), (10_050, "\"c\": 2,"), (10_500, "\"d\": 3}")];
    let whole = "{\"id\": \"a\", \"b\": 1, \"c\": 2, \"d\": 3} ";
    for (protocol, header) in [(Protocol::aip_151(), None), (Protocol::azure_resource_manager(), Some("location"))] {
        // Whichever comes first.
        for shift in [0, 50, 99, 100, 101, 150] {
            let pieces = pieces.map(|(at, piece)| (at + shift, piece));
            let layer = exact().protocols([protocol.clone()]);
            assert_eq!(sent_by_hand(layer, None, header, &pieces).await, (whole.to_owned(), None), "{shift}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_final_response_whose_details_take_too_long_is_handed_over_whole() {
    let accepted = || {
        let mut accepted = Response::new(Either::Left(Full::default()));
        *accepted.status_mut() = http::StatusCode::ACCEPTED;
        accepted.headers_mut().insert("operation-location", "/operations/1".parse().unwrap());
        Some(accepted)
    };
    for shift in [0, 50, 99, 100, 101, 150, 400] {
        let pieces = [
            (1_400 + shift, "{\"status\": \"Failed\","),
            (1_950 + shift, "\"error\": {\"code\": \"X\"},"),
            (2_300 + shift, "\"c\": 1}"),
        ];
        let layer = exact().timeout(seconds(2));
        let whole = "{\"status\": \"Failed\", \"error\": {\"code\": \"X\"}, \"c\": 1} ";
        let ended = sent_by_hand(layer, accepted(), None, &pieces).await;
        assert_eq!(ended, (whole.to_owned(), Some(OperationState::Failed)), "{shift}");
    }
}
