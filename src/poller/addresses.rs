//! The addresses of an operation: those that polls ask, and the parts of them that the operation may hold.

use http::{HeaderMap, HeaderName, Method, Uri, header::LOCATION, uri::Authority};

use crate::{
    address::{
        policy::{Address, Credentials},
        resolver::Resolver,
        uri::{propagate_api_version, propagate_query, without_secrets},
    },
    config::Config,
    operation::Operation,
    poller::{
        phases::{Context, FullAddresses, Poller},
        result,
    },
    protocol::{
        final_response::{FinalResponse, ResourceRule},
        template::Template,
    },
    request::captured::Call,
};

impl Poller {
    /// The address of the next request, or of the last one.
    pub(crate) fn target_address(&self) -> Address {
        let (uri, credentials) = match self.result() {
            Some(result) => (&result.uri, result.credentials),
            None => (&self.operation.monitor, self.operation.credentials),
        };
        self.complete(Address { uri: self.full_target().unwrap_or(uri).clone(), credentials })
    }

    /// The full address of the next request, if the operation may not hold all of it.
    pub(crate) fn full_target(&self) -> Option<&Uri> {
        self.full.as_ref()?.target.as_ref()
    }

    /// Completes an address with the query parameters that polls add.
    pub(crate) fn complete(&self, address: Address) -> Address {
        with_propagated(self.config(), self.context.template.caller.query(), &self.operation, address)
    }

    pub(crate) fn resolver(&self) -> Resolver<'_> {
        let Context { config, template, .. } = &self.context;
        config.resolver(&template.caller, &self.operation.protocol)
    }

    /// Splits an address: the part that the operation may hold, and the full one if that is more.
    pub(crate) fn split(&self, uri: &Uri) -> (Uri, Option<Uri>) {
        split(&self.resolver(), self.config(), self.context.call, uri)
    }

    /// The part of an address that the operation may hold.
    pub(crate) fn remembered(&self, uri: &Uri) -> Uri {
        self.split(uri).0
    }

    /// The full address, before polls add query parameters.
    pub(crate) fn full_address(&self, uri: &Uri) -> Uri {
        let (remembered, full) = self.split(uri);
        full.unwrap_or(remembered)
    }

    /// The address that a header names.
    pub(crate) fn header_address(&self, header: &HeaderName, headers: &HeaderMap, base: &Uri) -> Option<Uri> {
        // Most responses have no such header, and a resolver has to parse the request's address.
        headers.get(header)?;
        self.resolver().locate_header(header, headers, base).map(|uri| self.full_address(&uri))
    }

    /// Sets a full address; `None` replaces an earlier one.
    pub(crate) fn set_full(&mut self, place: impl FnOnce(&mut FullAddresses) -> &mut Option<Uri>, full: Option<Uri>) {
        if full.is_some() || self.full.is_some() {
            *place(self.full.get_or_insert_default()) = full;
        }
    }

    /// Makes this the target of the next request; returns the part of it that the operation may hold.
    pub(crate) fn set_target(&mut self, address: Address) -> Address {
        let (uri, full) = self.split(&address.uri);
        self.set_full(|it| &mut it.target, full);
        Address { uri, ..address }
    }

    /// A `Location` that does not name the monitor may be where the result is.
    pub(crate) fn location(&self, headers: &HeaderMap, base: &Uri) -> Option<Uri> {
        let names_monitor = self.operation.start_rule().by.is_location();
        if names_monitor { None } else { self.header_address(&LOCATION, headers, base) }
    }
}

/// Splits an address: the part that an operation may hold, and the full one if that is more.
pub(crate) fn split(resolver: &Resolver<'_>, config: &Config, call: Call, uri: &Uri) -> (Uri, Option<Uri>) {
    match call {
        Call::Starts => resolver.remembered(&config.propagate_query, uri),
        // Its own address may be the monitor's, whose query is the service's.
        Call::Resumes => (resolver.without_propagated(&config.propagate_query, uri), None),
    }
}

/// Adds the propagated query parameters of the caller's request, and the `api-version` of the start request, to an address that
/// may get credentials.
pub(crate) fn with_propagated(
    config: &Config,
    query: Option<&str>,
    operation: &Operation,
    address: Address,
) -> Address {
    if address.credentials == Credentials::Withhold {
        return address;
    }
    let uri = propagate_query(&config.propagate_query, query, &address.uri).unwrap_or(address.uri);
    let version = || propagate_api_version(&config.propagate_query, operation.start()?.1.query(), &uri);
    Address { uri: version().unwrap_or(uri), ..address }
}

/// Remembers the start request if a later process needs it: to know the origin, to fetch the result, or to poll.
pub(crate) fn remember_start(config: &Config, operation: &mut Operation, method: &Method, request: &Uri) {
    fn origin(uri: &Uri) -> (Option<&str>, Option<&str>) {
        (uri.scheme_str(), uri.authority().map(Authority::as_str))
    }
    let rules = operation.protocol.rules();
    let choice = result::choice(config.final_response, rules.final_response);
    let resource_needs_it = || rules.resource.iter().any(ResourceRule::needs_start);
    let cancel_needs_it =
        || rules.cancel.as_ref().and_then(|rule| rule.template.as_ref()).is_some_and(Template::needs_start);
    let is_needed = choice != FinalResponse::Status
        || origin(request) != origin(&operation.monitor)
        || resource_needs_it()
        || cancel_needs_it()
        || propagate_api_version(&config.propagate_query, request.query(), &operation.monitor).is_some();
    if is_needed && operation.start().is_none() {
        operation.more_mut().start = Some((method.clone(), without_secrets(request)));
    }
}
