//! Canceling: the address of the request that cancels an operation, judged like every stored address.

use http::{HeaderValue, Request, Uri};

use crate::{
    address::{
        error::AddressError,
        policy::{Address, CallerAddress},
    },
    config::Config,
    error::operation::{Cause, OperationError},
    operation::cancel::Cancel,
    poller::{addresses::with_propagated, phases::Poller, verdict::Target},
    request::template::Accept,
};

/// The address to which the caller's request goes instead of the service's.
///
/// Writing to a store must not be enough to get things deleted, by naming a protocol that the layer does not speak.
pub(crate) fn cancel_address<E>(
    config: &Config,
    request: &Uri,
    host: Option<&HeaderValue>,
    cancel: &Cancel,
) -> Result<Address, OperationError<E>> {
    let operation = &cancel.operation;
    let refused = |cause| OperationError::new((**operation).clone(), cause);
    if config.own_protocol(&operation.protocol).is_none() {
        return Err(refused(Cause::Protocol));
    }
    resolve(config, request, host, cancel).map_err(|error| refused(Cause::Address(error)))
}

/// The error if the client cannot express an address.
#[cold]
pub(crate) fn inexpressible<E>(cancel: &Cancel) -> OperationError<E> {
    OperationError::new((*cancel.operation).clone(), Cause::Address(AddressError::unresolvable()))
}

fn resolve(
    config: &Config,
    request: &Uri,
    host: Option<&HeaderValue>,
    cancel: &Cancel,
) -> Result<Address, AddressError> {
    let operation = &cancel.operation;
    let caller = CallerAddress::new(request, host.map(HeaderValue::as_bytes), config.base_uri.as_ref());
    let resolver = config.resolver(&caller, &operation.protocol);
    if let Some((_, started)) = operation.start() {
        resolver.check_started(started, &operation.monitor)?;
    }
    let address = resolver.resolve(&cancel.reference, cancel.base())?;
    Ok(with_propagated(config, request.query(), operation, address))
}

impl Poller {
    /// The request that cancels the operation, with the headers that polls repeat; `None` if the protocol defines none, or if the
    /// operation has ended: some services would delete its result.
    pub(crate) fn cancel_request(&self) -> Option<Request<String>> {
        if self.operation.state.is_terminal() {
            return None;
        }
        self.config().own_protocol(&self.operation.protocol)?;
        let full = self.full_target().filter(|_| self.target() == Target::Monitor);
        let monitor = self.operation.redirected_from().or(full).unwrap_or(&self.operation.monitor);
        let cancel = self.operation.cancel_at(monitor)?;
        let address = self.resolver().resolve(&cancel.reference, cancel.base()).ok()?;
        let mut request = self.context.template.request(self.complete(address), Accept::AsCaller).request;
        *request.method_mut() = cancel.method().clone();
        cancel.describe_body(request.headers_mut());
        Some(request.map(|()| cancel.body().to_owned()))
    }
}
