//! Monitors that move: in circles, and to where they must not.

use tower_lro::{AddressErrorKind, Event};

use crate::{
    client::{Ended, INTEGRATIONS, Why},
    server::{Script, Server},
    server_script::{Act, RUNNING, accepted, reply, running, succeeded},
    table::{Case, check},
};

fn running_at(path: &str) -> Act {
    reply(200, &[&format!("operation-location: {path}")], RUNNING)
}

fn redirect(to: &str) -> Act {
    reply(307, &[&format!("location: {to}")], "elsewhere")
}

fn refused(kind: AddressErrorKind) -> Ended {
    Ended::Operation(Why::Address(kind))
}

#[tokio::test]
async fn two_monitors_that_name_each_other_may_do_so_for_as_long_as_statuses_come() {
    const MOVES: usize = 30;
    let polls = (0..MOVES).map(|poll| running_at(["/operations/2", "/operations/1"][poll % 2])).chain([succeeded()]);
    let case = Case::new("a circle", polls.collect::<Vec<_>>());
    for integration in INTEGRATIONS {
        let played = case.play(integration).await;
        let paths: Vec<_> = played.server.seen().into_iter().skip(1).map(|seen| seen.path).collect();
        let circle = ["/operations/1", "/operations/2"];
        assert!(
            paths.iter().zip(circle.iter().cycle()).all(|(seen, expected)| seen == expected),
            "{integration:?}: {paths:?}"
        );
        let moves = played.events.iter().filter(|event| matches!(event.as_event(), Event::Moved { .. })).count();
        assert_eq!(moves, MOVES, "{integration:?}");
    }
}

#[tokio::test]
async fn redirects_end_after_ten_between_two_statuses() {
    let ten = |to| vec![redirect(to); 10];
    check([
        Case::new("to itself", [running()])
            .forever(redirect("/operations/1"))
            .polls(1 + 11)
            .ends(refused(AddressErrorKind::TooManyMoves)),
        Case::new("in a circle, before the first status", [])
            .forever(redirect("?again"))
            .polls(11)
            .ends(refused(AddressErrorKind::TooManyMoves)),
        Case::new("ten, a status, ten", [ten("2"), vec![running()], ten("3"), vec![succeeded()]].concat()),
    ])
    .await;
}

#[tokio::test]
async fn another_origin_is_not_asked() {
    for integration in INTEGRATIONS {
        let other = Server::of(Script::new([succeeded()]));
        let elsewhere = other.url("/operations/1");
        let untrusted = || refused(AddressErrorKind::Untrusted);
        let cases = [
            Case::new("by a redirect", [running(), redirect(&elsewhere)]).ends(untrusted()),
            Case::new("by a redirect to a result", [reply(303, &[&format!("location: {elsewhere}")], "")])
                .ends(untrusted()),
            Case::new("by a status response", [running(), running_at(&elsewhere)]).ends(untrusted()),
            Case::new("by the 202", [])
                .start(reply(202, &[&format!("operation-location: {elsewhere}")], ""))
                .ends(untrusted()),
        ];
        for case in cases {
            case.play(integration).await;
        }
        assert_eq!((other.connections(), other.polls()), (0, 0), "{integration:?}");
    }
}

#[tokio::test]
async fn a_redirect_without_an_address_is_refused() {
    let missing = reply(307, &[], "somewhere else");
    check([Case::new("307", [running(), missing]).start(accepted()).ends(refused(AddressErrorKind::Missing))]).await;
}
