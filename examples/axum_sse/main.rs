//! A web page that shows the progress of an operation live: the server reads the events of one request from
//! `LroLayer::events`, and sends them on to the browser as server-sent events, with the final result at their end.
//!
//! `cargo run --example axum_sse` plays the browser's part once, and prints what it is sent. To see the page:
//!
//! ```text
//! cargo run --example axum_sse -- --listen 127.0.0.1:8080
//! ```

mod server;

use std::{error::Error, net::SocketAddr};

use clap::Parser;
use reqwest::header::LOCATION;
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(about = "Shows the progress of an operation on a web page")]
struct Options {
    /// Serve at this address, until stopped
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listen = Options::parse().listen;
    let wanted = listen.unwrap_or(([127, 0, 0, 1], 0).into());
    let listener = TcpListener::bind(wanted).await.map_err(|error| format!("{wanted}: {error}"))?;
    let address = listener.local_addr()?;
    println!("Listening on http://{address}");
    let server = tokio::spawn(async move { axum::serve(listener, server::router()).await });
    if listen.is_some() { Ok(server.await??) } else { browse(&format!("http://{address}")).await }
}

/// Does what the page does when its button is pressed.
async fn browse(server: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let browser = reqwest::Client::new();
    let page = browser.get(server).send().await?;
    println!("GET / → {}, {} bytes", page.status(), page.text().await?.len());

    let started = browser.post(format!("{server}/operations")).send().await?;
    let events = started.headers().get(LOCATION).ok_or("no header says where the events are")?.to_str()?;
    println!("POST /operations → {}, {events}\n", started.status());

    let mut stream = browser.get(format!("{server}{events}")).send().await?;
    let mut received = Vec::new();
    while let Some(chunk) = stream.chunk().await? {
        received.extend(chunk);
        while let Some(end) = received.windows(2).position(|bytes| bytes == b"\n\n") {
            let event: Vec<u8> = received.drain(..end + 2).collect();
            println!("{}", String::from_utf8_lossy(&event).trim_end().replace('\n', "  "));
        }
    }
    Ok(())
}
