//! `ServerBody`: the body of a response, as the tape has it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    payload::Lost,
    reply::{Pause, Plan},
    scene::{Held, Inner},
    timer::Timer,
    world::{Holding, World},
};

#[derive(Debug)]
pub struct ServerBody {
    holding: Holding,
    index: usize,
    plan: Plan,
    given: usize,
    timer: Option<Timer>,
    was_empty: bool,
    is_over: bool,
}

impl ServerBody {
    pub fn new(world: &Arc<World>, index: usize, plan: Plan) -> Self {
        let holding = world.hold(Held::Body);
        Self { holding, index, plan, given: 0, timer: None, was_empty: false, is_over: false }
    }
}

impl Body for ServerBody {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        let this = &mut *self;
        let world = this.holding.world().clone();
        world.lock().activity += 1;
        if this.is_over {
            world.lock().broken("a body was asked again after its end");
            return Poll::Ready(None);
        }
        let (at, pause) = this.plan.pause;
        if pause != Pause::None && this.given >= at {
            ready!(this.timer.get_or_insert_with(|| Timer::new(pause)).poll(Inner::Body, &world, cx));
            this.plan.pause.1 = Pause::None;
        }
        this.was_empty = this.plan.has_empty_frames && !this.was_empty && !this.plan.data.is_empty();
        if this.was_empty {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::new()))));
        }
        let data = &mut this.plan.data;
        if !data.is_empty() {
            let until_pause = match this.plan.pause {
                (_, Pause::None) => usize::MAX,
                (at, _) => at - this.given,
            };
            let frame = data.split_to(data.len().min(this.plan.chunk).min(until_pause));
            this.given += frame.len();
            world.lock().on_frame(this.index, frame.len());
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if let Some(trailers) = this.plan.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        this.is_over = true;
        Poll::Ready(this.plan.breaks.then_some(Err(Lost)))
    }

    fn is_end_stream(&self) -> bool {
        let Plan { data, pause, breaks, trailers, is_open, .. } = &self.plan;
        self.is_over || (data.is_empty() && pause.1 == Pause::None && !breaks && trailers.is_none() && !is_open)
    }

    fn size_hint(&self) -> SizeHint {
        match self.plan.is_open || self.plan.breaks {
            true => SizeHint::default(),
            false => SizeHint::with_exact(self.plan.data.len() as u64),
        }
    }
}
