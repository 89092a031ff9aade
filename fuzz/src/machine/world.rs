//! `World`: the scene that everybody shares, and what lives in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    scene::{Held, Inner, Scene},
    settings::Settings,
    tape::Tape,
};

#[derive(Debug)]
pub struct World(Mutex<Scene>);

/// One of the things that are [`Held`], as long as it lives.
#[derive(Debug)]
pub struct Holding {
    world: Arc<World>,
    held: Held,
}

impl World {
    pub fn new(settings: Settings, tape: Tape) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Scene::new(settings, tape))))
    }

    pub fn lock(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hold(self: &Arc<Self>, held: Held) -> Holding {
        self.lock().held[held as usize] += 1;
        Holding { world: self.clone(), held }
    }

    /// Fails if a rule has been broken. Not where it was, since the layer catches the panics of observers.
    pub fn check(&self) {
        let failure = self.lock().failure();
        if let Some(failure) = failure {
            panic!("{failure}");
        }
    }
}

impl Holding {
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut scene = self.world.lock();
        scene.held[self.held as usize] -= 1;
        // A body that is gone is not waited for, even if it was pending a moment ago.
        let what = match self.held {
            Held::Call => Inner::Call,
            Held::Body => Inner::Body,
            Held::Service | Held::Readiness => return,
        };
        scene.waiting.take_if(|(waiting, _)| *waiting == what);
    }
}
