//! `Server`: HTTP/2 without TLS, on a loopback port, that does what its script says.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use h2::{
    Reason, RecvStream,
    server::{self, SendResponse},
};
use http::{HeaderMap, Method, Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};

use crate::server::any_port;

/// The server's answer to one request.
#[derive(Clone)]
pub enum Act {
    Reply(Reply),
    /// Says first that no more requests are taken on this connection.
    LastReply(Reply),
    /// RST_STREAM.
    Reset(Reason),
    /// The head and part of the body, and then RST_STREAM.
    ResetInBody(&'static str, Reason),
    /// GOAWAY at once, with an error.
    GoAway(Reason),
}

#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
    pub trailers: &'static [(&'static str, &'static str)],
}

impl Reply {
    fn head(&self) -> Response<()> {
        let mut head = Response::builder().status(self.status);
        for (name, value) in self.headers {
            head = head.header(*name, *value);
        }
        head.body(()).unwrap()
    }

    fn trailers(&self) -> HeaderMap {
        self.trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }
}

#[derive(Clone)]
pub struct Server {
    pub url: String,
    start: Act,
    polls: Arc<Vec<Act>>,
    counts: Arc<Mutex<Counts>>,
    /// How many heads of responses the client has seen.
    heads: watch::Sender<usize>,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    starts: usize,
    polls: usize,
}

/// Does something for one stream of a connection, and reports when it is done.
enum Shutdown {
    Graceful(oneshot::Sender<()>),
    Abrupt(Reason),
}

impl Server {
    pub async fn of(start: Act, polls: impl Into<Vec<Act>>) -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let url = format!("http://{}/start", listener.local_addr().unwrap());
        let (heads, _) = watch::channel(0);
        let server = Self { url, start, polls: Arc::new(polls.into()), counts: Arc::default(), heads };
        tokio::spawn(server.clone().listen(listener));
        server
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap()
    }

    /// Connections, starts, and polls.
    pub fn seen(&self) -> (usize, usize, usize) {
        let counts = self.counts();
        (counts.connections, counts.starts, counts.polls)
    }

    /// The client has seen the head of a response.
    pub fn head_arrived(&self) {
        self.heads.send_modify(|heads| *heads += 1);
    }

    async fn listen(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.counts().connections += 1;
            tokio::spawn(self.clone().serve(stream));
        }
    }

    async fn serve(self, stream: TcpStream) -> Result<(), h2::Error> {
        // Frames are small, and are sent at once.
        _ = stream.set_nodelay(true);
        let mut connection = server::handshake(stream).await?;
        let (shutdown, mut shutdowns) = mpsc::unbounded_channel();
        loop {
            tokio::select! {
                accepted = connection.accept() => {
                    let Some(accepted) = accepted else { return Ok(()) };
                    let (request, respond) = accepted?;
                    let act = self.act(&request);
                    tokio::spawn(self.clone().answer(act, request.into_body(), respond, shutdown.clone()));
                }
                Some(shutdown) = shutdowns.recv() => match shutdown {
                    Shutdown::Graceful(done) => {
                        connection.graceful_shutdown();
                        _ = done.send(());
                    }
                    Shutdown::Abrupt(reason) => connection.abrupt_shutdown(reason),
                },
            }
        }
    }

    fn act(&self, request: &Request<RecvStream>) -> Act {
        let mut counts = self.counts();
        if request.method() == Method::POST {
            counts.starts += 1;
            return self.start.clone();
        }
        counts.polls += 1;
        let over = Reply { status: 418, headers: &[], body: "the script is over", trailers: &[] };
        self.polls.get(counts.polls - 1).cloned().unwrap_or(Act::Reply(over))
    }

    async fn answer(
        self,
        act: Act,
        mut request: RecvStream,
        mut respond: SendResponse<Bytes>,
        shutdown: mpsc::UnboundedSender<Shutdown>,
    ) -> Result<(), h2::Error> {
        while let Some(data) = request.data().await {
            data?;
        }
        match act {
            Act::Reply(reply) => send(respond, &reply)?,
            Act::LastReply(reply) => {
                let (done, is_done) = oneshot::channel();
                _ = shutdown.send(Shutdown::Graceful(done));
                _ = is_done.await;
                send(respond, &reply)?;
            }
            Act::Reset(reason) => respond.send_reset(reason),
            Act::ResetInBody(part, reason) => {
                let mut heads = self.heads.subscribe();
                let seen = *heads.borrow_and_update();
                let mut body = respond.send_response(Response::new(()), false)?;
                body.send_data(part.into(), false)?;
                _ = heads.wait_for(|&heads| heads > seen).await;
                body.send_reset(reason);
            }
            Act::GoAway(reason) => _ = shutdown.send(Shutdown::Abrupt(reason)),
        }
        Ok(())
    }
}

fn send(mut respond: SendResponse<Bytes>, reply: &Reply) -> Result<(), h2::Error> {
    let mut body = respond.send_response(reply.head(), false)?;
    body.send_data(reply.body.into(), reply.trailers.is_empty())?;
    if reply.trailers.is_empty() { Ok(()) } else { body.send_trailers(reply.trailers()) }
}
