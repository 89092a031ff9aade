//! A simulated service on a loopback port, for the examples.

use std::{io, net::SocketAddr};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower_lro::simulator::Simulator;

/// Serves `simulator` on a free port, until the program ends.
pub async fn serve(simulator: Simulator) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(simulator.clone());
            // An error of the simulator closes the connection, as it is meant to.
            tokio::spawn(async move {
                _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(address)
}
