//! Many operations at once.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tower::{Layer, ServiceExt};
use tower_lro::{
    Cause, Error, LroLayer, OperationState, ResponseExt,
    simulator::{Fault, Reply, Script, Simulator},
};

use crate::support::{seconds, start};

/// A small generator of numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[derive(Debug, PartialEq)]
enum End {
    InState(OperationState),
    Monitor(u16),
    NoStatus,
    Address,
}

fn script(random: &mut Random) -> (Script, End) {
    let mut replies = Vec::new();
    for _ in 0..random.below(12) {
        let reply = match random.below(8) {
            0 => Reply::http(503),
            1 => Reply::http(429).retry_after(seconds(random.below(100) + 1)),
            2 => Reply::http(200).fault(Fault::Refused),
            3 => Reply::status("Succeeded").fault(Fault::BrokenAfter(random.below(90) as usize)),
            4 => Reply::http(202),
            _ => Reply::status("Running").retry_after(seconds(random.below(100) + 1)),
        };
        // Failures in a row end it; a status in between does not.
        replies.push(reply.delay(seconds(random.below(3))).chunks(random.below(40) as usize + 1));
        replies.push(Reply::status("Running"));
    }
    let (last, end) = match random.below(7) {
        0 => (Reply::status("Failed"), End::InState(OperationState::Failed)),
        1 => (Reply::status("Canceled"), End::InState(OperationState::Canceled)),
        2 => (Reply::http(204), End::InState(OperationState::Succeeded)),
        3 => (Reply::http(403), End::Monitor(403)),
        4 => (Reply::json("[]"), End::NoStatus),
        5 => (Reply::status("Running").header("operation-location", "ftp://x"), End::Address),
        _ => (
            Reply::status_with_result("Succeeded", random.below(5000) as usize),
            End::InState(OperationState::Succeeded),
        ),
    };
    replies.push(last);
    (Script::azure_maps().polls(replies), end)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_operations_at_once_each_come_to_their_own_end() {
    const OPERATIONS: usize = 10_000;
    let token = Arc::new(());
    let simulator = Simulator::new();
    let client = LroLayer::new().max_consecutive_failures(1).layer(simulator.clone());
    let mut random = Random(1);
    let mut operations = FuturesUnordered::new();
    for _ in 0..OPERATIONS {
        let (script, end) = script(&mut random);
        let mut request = start();
        request.extensions_mut().insert(token.clone());
        // The simulator plays the queued scripts in the order of the calls.
        simulator.queue(script);
        let operation = client.clone().oneshot(request);
        operations.push(async move {
            let outcome = operation.await;
            let seen = match &outcome {
                Ok(response) => End::InState(response.operation().unwrap().state()),
                Err(Error::Operation(error)) => match error.cause() {
                    Cause::Monitor(response) => End::Monitor(response.status().as_u16()),
                    Cause::Status(_) => End::NoStatus,
                    Cause::Address(_) => End::Address,
                    cause => panic!("{cause:?}"),
                },
                Err(error) => panic!("{error:?}"),
            };
            assert_eq!(seen, end);
        });
    }
    let mut ended = 0;
    while operations.next().await.is_some() {
        ended += 1;
    }
    assert_eq!((ended, simulator.started()), (OPERATIONS, OPERATIONS as u64));
    drop((operations, client));
    assert_eq!(Arc::strong_count(&token), 1, "something of a request is still held");
}
