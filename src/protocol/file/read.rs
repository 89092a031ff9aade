//! Builds a protocol from a file's form with the builder, and adds the path of the member to its errors.

use std::fmt;

use crate::protocol::{
    Protocol,
    builder::ProtocolBuilder,
    cancel_rule::CancelRule,
    error::ProtocolError,
    file::{
        form::{
            CancelForm, PercentForm, PercentKind, PlaceForm, PlaceKind, ProtocolForm, StartForm, StatusAtForm,
            StatusForm, StatusKind,
        },
        many::Many,
    },
    start_rule::StartRule,
    status_rule::StatusRule,
};

/// An error, and the path of its member.
#[derive(Debug)]
pub(super) struct FormError {
    path: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Builder(ProtocolError),
    /// No way to announce an operation, or several.
    Announcement,
    /// A `content_type` without a `body`, or a `body` without a `content_type`.
    Body,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        match &self.problem {
            Problem::Builder(ProtocolError::Name(name)) => write!(
                f,
                "{name:?} is the name of a known protocol, which this is not: give it a name of its own, as stored operations \
                 go by it"
            ),
            Problem::Builder(error) => error.fmt(f),
            Problem::Announcement => f.write_str(
                "expected one of the members `by_header`, `by_name_header`, `by_link`, `by_relation`, `by_body`, `at` and \
                 `at_request_uri`, which say where the monitor is",
            ),
            Problem::Body => f.write_str("`body` and `content_type` need each other"),
        }
    }
}

/// A rule that is being built, and its path in the file.
struct Building<T> {
    rule: T,
    path: String,
}

/// A part of the builder that remembers mistakes.
trait Rule: Sized {
    fn error(&self) -> Option<ProtocolError>;
}

impl Rule for StatusRule {
    fn error(&self) -> Option<ProtocolError> {
        self.mistake.get()
    }
}

impl Rule for StartRule {
    fn error(&self) -> Option<ProtocolError> {
        self.mistake.get()
    }
}

impl Rule for ProtocolBuilder {
    fn error(&self) -> Option<ProtocolError> {
        self.mistake.get()
    }
}

impl<T: Rule> Building<T> {
    fn new(rule: T, path: String) -> Self {
        Self { rule, path }
    }

    fn path_to(&self, member: impl fmt::Display) -> String {
        if self.path.is_empty() { member.to_string() } else { format!("{}.{member}", self.path) }
    }

    /// Applies a member, if it is there.
    fn with<V>(
        self,
        member: impl fmt::Display,
        value: Option<V>,
        add: impl FnOnce(T, V) -> T,
    ) -> Result<Self, FormError> {
        let Some(value) = value else { return Ok(self) };
        let path = self.path_to(member);
        let rule = add(self.rule, value);
        match rule.error() {
            Some(error) => Err(FormError { path, problem: Problem::Builder(error) }),
            None => Ok(Self { rule, path: self.path }),
        }
    }

    fn with_flag(self, is_set: bool, set: impl FnOnce(T) -> T) -> Self {
        if is_set { Self { rule: set(self.rule), path: self.path } } else { self }
    }

    /// Adds each element of a list.
    fn with_each<V>(self, member: &str, values: Many<V>, mut add: impl FnMut(T, V) -> T) -> Result<Self, FormError> {
        let is_single = values.0.len() == 1;
        values.0.into_iter().enumerate().try_fold(self, |building, (index, value)| {
            let place = if is_single { member.to_owned() } else { format!("{member}[{index}]") };
            building.with(place, Some(value), &mut add)
        })
    }
}

impl ProtocolForm {
    pub(super) fn build(self) -> Result<Protocol, FormError> {
        let name = self.name.clone();
        let mut building = Building::new(Protocol::builder(self.name), String::new())
            .with_each("succeeded", self.succeeded, |builder, word| builder.succeeded([word]))?
            .with_each("failed", self.failed, |builder, word| builder.failed([word]))?
            .with_each("canceled", self.canceled, |builder, word| builder.canceled([word]))?
            .with_each("running", self.running, |builder, word| builder.running([word]))?
            .with_flag(self.needs_respond_async, ProtocolBuilder::needs_respond_async)
            .with("final_response", self.final_response, ProtocolBuilder::final_response)?
            .with_each("resource_at", self.resource_at, |builder, place| match place {
                PlaceForm::Member(pointer) => builder.resource_at(&pointer),
                PlaceForm::Tagged(PlaceKind::Link(relation)) => builder.resource_link(&relation),
                PlaceForm::Tagged(PlaceKind::Template(template)) => builder.resource_template(&template),
            })?
            .with_each("allows", self.allows, |builder, origin| builder.allows([&*origin]))?;
        for (index, trust) in self.trusts.into_iter().enumerate() {
            building = building.with(format_args!("trusts[{index}]"), Some(trust), |builder, trust| {
                builder.trusts(texts(&trust.from), texts(&trust.to))
            })?;
        }
        if let Some(cancel) = self.cancel {
            building = building.with("cancel", Some(cancel.build("cancel")?), ProtocolBuilder::cancel)?;
        }
        for (index, start) in self.announced.into_iter().enumerate() {
            let path = format!("announced[{index}]");
            let rule = start.build(&path)?;
            building = building.with(path, Some(rule), ProtocolBuilder::announced)?;
        }
        let protocol = building.rule.validated();
        let protocol = protocol.map_err(|error| FormError { path: String::new(), problem: Problem::Builder(error) })?;
        unless_known(protocol, name)
    }
}

fn texts(of: &Many<String>) -> impl Iterator<Item = &str> {
    of.0.iter().map(String::as_str)
}

