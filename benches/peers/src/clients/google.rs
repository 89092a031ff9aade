//! `google-cloud-lro`'s poller. It is made for the generated clients, which give it two closures; here they speak HTTP
//! with the server, which answers as Google's services do.

use std::{future::ready, pin::Pin, sync::Arc, time::Duration};

use google_cloud_gax::{
    Result, error::Error, polling_backoff_policy::PollingBackoffPolicy, polling_error_policy::AlwaysContinue,
    polling_state::PollingState,
};
use google_cloud_lro::{
    Poller,
    internal::{Operation, new_poller},
};
use google_cloud_wkt::Struct;
use http::Method;

use super::{Outcome, SeesThrough, Use, collected, stamp, start_headers};

pub struct GoogleCloudLro {
    client: reqwest::Client,
    url: String,
}

#[derive(Debug)]
pub struct Constant(pub Duration);

impl PollingBackoffPolicy for Constant {
    fn wait_period(&self, _: &PollingState) -> Duration {
        self.0
    }
}

impl GoogleCloudLro {
    pub fn new(client: reqwest::Client, url: &str) -> Self {
        Self { client, url: url.to_owned() }
    }
}

async fn send(
    client: reqwest::Client,
    method: Method,
    url: String,
    received: Arc<std::sync::atomic::AtomicUsize>,
) -> Result<Operation<Struct, Struct>> {
    let mut request = reqwest::Request::new(method.clone(), url.parse().map_err(Error::ser)?);
    *request.headers_mut() = start_headers();
    if method == Method::POST {
        *request.body_mut() = Some("{}".into());
    }
    stamp();
    let body = client.execute(request).await.map_err(Error::io)?.bytes().await.map_err(Error::io)?;
    received.store(body.len(), std::sync::atomic::Ordering::Relaxed);
    Ok(Operation::new(serde_json::from_slice(&body).map_err(Error::deser)?))
}

impl SeesThrough for GoogleCloudLro {
    fn see_through(&self, bytes: usize, _: Use) -> Pin<Box<dyn Future<Output = Outcome> + '_>> {
        let (client, url) = (self.client.clone(), self.url.clone());
        let received = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (starting, polling) = (received.clone(), received.clone());
        let start = {
            let (client, url) = (client.clone(), format!("{url}/google/{bytes}"));
            move || send(client, Method::POST, url, starting)
        };
        let query = move |name| send(client.clone(), Method::GET, format!("{url}/{name}"), polling.clone());
        let poller = new_poller(Arc::new(AlwaysContinue), Arc::new(Constant(Duration::ZERO)), start, query);
        Box::pin(async move {
            std::hint::black_box(poller.until_done().await?);
            collected(received.load(std::sync::atomic::Ordering::Relaxed))
        })
    }
}

/// A poller of an operation that never ends, for those who wait; `ask` is called for every poll.
pub fn waiting(pause: Duration, ask: impl Fn() + Clone + Send + Sync + 'static) -> impl Future<Output = ()> + Send {
    let answer = || {
        let body = br#"{"name": "google/300/1", "metadata": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"state": "RUNNING"}}}"#;
        let operation = serde_json::from_slice(body).map_err(Error::deser);
        ready(operation.map(Operation::<Struct, Struct>::new))
    };
    let query = move |_| {
        ask();
        answer()
    };
    let poller = new_poller(Arc::new(AlwaysContinue), Arc::new(Constant(pause)), answer, query);
    async move {
        _ = poller.until_done().await;
    }
}
