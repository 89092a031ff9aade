//! `Server`: a raw TCP server that does what its script says, and counts what it sees.

use std::{
    future,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, yield_now},
};

use crate::server_script::{Act, End, Step, accepted, reply};

/// A server's behavior: one answer for every start request, and one after the other for the polls.
#[derive(Clone)]
pub struct Script {
    pub start: Act,
    pub polls: Vec<Act>,
    /// The answer after them; a teapot by default.
    pub last: Option<Act>,
}

impl Script {
    pub fn new(polls: impl Into<Vec<Act>>) -> Self {
        Self { start: accepted(), polls: polls.into(), last: None }
    }

    fn poll(&self, index: usize) -> Act {
        let act = self.polls.get(index).or(self.last.as_ref());
        act.cloned().unwrap_or_else(|| reply(418, &[], "the script is over"))
    }
}

/// A request that was seen whole.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub head: String,
    is_start: bool,
}

/// On a loopback port, until the test ends.
#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    script: Arc<Script>,
    state: Arc<Mutex<State>>,
    accepted: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    connections: usize,
    seen: Vec<Seen>,
    listening: Option<JoinHandle<()>>,
    /// Holds the port while nobody listens there.
    down: Option<TcpSocket>,
    live: Vec<JoinHandle<()>>,
}

/// A socket that refuses all connections, for as long as it is there.
pub fn refusing(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    // Connections of the listener before it may still be closing. (Elsewhere this means something else.)
    socket.set_reuseaddr(cfg!(unix)).unwrap();
    socket.bind(address).unwrap();
    socket
}

pub fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

impl Server {
    pub fn of(script: Script) -> Self {
        let socket = refusing(any_port());
        let server = Self {
            address: socket.local_addr().unwrap(),
            script: Arc::new(script),
            state: Arc::default(),
            accepted: Arc::new(Semaphore::new(0)),
        };
        server.state().down = Some(socket);
        server.up();
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// How many requests could have started an operation.
    pub fn starts(&self) -> usize {
        self.state().seen.iter().filter(|seen| seen.is_start).count()
    }

    /// How many others there were.
    pub fn polls(&self) -> usize {
        self.state().seen.iter().filter(|seen| !seen.is_start).count()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// The client has accepted the operation.
    pub fn accepted(&self) {
        self.accepted.add_permits(1);
    }

    /// Listens again, if it is down.
    pub fn up(&self) {
        let Some(socket) = self.state().down.take() else { return };
        let listener = socket.listen(16).unwrap();
        let listening = tokio::spawn(self.clone().listen(listener));
        self.state().listening = Some(listening);
    }

    async fn listen(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.state().connections += 1;
            let connection = tokio::spawn(self.clone().serve(stream));
            self.state().live.push(connection);
        }
    }

    async fn down(&self) {
        let listening = self.state().listening.take();
        let others = std::mem::take(&mut self.state().live);
        for task in listening.into_iter().chain(others).filter(|task| Some(task.id()) != tokio::task::try_id()) {
            task.abort();
            // Its socket is closed when it is gone.
            _ = task.await;
        }
        self.state().down = Some(refusing(self.address));
    }

    async fn serve(self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut buffer = BytesMut::new();
        while let Some(seen) = read(&mut stream, &mut buffer).await {
            let act = self.act(seen);
            if let End::Down = act.end {
                self.down().await;
            }
            if self.write(&mut stream, act.steps).await.is_err() {
                return;
            }
            match act.end {
                End::Keep => {}
                End::Close | End::Down => return,
                End::Reset => return stream.set_zero_linger().unwrap(),
                End::Stall => future::pending().await,
            }
        }
    }

    fn act(&self, seen: Seen) -> Act {
        let act = if seen.is_start { self.script.start.clone() } else { self.script.poll(self.polls()) };
        self.state().seen.push(seen);
        act
    }

    async fn write(&self, stream: &mut TcpStream, steps: Vec<Step>) -> std::io::Result<()> {
        for step in steps {
            match step {
                Step::Write(bytes) => stream.write_all(&bytes).await?,
                Step::Drip(bytes) => {
                    for byte in bytes {
                        stream.write_u8(byte).await?;
                        // The reader's turn.
                        yield_now().await;
                    }
                }
                Step::Flood(bytes) => loop {
                    stream.write_all(&bytes).await?;
                    yield_now().await;
                },
                Step::UntilAccepted => self.accepted.acquire().await.unwrap().forget(),
            }
        }
        Ok(())
    }
}

/// A request with its body; nothing, when no more come.
async fn read(stream: &mut TcpStream, buffer: &mut BytesMut) -> Option<Seen> {
    const END: &[u8] = b"\r\n\r\n";
    let length = loop {
        match buffer.windows(END.len()).position(|window| window == END) {
            Some(end) => break end + END.len(),
            None => more(stream, buffer).await?,
        }
    };
    let head = String::from_utf8(buffer.split_to(length).to_vec()).unwrap().to_ascii_lowercase();
    let body = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    while buffer.len() < body {
        more(stream, buffer).await?;
    }
    buffer.advance(body);
    let mut words = head.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    Some(Seen { is_start: method == "post", path: path.to_owned(), head })
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}
