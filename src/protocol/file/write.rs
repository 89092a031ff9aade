//! From a protocol to its file's form.

use crate::{
    json::selector::Match,
    protocol::{
        Protocol,
        cancel_rule::CancelRule,
        file::{
            codes::Codes,
            form::{
                CancelForm, NameForm, NameHeaderForm, PercentForm, PercentKind, PlaceForm, PlaceKind, ProtocolForm,
                RelocationForm, StartForm, StatusAtForm, StatusForm, StatusKind, TrustForm,
            },
            many::Many,
        },
        final_response::{FinalResponse, ResourceRule},
        start_rule::{By, StartRule, WhenMissing},
        status_rule::{MissingStatus, PercentUnit, StatusRule},
    },
};

impl From<&Protocol> for ProtocolForm {
    fn from(protocol: &Protocol) -> Self {
        let rules = protocol.rules();
        Self {
            _schema: None,
            name: protocol.name().to_owned(),
            succeeded: strings(&rules.words.succeeded),
            failed: strings(&rules.words.failed),
            canceled: strings(&rules.words.canceled),
            running: strings(&rules.words.running),
            needs_respond_async: rules.needs_respond_async,
            final_response: Some(rules.final_response).filter(|&it| it != FinalResponse::Status),
            resource_at: rules.resource.iter().map(PlaceForm::from).collect(),
            allows: strings(&rules.anonymous),
            trusts: rules
                .trust
                .iter()
                .map(|rule| TrustForm { from: strings(&rule.from), to: strings(&rule.to) })
                .collect(),
            cancel: rules.cancel.as_ref().map(CancelForm::from),
            announced: rules.start_rules.iter().map(StartForm::from).collect(),
        }
    }
}

fn strings(of: &[impl ToString]) -> Many<String> {
    of.iter().map(ToString::to_string).collect()
}

impl From<&ResourceRule> for PlaceForm {
    fn from(rule: &ResourceRule) -> Self {
        match rule {
            ResourceRule::Member(pointer) => Self::Member(pointer.to_string()),
            ResourceRule::Link(relation) => Self::Tagged(PlaceKind::Link(relation.clone())),
            ResourceRule::Template(template) => Self::Tagged(PlaceKind::Template(template.to_string())),
        }
    }
}

impl From<&CancelRule> for CancelForm {
    fn from(rule: &CancelRule) -> Self {
        Self {
            method: rule.method.to_string(),
            template: rule.template.as_ref().map(ToString::to_string).unwrap_or_default(),
            // The builder took it from text.
            content_type: rule.body.as_ref().and_then(|(content_type, _)| Some(content_type.to_str().ok()?.to_owned())),
            body: rule.body.as_ref().map(|(_, body)| body.clone()),
        }
    }
}

impl From<&StartRule> for StartForm {
    fn from(rule: &StartRule) -> Self {
        let mut form = Self {
            methods: strings(&rule.methods),
            requires_header: rule.requires_header.as_ref().map(ToString::to_string),
            default_for_resume: rule.is_default_for_resume,
            status: StatusForm::from(&rule.monitor),
            ..Self::default()
        };
        let default = match &rule.by {
            By::Header(header) => {
                form.by_header = Some(header.to_string());
                StartRule::by_header("x")
            }
            By::NameHeader { header, template } => {
                let (header, template) = (header.to_string(), template.to_string());
                form.by_name_header = Some(NameHeaderForm { header, template });
                StartRule::by_name_header("x", "{name}")
            }
            By::Link(pointer) => {
                form.by_link = Some(pointer.to_string());
                StartRule::by_link("/x")
            }
            By::Relation(relation) => {
                form.by_relation = Some(relation.clone());
                StartRule::by_relation("x")
            }
            By::Name { pointer, contains, template } => {
                let (pointer, template) = (pointer.to_string(), template.to_string());
                form.by_body = Some(NameForm { pointer, template, name_contains: contains.clone() });
                StartRule::by_body("/x", "{name}")
            }
            By::RequestUri => {
                form.at_request_uri = true;
                StartRule::at_request_uri()
            }
            By::Template(template) => {
                form.at = Some(template.to_string());
                StartRule::at("{path}")
            }
        };
        form.statuses = Some(Codes::of(&rule.statuses)).filter(|_| rule.statuses != default.statuses);
        if let Some(condition) = &rule.condition {
            let of = |matches| {
                let those = condition.selectors.iter().filter(move |selector| selector.matches == matches);
                those.map(|selector| selector.pointer.to_string()).collect()
            };
            let terminal = match condition.when_missing {
                WhenMissing::Starts => &mut form.unless_terminal,
                WhenMissing::PassesThrough => &mut form.unless_terminal_or_missing,
            };
            *terminal = of(Match::String);
            form.unless_present = of(Match::Present);
            form.unless_true = of(Match::True);
        }
        form
    }
}

impl From<&StatusRule> for StatusForm {
    fn from(rule: &StatusRule) -> Self {
        let default = StatusRule::new();
        let if_any = |codes: &[_]| Some(Codes::of(codes)).filter(|codes| !codes.0.is_empty());
        let implied = if rule.http_status_only { MissingStatus::Succeeded } else { default.when_status_missing };
        let relocation = rule.relocation.as_ref();
        Self {
            status_header: rule.status_header.as_ref().map(ToString::to_string),
            status_at: rule
                .status
                .iter()
                .map(|selector| {
                    let pointer = selector.pointer.to_string();
                    StatusAtForm::Tagged(match selector.matches {
                        Match::String => return StatusAtForm::String(pointer),
                        Match::Scalar => StatusKind::Scalar(pointer),
                        Match::Present => StatusKind::Present(pointer),
                        Match::True => StatusKind::True(pointer),
                        Match::Absent => StatusKind::Absent(pointer),
                    })
                })
                .collect(),
            http_status_only: rule.http_status_only,
            when_status_missing: Some(rule.when_status_missing).filter(|&meaning| meaning != implied),
            final_error_statuses: if_any(&rule.final_errors),
            success_statuses: if_any(&rule.successes),
            retryable_statuses: Some(Codes::of(&rule.retryable)).filter(|_| rule.has_own_retryable),
            result_redirects: Some(Codes::of(&rule.result_redirects))
                .filter(|_| rule.result_redirects != default.result_redirects),
            result_may_be_missing: rule.result_may_be_missing,
            fixed_uri: relocation.is_none(),
            relocated_by: relocation.and_then(|relocation| {
                let header = relocation.header.as_ref()?.to_string();
                Some(RelocationForm { header, statuses: if_any(&relocation.statuses) })
            }),
            outcome_header: rule.outcome_header.as_ref().map(ToString::to_string),
            unwrap_application_http: rule.unwraps_messages,
            percent_at: rule
                .own_percent()
                .iter()
                .map(|at| match at.unit {
                    PercentUnit::Hundred => PercentForm::Percent(at.pointer.to_string()),
                    PercentUnit::One => PercentForm::Tagged(PercentKind::Fraction(at.pointer.to_string())),
                })
                .collect(),
            failure_at: strings(&rule.failure),
        }
    }
}
