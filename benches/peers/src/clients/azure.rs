//! `azure_core`'s poller, driven as the SDK's generated clients drive it, through its pipeline.

use std::{pin::Pin, sync::Arc};

use azure_core::{
    http::{
        ClientOptions, HttpClient, Method, Pipeline, RawResponse, Request, Response, StatusCode, Transport, Url,
        headers::{HeaderName, RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS},
        poller::{
            Poller, PollerContinuation, PollerOptions, PollerResult, PollerState, PollerStatus, StatusMonitor,
            get_retry_after,
        },
    },
    json,
    time::Duration,
};
use serde::Deserialize;

use super::{Outcome, SeesThrough, Use, collected, stamp, start_headers};

#[derive(Deserialize)]
pub struct Monitor {
    status: PollerStatus,
}

impl StatusMonitor for Monitor {
    type Output = Monitor;
    type Format = azure_core::http::JsonFormat;

    fn status(&self) -> PollerStatus {
        // `Running` is not one of the words that it knows, and what to do with those is up to the client.
        match &self.status {
            PollerStatus::UnknownValue(_) => PollerStatus::InProgress,
            known => known.clone(),
        }
    }
}

pub struct AzureCore {
    pipeline: Pipeline,
    url: String,
    pause: Duration,
}

impl AzureCore {
    pub fn new(client: reqwest::Client, url: &str) -> Self {
        Self::over(Arc::new(client), url, Duration::ZERO)
    }

    /// Over any transport, with the delay that is meant where the server gives no hint.
    pub fn over(client: Arc<dyn HttpClient>, url: &str, pause: Duration) -> Self {
        let options = ClientOptions { transport: Some(Transport::new(client)), ..ClientOptions::default() };
        let pipeline = Pipeline::new(
            option_env!("CARGO_PKG_NAME"),
            option_env!("CARGO_PKG_VERSION"),
            options,
            vec![],
            vec![],
            None,
        );
        Self { pipeline, url: url.to_owned(), pause }
    }

    fn request(method: Method, url: Url) -> Request {
        let mut request = Request::new(url, method);
        for (name, value) in &start_headers() {
            let is_of_body = method == Method::Get && name == http::header::CONTENT_TYPE;
            if let Some(value) = value.to_str().ok().filter(|_| !is_of_body) {
                request.insert_header(HeaderName::from(name.as_str().to_owned()), value.to_owned());
            }
        }
        request
    }

    pub fn poller(&self, bytes: usize) -> Result<Poller<Monitor>, azure_core::Error> {
        let start: Url = format!("{}/azure/{bytes}", self.url).parse()?;
        let (pipeline, pause) = (self.pipeline.clone(), self.pause);
        let make_request = move |state: PollerState, options: PollerOptions<'static>| {
            let (pipeline, start) = (pipeline.clone(), start.clone());
            let future = async move {
                let (mut request, known) = match state {
                    PollerState::More(PollerContinuation::Links { next_link, .. }) => {
                        (Self::request(Method::Get, next_link.clone()), Some(next_link))
                    }
                    _ => {
                        let mut request = Self::request(Method::Post, start);
                        request.set_body("{}");
                        (request, None)
                    }
                };
                stamp();
                let (status, headers, body) = pipeline.send(&options.context, &mut request, None).await?.deconstruct();
                // Its own floor of a second holds for the option only.
                let hints = [X_MS_RETRY_AFTER_MS, RETRY_AFTER_MS, RETRY_AFTER];
                let hinted = get_retry_after(&headers, &hints, &options);
                let retry_after = if hinted == options.frequency { pause } else { hinted };
                let state = match status {
                    StatusCode::Accepted => PollerStatus::InProgress,
                    _ => json::from_json::<_, Monitor>(&body)?.status(),
                };
                let next_link = match known {
                    Some(known) => known,
                    None => headers.get_str(&HeaderName::from_static("operation-location"))?.parse()?,
                };
                let last = body.clone();
                let response = RawResponse::from_bytes(status, headers.clone(), body).into();
                Ok(match state {
                    PollerStatus::InProgress => PollerResult::InProgress {
                        response,
                        retry_after,
                        continuation: PollerContinuation::Links { next_link, final_link: None },
                    },
                    PollerStatus::Succeeded => PollerResult::Succeeded {
                        response,
                        target: Box::new(move || {
                            Box::pin(async move { Ok(RawResponse::from_bytes(status, headers, last).into()) })
                        }),
                    },
                    _ => PollerResult::Done { response },
                })
            };
            Box::pin(future) as Pin<Box<_>>
        };
        Ok(Poller::new(make_request, None))
    }
}

impl SeesThrough for AzureCore {
    fn see_through(&self, bytes: usize, _: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        Box::pin(async move {
            let response: Response<Monitor> = self.poller(bytes)?.await?;
            collected(response.into_body().len())
        })
    }
}
