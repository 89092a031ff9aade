//! Servers that close their connections, go down, and come back.

use tower_lro::PollFailure::Service;

use crate::{
    client::{Ended, INTEGRATIONS, Why},
    server_script::{Act, MONITOR, RUNNING, SUCCEEDED, accepted, nothing, reply, running, succeeded},
    table::{Case, check},
};

#[tokio::test]
async fn a_server_that_is_down_is_asked_until_it_is_back() {
    check([
        Case::new("after the 202", [running(), succeeded()])
            .start(accepted().down())
            .down_for(3, 3)
            .fails([Service; 3]),
        Case::new("between polls", [running(), running().down(), running(), succeeded()])
            .down_for(2, 2)
            .fails([Service; 2]),
        // One poll is seen and never answered, the others find no server.
        Case::new("in a poll", [running(), nothing().down(), running(), succeeded()])
            .down_for(3, 2)
            .fails([Service; 3]),
        Case::new("twice", [running().down(), running().down(), succeeded()]).down_for(2, 4).fails([Service; 4]),
    ])
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_come_back_ends_it() {
    let case = Case::new("down for good", [running().down()])
        .layer(|layer| layer.max_consecutive_failures(4))
        .down_for(u32::MAX, 5)
        .fails([Service; 5])
        .ends(Ended::Operation(Why::Service));
    check([case]).await;
}

#[tokio::test]
async fn a_connection_for_each_request_will_do() {
    const LAST: &str = "connection: close";
    let polls = [RUNNING, RUNNING, SUCCEEDED].map(|body| reply(200, &[LAST], body).close());
    let announced = Case::new("and it says so", polls).start(reply(202, &[MONITOR, LAST], "").close());
    for integration in INTEGRATIONS {
        assert_eq!(announced.play(integration).await.server.connections(), 4, "{integration:?}");
    }
    // The clients find out before or after they send the next request.
    let polls = [running(), running(), succeeded()].map(Act::close);
    check([Case::new("and it does not say so", polls).start(accepted().close()).may_fail()]).await;
}
