//! `Timer`: how long the server takes for something.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Sleep, sleep};

use super::{reply::Pause, scene::Inner, world::World};

#[derive(Debug)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_endless: bool,
}

impl Timer {
    pub fn new(pause: Pause) -> Self {
        let sleep = match pause {
            Pause::None | Pause::Forever => None,
            Pause::For(time) => Some(Box::pin(sleep(time))),
        };
        Self { sleep, is_endless: pause == Pause::Forever }
    }

    pub fn poll(&mut self, what: Inner, world: &World, cx: &mut Context<'_>) -> Poll<()> {
        let is_pending = match &mut self.sleep {
            _ if self.is_endless => true,
            Some(sleep) => sleep.as_mut().poll(cx).is_pending(),
            None => false,
        };
        if is_pending {
            world.lock().waits_for(what, self.is_endless);
            return Poll::Pending;
        }
        // A timer must not be asked again.
        self.sleep = None;
        Poll::Ready(())
    }
}