/// Refuses a protocol with the name of a known one, unless it is that one.
fn unless_known(protocol: Protocol, name: String) -> Result<Protocol, FormError> {
    let Some(known) = Protocol::known().find(|known| known.name() == name) else { return Ok(protocol) };
    let same = [known.strict(), known].into_iter().find(|known| known.rules() == protocol.rules());
    same.ok_or_else(|| FormError { path: "name".to_owned(), problem: Problem::Builder(ProtocolError::Name(name)) })
}

impl CancelForm {
    fn build(self, path: &str) -> Result<CancelRule, FormError> {
        if self.body.is_some() != self.content_type.is_some() {
            return Err(FormError { path: path.to_owned(), problem: Problem::Body });
        }
        let rule = CancelRule::new(&self.method, &self.template);
        let Some((content_type, body)) = self.content_type.zip(self.body) else { return Ok(rule) };
        Ok(rule.body(&content_type, &body))
    }
}

impl StartForm {
    fn build(mut self, path: &str) -> Result<StartRule, FormError> {
        let status = std::mem::take(&mut self.status).build(&format!("{path}.status"))?;
        let (member, rule) = self.rule(path)?;
        let Self { statuses, methods, requires_header, .. } = self;
        let building = Building::new(rule, path.to_owned())
            // Reports a mistake that was made before.
            .with(member, Some(()), |rule, ()| rule)?
            .with("statuses", statuses, |rule, codes| rule.statuses(codes.0))?
            .with_each("methods", methods, |rule, method| rule.methods([method]))?
            .with("requires_header", requires_header, |rule, name| rule.requires_header(&name))?
            .with_each("unless_terminal", self.unless_terminal, |rule, at| rule.unless_terminal(&at))?
            .with_each("unless_terminal_or_missing", self.unless_terminal_or_missing, |rule, at| {
                rule.unless_terminal_or_missing(&at)
            })?
            .with_each("unless_present", self.unless_present, |rule, at| rule.unless_present(&at))?
            .with_each("unless_true", self.unless_true, |rule, at| rule.unless_true(&at))?
            .with_flag(self.default_for_resume, StartRule::default_for_resume);
        Ok(building.rule.monitor(status))
    }

    /// The start rule, and the member that gives it.
    fn rule(&mut self, path: &str) -> Result<(&'static str, StartRule), FormError> {
        // If there are two mistakes, the first counts.
        let by_body = self
            .by_body
            .take()
            .map(|name| StartRule::by_body(&name.pointer, &name.template).name_contains(&name.name_contains));
        let rules = [
            ("by_header", self.by_header.take().map(|name| StartRule::by_header(&name))),
            (
                "by_name_header",
                self.by_name_header.take().map(|name| StartRule::by_name_header(&name.header, &name.template)),
            ),
            ("by_link", self.by_link.take().map(|pointer| StartRule::by_link(&pointer))),
            ("by_relation", self.by_relation.take().map(|relation| StartRule::by_relation(&relation))),
            ("by_body", by_body),
            ("at", self.at.take().map(|template| StartRule::at(&template))),
            ("at_request_uri", self.at_request_uri.then(StartRule::at_request_uri)),
        ];
        let mut given = rules.into_iter().filter_map(|(member, rule)| Some((member, rule?)));
        match (given.next(), given.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(FormError { path: path.to_owned(), problem: Problem::Announcement }),
        }
    }
}

impl StatusForm {
    fn build(self, path: &str) -> Result<StatusRule, FormError> {
        let building = Building::new(StatusRule::new(), path.to_owned())
            .with("status_header", self.status_header, |rule, name| rule.status_header(&name))?
            .with_each("status_at", self.status_at, |rule, at| match at {
                StatusAtForm::String(pointer) => rule.status_at(&pointer),
                StatusAtForm::Tagged(StatusKind::Scalar(pointer)) => rule.status_scalar_at(&pointer),
                StatusAtForm::Tagged(StatusKind::True(pointer)) => rule.status_true(&pointer),
                StatusAtForm::Tagged(StatusKind::Present(pointer)) => rule.status_present(&pointer),
                StatusAtForm::Tagged(StatusKind::Absent(pointer)) => rule.status_absent(&pointer),
            })?
            // It also gives the meaning of a missing status, unless the next member does.
            .with_flag(self.http_status_only, StatusRule::http_status_only)
            .with("when_status_missing", self.when_status_missing, StatusRule::when_status_missing)?
            .with("final_error_statuses", self.final_error_statuses, |rule, codes| rule.final_error_statuses(codes.0))?
            .with("success_statuses", self.success_statuses, |rule, codes| rule.success_statuses(codes.0))?
            .with("retryable_statuses", self.retryable_statuses, |rule, codes| rule.retryable_statuses(codes.0))?
            .with("result_redirects", self.result_redirects, |rule, codes| rule.result_redirects(codes.0))?
            .with_flag(self.result_may_be_missing, StatusRule::result_may_be_missing)
            .with_flag(self.fixed_uri, StatusRule::fixed_uri)
            .with("relocated_by", self.relocated_by, |rule, by| {
                rule.relocated_by(&by.header, by.statuses.map(|codes| codes.0).unwrap_or_default())
            })?
            .with("outcome_header", self.outcome_header, |rule, name| rule.outcome_header(&name))?
            .with_flag(self.unwrap_application_http, StatusRule::unwrap_application_http)
            .with_each("percent_at", self.percent_at, |rule, at| match at {
                PercentForm::Percent(pointer) => rule.percent_at(&pointer),
                PercentForm::Tagged(PercentKind::Fraction(pointer)) => rule.fraction_at(&pointer),
            })?
            .with_each("failure_at", self.failure_at, |rule, pointer| rule.failure_at(&pointer))?;
        match building.rule.mistake() {
            Some(error) => Err(FormError { path: building.path, problem: Problem::Builder(error) }),
            None => Ok(building.rule),
        }
    }
}
