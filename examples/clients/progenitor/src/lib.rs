//! A client of progenitor, whose hook follows the responses that start operations.

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
        let (head, body) = http::Request::<Body>::try_from(request)?.into_parts();
        let request = http::Request::from_parts(head.clone(), body).try_into()?;
        let started = self.client().execute(request).await?;
        let status = started.status();
        match self.inner().follow(head, started, self.client().clone()).await {
            // The client knows the status of the start response alone.
            Ok(response) if response.operation().is_some() => {
                let mut response = http::Response::<Body>::from(response);
                *response.status_mut() = status;
                Ok(response.into())
            }
            Ok(response) => Ok(response),
            // It comes of a start request, which was sent above.
            Err(Error::Service(error)) => Err(error),
            Err(error) => {
                let mut response = http::Response::new(Body::default());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response.extensions_mut().insert(Failure::new(error));
                Ok(response.into())
            }
        }
    }
}

/// The error of an operation that did not complete, in that of the client.
pub fn failure<E>(error: &progenitor_client::Error<E>) -> Option<&OperationError<reqwest::Error>> {
    let progenitor_client::Error::UnexpectedResponse(response) = error else { return None };
    match &**response.extensions().get::<Failure>()? {
        Error::Operation(error) => Some(error),
        _ => None,
    }
}
