//! The whole layer, with bytes for its settings, its caller and its server, in memory and in no time.
//!
//! The bytes are a tape: first the settings and the start request, then what the caller does, as long as a byte before it
//! says, then what the server does, in the order in which it is asked. [`check`] fails if a rule is broken.

#[path = "machine/answer.rs"]
mod answer;
#[path = "machine/body.rs"]
mod body;
#[path = "machine/events.rs"]
mod events;
#[path = "machine/forge.rs"]
mod forge;
#[path = "machine/payload.rs"]
mod payload;
#[path = "machine/reply.rs"]
pub mod reply;
#[path = "machine/requests.rs"]
mod requests;
#[path = "machine/scene.rs"]
mod scene;
#[path = "machine/server.rs"]
mod server;
#[path = "machine/settings.rs"]
pub mod settings;
#[path = "machine/tape.rs"]
pub mod tape;
#[path = "machine/timer.rs"]
mod timer;
#[path = "machine/world.rs"]
mod world;

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use http::Request;
use tokio::time::{advance, sleep, timeout};
use tower_lro::{Lro, LroBody, LroLayer, Operation, Outcome, Resume};
use tower_service::Service;

use self::{
    answer::Replayed,
    body::ServerBody,
    forge::forge,
    payload::Payload,
    scene::{CENTURY, Purpose},
    server::Server,
    settings::{FORGES, RESUMES, RESUMES_LATER, Settings},
    tape::Tape,
    world::World,
};

/// Longer than the layer waits for anything, but for what has no end.
const GUARD: Duration = Duration::from_secs(150 * 365 * 86400);

/// How many requests, and polls of the future, the caller has patience for.
const MAX_REQUESTS: usize = 40;
const MAX_STEPS: usize = 2000;

/// How often the caller resumes what was handed back.
const MAX_RESUMES: usize = 8;

/// The caller's action with a pending future, by the least byte for it. Below all of them, it waits to be woken.
pub const POLLS_UNASKED: u8 = 0xc0;
pub const COMES_LATE: u8 = 0xd0;
pub const MOVES_TASK: u8 = 0xe8;
pub const DROPS: u8 = 0xf4;

const LATENESS: [Duration; 6] = [
    Duration::from_millis(1),
    Duration::from_millis(300),
    Duration::from_secs(2),
    Duration::from_secs(7),
    Duration::from_secs(100),
    Duration::from_secs(7200),
];

/// The outcome of a tape, so that tests can see that something happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub polls: u32,
    /// The outcome of the operation, if there was one.
    pub outcome: Option<Outcome>,
    /// Whether it was handed back, to be resumed.
    pub is_handed_back: bool,
}

/// Plays the tape.
///
/// # Panics
///
/// If the layer breaks a rule.
pub fn check(bytes: &[u8]) -> Summary {
    run(bytes).0
}

/// Plays the tape, and says all that the caller, the server and the observer have seen.
///
/// # Panics
///
/// If the layer breaks a rule.
pub fn transcript(bytes: &[u8]) -> String {
    let world = run(bytes).1;
    let scene = world.lock();
    scene.transcript.clone()
}

fn run(bytes: &[u8]) -> (Summary, Arc<World>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime needs no more than memory").block_on(play(bytes))
}

async fn play(bytes: &[u8]) -> (Summary, Arc<World>) {
    let mut tape = Tape::new(bytes);
    let settings = Settings::read(&mut tape);
    let moves = tape.part();
    let world = World::new(settings.clone(), tape);
    let observed = world.clone();
    let layer = settings.layer(move |event| observed.lock().on_event(event));
    _ = format!("{layer:?}");
    let mut caller = Caller { world, layer, moves, is_final: false };

    let mut request = Settings::request(settings.method, settings.start);
    let mut purpose = Purpose::Starts;
    if settings.has(RESUMES) {
        request = Settings::request("GET", settings.start);
        request.extensions_mut().insert(Resume::new());
        purpose = Purpose::ResumesAt;
    }
    caller.send(request, purpose, None).await;
    let summary = caller.summary();
    for _ in 0..MAX_RESUMES {
        let Some((purpose, operation)) = caller.next().await else { break };
        let mut request = Settings::request("GET", settings.start);
        request.extensions_mut().insert(operation.resume());
        caller.send(request, purpose, Some(&operation)).await;
    }
    (summary, caller.world)
}

struct Caller {
    world: Arc<World>,
    layer: LroLayer,
    moves: Tape,
    /// Whether what was given up has been resumed.
    is_final: bool,
}

impl Caller {
    fn summary(&self) -> Summary {
        let scene = self.world.lock();
        Summary {
            polls: scene.polls,
            outcome: scene.reported.ended.as_ref().and_then(|ended| ended.outcome),
            is_handed_back: scene.reported.ended.as_ref().is_some_and(|ended| ended.outcome.is_none()),
        }
    }

