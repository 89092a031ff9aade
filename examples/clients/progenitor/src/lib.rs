//! A client of progenitor, whose hooks follow the responses that start operations.

pub mod conversions;

use std::sync::Arc;

use http::StatusCode;
use progenitor_client::{ClientHooks, ClientInfo, OperationInfo};
use reqwest::{Body, Request, Response};
use tower_lro::{Error, LroLayer, OperationError, ResponseExt};

use self::conversions::Client;

/// The error of an operation, in the extensions of the response that stands for it: a hook can return no errors but reqwest's.
type Failure = Arc<Error<reqwest::Error>>;

impl ClientHooks<LroLayer> for Client {
    async fn exec(&self, request: Request, _: &OperationInfo) -> reqwest::Result<Response> {
        execute(self, request).await
    }

    async fn post<E>(
        &self,
        result: &reqwest::Result<Response>,
        _: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        refusal(result).map_or(Ok(()), Err)
    }
}

/// Implements [`ClientHooks::exec`] for a client of any specification.
pub async fn execute(client: &impl ClientInfo<LroLayer>, request: Request) -> reqwest::Result<Response> {
    let (head, body) = http::Request::<Body>::try_from(request)?.into_parts();
    let request = http::Request::from_parts(head.clone(), body).try_into()?;
    let started = client.client().execute(request).await?;
    let status = started.status();
    match client.inner().follow(head, started, client.client().clone()).await {
        // The client knows the status of the start response alone.
        Ok(response) if response.operation().is_some() => {
            let mut response = http::Response::<Body>::from(response);
            *response.status_mut() = status;
            Ok(response.into())
        }
        Ok(response) => Ok(response),
        // It comes of a start request, which was sent above.
        Err(Error::Service(error)) => Err(error),
        Err(error) => Ok(stand_in(error.into())),
    }
}

/// The error of [`ClientHooks::post`]. It comes before the client looks whether the specification declares the status,
/// and reads a body of it that is not there.
pub fn refusal<E>(result: &reqwest::Result<Response>) -> Option<progenitor_client::Error<E>> {
    let failure = result.as_ref().ok()?.extensions().get::<Failure>()?;
    Some(progenitor_client::Error::UnexpectedResponse(stand_in(failure.clone())))
}

fn stand_in(failure: Failure) -> Response {
    let mut response = http::Response::new(Body::default());
    // An error that progenitor does not take for retryable.
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(failure);
    response.into()
}

/// The error of an operation that did not complete, in that of the client.
pub fn failure<E>(error: &progenitor_client::Error<E>) -> Option<&OperationError<reqwest::Error>> {
    let progenitor_client::Error::UnexpectedResponse(response) = error else { return None };
    match &**response.extensions().get::<Failure>()? {
        Error::Operation(error) => Some(error),
        _ => None,
    }
}
