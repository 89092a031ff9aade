//! Random protocols, made with the builder.

use std::{fmt, ops::RangeInclusive};

use proptest::{
    collection::vec,
    option,
    prelude::{Just, Strategy, any},
    prop_assert_eq, prop_compose, prop_oneof, proptest,
    sample::select,
    strategy::{BoxedStrategy, Union},
};

use super::{
    schema::{SCHEMA, against},
    *,
};

fn pointer() -> impl Strategy<Value = String> {
    select(vec!["/a", "/a/b", "/a/0/c", "/a~1b/~0", "/"]).prop_map(str::to_owned)
}

fn codes(range: RangeInclusive<u16>) -> impl Strategy<Value = Vec<u16>> {
    vec(range, 0..20)
}

/// Applies one of the builder's methods.
type Step<T> = Box<dyn Fn(T) -> T>;

fn step<T: 'static, V: Clone + fmt::Debug + 'static>(
    values: impl Strategy<Value = V> + 'static,
    apply: impl Fn(T, V) -> T + Clone + 'static,
) -> BoxedStrategy<DebugStep<T>> {
    values
        .prop_map(move |value| {
            let (apply, text) = (apply.clone(), format!("{value:?}"));
            DebugStep(Box::new(move |rule| apply(rule, value.clone())), text)
        })
        .boxed()
}

struct DebugStep<T>(Step<T>, String);

impl<T> fmt::Debug for DebugStep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

fn status_rule() -> impl Strategy<Value = StatusRule> {
    let meanings = vec![
        MissingStatus::Error,
        MissingStatus::Succeeded,
        MissingStatus::SucceededAfterAccepted,
        MissingStatus::Running,
    ];
    let steps = Union::new([
        step(pointer(), |rule: StatusRule, at| rule.status_at(&at)),
        step(pointer(), |rule: StatusRule, at| rule.status_scalar_at(&at)),
        step(pointer(), |rule: StatusRule, at| rule.status_true(&at)),
        step(pointer(), |rule: StatusRule, at| rule.status_present(&at)),
        step(pointer(), |rule: StatusRule, at| rule.status_absent(&at)),
        step(pointer(), |rule: StatusRule, at| rule.percent_at(&at)),
        step(pointer(), |rule: StatusRule, at| rule.fraction_at(&at)),
        step(pointer(), |rule: StatusRule, at| rule.failure_at(&at)),
        step(Just(()), |rule: StatusRule, ()| rule.http_status_only()),
        step(Just(()), |rule: StatusRule, ()| rule.result_may_be_missing()),
        step(Just(()), |rule: StatusRule, ()| rule.unwrap_application_http()),
        step(select(meanings), |rule: StatusRule, meaning| rule.when_status_missing(meaning)),
        step(codes(400..=449), |rule: StatusRule, codes| rule.final_error_statuses(codes)),
        step(codes(200..=299), |rule: StatusRule, codes| rule.success_statuses(codes)),
        step(codes(450..=599), |rule: StatusRule, codes| rule.retryable_statuses(codes)),
        step(codes(300..=399), |rule: StatusRule, codes| rule.result_redirects(codes)),
        step(select(vec!["x-a", "X-B"]), |rule: StatusRule, name| rule.status_header(name)),
        step(select(vec!["x-a", "X-B"]), |rule: StatusRule, name| rule.outcome_header(name)),
    ]);
    let moves = prop_oneof![
        step(Just(()), |rule: StatusRule, ()| rule.fixed_uri()),
        step(codes(200..=204), |rule: StatusRule, codes| rule.relocated_by("location", codes)),
    ];
    (vec(steps, 0..12), option::of(moves)).prop_map(|(steps, moves)| {
        let rule = steps.into_iter().chain(moves).fold(StatusRule::new(), |rule, step| (step.0)(rule));
        if rule.can_end() { rule } else { rule.status_at("/status") }
    })
}

prop_compose! {
    fn start_rule()(
        by in 0..7,
        pointer in pointer(),
        contains in select(vec!["", "operations/"]),
        conditions in vec((0..4, self::pointer()), 0..4),
        statuses in option::of(vec(200..=299_u16, 1..20)),
        methods in vec(select(vec!["PUT", "POST", "BREW"]), 0..3),
        required in option::of(select(vec!["x-a", "x-b"])),
        is_default in any::<bool>(),
        monitor in status_rule(),
    ) -> StartRule {
        let rule = match by {
            0 => StartRule::by_header("location"),
            1 => StartRule::by_link(&pointer),
            2 if contains.is_empty() => StartRule::by_body(&pointer, "/{first}/{+name}"),
            2 => StartRule::by_body(&pointer, "/{first}/{name}").name_contains(contains),
            3 => StartRule::at("{parent}"),
            4 => StartRule::by_name_header("x-id", "{parent}/{+name}"),
            5 => StartRule::by_relation(if contains.is_empty() { "monitor" } else { contains }),
            _ => StartRule::at_request_uri(),
        };
        let rule = conditions.into_iter().fold(rule, |rule, (kind, at)| match kind {
            0 => rule.unless_terminal(&at),
            1 => rule.unless_terminal_or_missing(&at),
            2 => rule.unless_present(&at),
            _ => rule.unless_true(&at),
        });
        let rule = match statuses {
            Some(statuses) => rule.statuses(statuses),
            None => rule,
        };
        let rule = match required {
            Some(name) => rule.requires_header(name),
            None => rule,
        };
        let rule = if is_default { rule.default_for_resume() } else { rule };
        rule.methods(methods).monitor(monitor)
    }
}

prop_compose! {
    fn protocol()(
        rules in vec(start_rule(), 1..4),
        words in vec((0..4, "[a-z]{1,8}"), 0..6),
        places in vec((0..3, pointer()), 0..4),
        choice in select(vec![FinalResponse::Auto, FinalResponse::Status, FinalResponse::Resource, FinalResponse::Location, FinalResponse::OriginalUri]),
        cancel in option::of((select(vec!["DELETE", "POST"]), option::of("\\PC{0,9}"))),
        origins in vec(select(vec!["https://example.com", "https://*.example.com", "http://*:81"]), 0..3),
        needs_async in any::<bool>(),
    ) -> Protocol {
        let builder = rules.into_iter().fold(Protocol::builder("random"), |builder, rule| builder.announced(rule));
        // A word has one meaning: its first letters say which.
        let builder = words.into_iter().fold(builder, |builder, (class, word)| match class {
            0 => builder.succeeded([format!("s {word}")]),
            1 => builder.failed([format!("f {word}")]),
            2 => builder.canceled([format!("c {word}")]),
            _ => builder.running([format!("r {word}")]),
        });
        let builder = places.into_iter().fold(builder, |builder, (kind, at)| match kind {
            0 => builder.resource_at(&at),
            1 => builder.resource_link(&at),
            _ => builder.resource_template(&format!("{{monitor}}{at}")),
        });
        let builder = match cancel {
            None => builder,
            Some((method, None)) => builder.cancel(CancelRule::new(method, "{monitor}")),
            Some((method, Some(body))) => builder.cancel(CancelRule::new(method, "{monitor}").body("text/plain", &body)),
        };
        let builder = if needs_async { builder.needs_respond_async() } else { builder };
        let builder = builder.allows(origins.iter().copied()).trusts(origins.iter().copied(), origins.iter().copied());
        builder.final_response(choice).build().unwrap()
    }
}

proptest! {
    #[test]
    fn whatever_the_builder_makes_round_trips(protocol in protocol()) {
        assert_round_trips(&protocol);
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        prop_assert_eq!(against(&schema, &schema, &to_json(&protocol)), None);
    }
}