    /// The operation that is to be resumed, as another process would know it.
    async fn next(&mut self) -> Option<(Purpose, Operation)> {
        let (ended, settings) = {
            let scene = self.world.lock();
            (scene.reported.ended.clone()?, scene.settings.clone())
        };
        match ended.outcome {
            Some(Outcome::Response) => return None,
            Some(_) if self.is_final || !settings.has(RESUMES_LATER) => return None,
            Some(_) => self.is_final = true,
            None => {
                let pending = self.world.lock().pending.take();
                sleep(pending.unwrap_or_default().min(CENTURY)).await;
            }
        }
        if settings.has(FORGES) {
            let mut scene = self.world.lock();
            return Some((Purpose::ResumesForged, forge(&ended.operation, &mut scene.tape)?));
        }
        let operation = serde_json::from_str(&ended.operation).expect("operations are read again");
        Some((Purpose::Resumes, operation))
    }

    /// Sends a request through the layer, to its end.
    async fn send(&mut self, mut request: Request<Payload>, purpose: Purpose, resumed: Option<&Operation>) {
        let settings = self.world.lock().settings.clone();
        self.world.lock().begin(&request, purpose, resumed);
        let mut layer = self.layer.clone();
        if settings.has(settings::PER_REQUEST) {
            request.extensions_mut().insert(layer);
            layer = LroLayer::disabled();
        }
        let mut service = Lro::new(Server::new(&self.world), layer);
        poll_fn(|cx| service.poll_ready(cx)).await.expect("the service is ready at first");
        self.world.lock().run();
        let future = service.call(request);
        drop(service);
        let output = self.drive(Box::pin(future)).await;
        if let Some(output) = output {
            self.world.lock().on_output(&output);
            match output {
                Ok(response) => self.read(response.into_body()).await,
                Err(error) => drop(error),
            }
        }
        let bodies = self.world.lock().bodies();
        assert_eq!(bodies, 0, "a body is left behind");
        self.world.check();
    }

    /// Polls the future to its end, or until the caller loses patience.
    async fn drive<F: Future>(&mut self, mut future: Pin<Box<F>>) -> Option<F::Output> {
        let mut task = Arc::new(Task::default());
        let mut output = None;
        // Whether there is more to be done at once, which may be nothing but to return what was reported.
        let mut is_busy = false;
        for _ in 0..MAX_STEPS {
            task.is_woken.store(false, Ordering::Relaxed);
            self.world.lock().before_poll();
            let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(task.clone())));
            if let Poll::Ready(ready) = polled {
                output = Some(ready);
                break;
            }
            let is_woken = task.is_woken.load(Ordering::Relaxed);
            self.world.lock().after_pending(is_woken);
            is_busy = is_woken;
            self.world.check();
            if self.world.lock().exchanges.len() > MAX_REQUESTS {
                break;
            }
            match self.moves.byte() {
                DROPS.. => break,
                MOVES_TASK..DROPS => task = Arc::default(),
                byte @ COMES_LATE..MOVES_TASK => {
                    self.world.lock().is_punctual = false;
                    advance(LATENESS[usize::from(byte - COMES_LATE) % LATENESS.len()]).await;
                }
                POLLS_UNASKED..COMES_LATE => tokio::task::yield_now().await,
                _ if timeout(GUARD, task.woken()).await.is_err() => {
                    self.world.lock().on_stuck();
                    break;
                }
                _ => {}
            }
        }
        let is_over = output.is_some();
        if is_over {
            self.world.lock().end();
        }
        drop(future);
        let mut scene = self.world.lock();
        scene.end();
        scene.after_drop();
        let ended = scene.reported.ended.as_ref().map(|ended| ended.outcome);
        let has_begun = scene.reported.began_at.is_some();
        scene.rule(has_begun == ended.is_some(), || "its end was never reported".to_owned());
        let is_dropped = ended == Some(Some(Outcome::Dropped));
        let is_told = is_over != is_dropped || (is_busy && !is_over);
        scene.rule(!has_begun || is_told, || format!("{ended:?}, where over is {is_over}"));
        drop(scene);
        self.world.check();
        output
    }

    async fn read(&self, body: LroBody<ServerBody>) {
        let mut body = Box::pin(body);
        let mut out = Replayed::new();
        while timeout(GUARD, out.read(&mut body)).await == Ok(true) {}
        self.world.lock().on_body(&out);
    }
}

/// Counts the wakes of the future.
#[derive(Default)]
struct Task {
    is_woken: AtomicBool,
    caller: Mutex<Option<Waker>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
        if let Some(caller) = self.caller.lock().unwrap_or_else(PoisonError::into_inner).take() {
            caller.wake();
        }
    }
}

impl Task {
    /// Until it is woken. Time goes on meanwhile, to whatever timer is next.
    async fn woken(&self) {
        poll_fn(|cx| {
            if self.is_woken.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
