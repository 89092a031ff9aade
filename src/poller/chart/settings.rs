//! The settings of the table's rows.

use std::time::Duration;

use crate::{
    config::Config,
    protocol::{
        Protocol,
        final_response::FinalResponse,
        start_rule::StartRule,
        status_rule::{MissingStatus, StatusRule},
    },
};

fn speak(config: &mut Config, monitor: StatusRule) {
    let start = StartRule::by_header("operation-location").monitor(monitor);
    config.protocols = vec![Protocol::builder("own").announced(start).build().expect("a protocol")];
}

/// The status is in a header.
pub(super) fn by_header(config: &mut Config) {
    speak(config, StatusRule::new().status_header("x-status"));
}

/// The status is in the body, unless that is an HTTP message.
pub(super) fn by_body_or_message(config: &mut Config) {
    let plain = StatusRule::new().status_at("/status").when_status_missing(MissingStatus::Succeeded);
    speak(config, plain.unwrap_application_http());
}

pub(super) fn by_link(config: &mut Config) {
    config.protocols = vec![Protocol::durable_functions()];
}

pub(super) fn odata(config: &mut Config) {
    config.protocols = vec![Protocol::odata()];
}

pub(super) fn odata_with_errors(config: &mut Config) {
    odata(config);
    config.error_on_failure = true;
}

pub(super) fn patient_for_half_a_second(config: &mut Config) {
    config.max_wait = Some(Duration::from_millis(500));
}

pub(super) fn resource_in_two_seconds(config: &mut Config) {
    resource(config);
    at_most_two_seconds(config);
}

pub(super) fn odata_in_two_seconds(config: &mut Config) {
    odata(config);
    at_most_two_seconds(config);
}

pub(super) fn at_most_two_seconds(config: &mut Config) {
    config.timeout = Some(Duration::from_secs(2));
}

pub(super) fn no_failures(config: &mut Config) {
    config.max_consecutive_failures = 0;
}

pub(super) fn resource(config: &mut Config) {
    config.final_response = Some(FinalResponse::Resource);
}

pub(super) fn odata_at_location(config: &mut Config) {
    odata(config);
    config.final_response = Some(FinalResponse::Location);
}
