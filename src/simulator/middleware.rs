//! `Simulator` as a middleware: it answers in place of the network.

use async_trait::async_trait;
use http::Extensions;
use tower_service::Service;

use super::{
    reqwest::{Body, Request, Response, ResponseBuilderExt},
    reqwest_middleware::{self, Error as MiddlewareError, Middleware, Next},
};
use crate::simulator::Simulator;

/// Answers every request in place of the client, so that it comes last: what is behind it is not reached.
#[async_trait]
impl Middleware for Simulator {
    async fn handle(&self, request: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let url = request.url().clone();
        let request = http::Request::<Body>::try_from(request).map_err(MiddlewareError::Reqwest)?;
        let response = self.clone().call(request).await.map_err(MiddlewareError::middleware)?;
        let (head, body) = response.into_parts();
        let with_url = http::Response::builder().url(url).body(()).map_err(MiddlewareError::middleware)?;
        let mut response = http::Response::from_parts(head, Body::wrap(body));
        response.extensions_mut().extend(with_url.into_parts().0.extensions);
        Ok(response.into())
    }
}
