//! `Server`: a service that does as the tape says, and looks at what is done to it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Version};
use tower_service::Service;

use super::{
    body::ServerBody,
    payload::{Lost, Payload},
    reply::Reply,
    scene::{Held, Inner},
    timer::Timer,
    world::{Holding, World},
};

#[derive(Debug)]
pub struct Server {
    holding: Holding,
    readiness: Readiness,
}

#[derive(Debug)]
enum Readiness {
    Unknown,
    Soon(Timer),
    Ready { _holding: Holding },
    Gone,
}

impl Server {
    pub fn new(world: &Arc<World>) -> Self {
        Self { holding: world.hold(Held::Service), readiness: Readiness::Unknown }
    }
}

impl Clone for Server {
    fn clone(&self) -> Self {
        Self::new(self.holding.world())
    }
}

impl Service<Request<Payload>> for Server {
    type Response = http::Response<ServerBody>;
    type Error = Lost;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let world = self.holding.world().clone();
        if let Readiness::Unknown = self.readiness {
            let pause = world.lock().on_ready_asked();
            match pause {
                Some(pause) => self.readiness = Readiness::Soon(Timer::new(pause)),
                None => {
                    self.readiness = Readiness::Gone;
                    return Poll::Ready(Err(Lost));
                }
            }
        }
        match &mut self.readiness {
            Readiness::Soon(timer) => {
                ready!(timer.poll(Inner::Readiness, &world, cx));
                self.readiness = Readiness::Ready { _holding: world.hold(Held::Readiness) };
            }
            Readiness::Gone => world.lock().broken("the service was asked again after its `poll_ready` failed"),
            Readiness::Unknown | Readiness::Ready { .. } => {}
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Payload>) -> Answer {
        let world = self.holding.world();
        if !matches!(self.readiness, Readiness::Ready { .. }) {
            world.lock().broken("the service was called without being ready");
        }
        self.readiness = Readiness::Unknown;
        let (index, reply) = world.lock().on_call(&request);
        Answer { holding: world.hold(Held::Call), index, timer: Timer::new(reply.pause), reply: Some(reply) }
    }
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answer {
    holding: Holding,
    index: usize,
    timer: Timer,
    reply: Option<Reply>,
}

impl Future for Answer {
    type Output = Result<http::Response<ServerBody>, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let world = this.holding.world().clone();
        ready!(this.timer.poll(Inner::Call, &world, cx));
        let Some(reply) = this.reply.take() else {
            world.lock().broken("a call was asked again after its end");
            return Poll::Pending;
        };
        world.lock().on_answer(this.index, reply.response.clone());
        Poll::Ready(reply.response.ok_or(Lost).map(|response| {
            let mut head = http::Response::new(ServerBody::new(&world, this.index, response.body));
            *head.status_mut() = response.status;
            *head.headers_mut() = response.headers;
            *head.version_mut() = Version::HTTP_2;
            head
        }))
    }
}
