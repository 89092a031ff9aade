//! A reverse proxy with the layer inside: any HTTP client, in any language, sends it a request and gets the finished result.
//! So does a program whose client cannot be given a layer.
//!
//! Uploads stream up and results stream down. An operation that fails is handed back with the status and body that the
//! service gave it. A deadline that passes becomes a 504, and everything else that goes wrong a 502, with a JSON body that
//! says whether the service accepted the request, and where its operation is.
//!
//! `cargo run --example gateway` starts a simulated service and a gateway to it, and sends three requests through. To serve:
//!
//! ```text
//! cargo run --example gateway -- --listen 127.0.0.1:8080 --upstream https://us.atlas.microsoft.com --timeout 600
//! cargo run --example gateway -- --listen 127.0.0.1:8080 --upstream http://localhost:5000 --protocol pygeoapi.toml
//! ```
//!
//! Addresses of the service in the headers of responses, such as `Location`, are changed to the gateway's; those in bodies are not.

#[path = "../common/arguments.rs"]
mod arguments;
#[path = "../common/description.rs"]
mod description;
mod headers;
#[path = "../common/printable.rs"]
mod printable;
mod proxy;
mod upgrade;
mod upstream;

use std::{env, error::Error, net::SocketAddr, time::Duration};

use clap::Parser;
use reqwest::Url;
use tokio::net::TcpListener;
use tower_lro::{LroLayer, Protocol};

use crate::{
    description::{names, protocol},
    proxy::{Gateway, serve},
};

#[derive(Parser)]
#[command(about = "Polls long-running operations to completion for any HTTP client")]
struct Options {
    /// Serve at this address, until stopped
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The service behind the gateway; a simulated one, unless it is given
    #[arg(long, value_name = "URL", requires = "listen", value_parser = service)]
    upstream: Option<Url>,
    #[arg(long = "protocol", value_name = "NAME|FILE", value_parser = protocol, help = protocols_help())]
    protocols: Vec<Protocol>,
    /// The time from acceptance to the final response, in seconds; 600, unless it is given
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

fn protocols_help() -> String {
    format!(
        "How the service announces and reports operations, one or several: a file that describes it in TOML or JSON, or one of {}; \
         the first, unless it is given",
        names()
    )
}

impl Options {
    fn layer(&self, timeout: Duration) -> LroLayer {
        let layer = LroLayer::new().timeout(self.timeout.unwrap_or(timeout));
        if self.protocols.is_empty() { layer } else { layer.protocols(self.protocols.iter().cloned()) }
    }
}

fn service(text: &str) -> Result<Url, String> {
    let url = arguments::address(text)?;
    if url.query().or(url.fragment()).is_some() {
        return Err("it must have no query".to_owned());
    }
    // It would not be sent.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must have no user information: credentials are the clients'".to_owned());
    }
    Ok(url)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = arguments::parse::<Options>(env::args_os());
    let Some(listen) = options.listen else { return show(options.layer(Duration::from_secs(2))).await };
    let upstream = match &options.upstream {
        Some(upstream) => upstream.clone(),
        None => upstream::simulated().await?,
    };
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
    println!("Listening on http://{}, in front of {upstream}", listener.local_addr()?);
    let gateway = Gateway::new(upstream, options.layer(Duration::from_secs(600)))?;
    Ok(serve(gateway, listener).await?)
}

/// Sends three requests through a gateway, as any client would that knows nothing of operations.
async fn show(layer: LroLayer) -> Result<(), Box<dyn Error + Send + Sync>> {
    let gateway = Gateway::new(upstream::simulated().await?, layer)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(gateway, listener));

    let client = reqwest::Client::new();
    for path in ["/small", "/failing", "/endless"] {
        let response = client.post(format!("http://{address}{path}")).body("a drawing package").send().await?;
        println!("POST {path}\n{} {}\n", response.status(), response.text().await?);
    }
    Ok(())
}
