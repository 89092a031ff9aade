//! `Clock` and `Alarm`: the machine's time, from tokio's timer or another.

use std::{
    cell::Cell,
    collections::hash_map::RandomState,
    future::Future,
    hash::BuildHasher,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use pin_project_lite::pin_project;
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep as TokioSleep, sleep_until},
};

use crate::{
    poller::starting::Beginning,
    timing::timer::{Sleep, Timer},
};

/// The time since it was made.
pub(crate) enum Clock {
    Tokio { began: Instant },
    Other { timer: Arc<dyn Timer>, began: Duration },
}

/// There is no timer.
#[derive(Debug)]
pub(crate) struct NoTimer;

thread_local! {
    /// Whether tokio's timer has worked on this thread: trying it costs as much as the whole layer, and threads seldom change their
    /// runtime. If one does, its requests are sent all the same, and waiting fails with the operation in the error.
    static HAS_WORKED: Cell<bool> = const { Cell::new(false) };
}

impl Clock {
    pub(crate) fn start(timer: Option<&Arc<dyn Timer>>) -> (Self, Beginning) {
        let (clock, wall) = match timer {
            None => {
                // Tokio's own clock, which tests can pause.
                let began = Instant::now();
                (Self::Tokio { began }, tokio_wall(began))
            }
            Some(timer) => (Self::Other { began: timer.now(), timer: timer.clone() }, timer.wall_clock()),
        };
        (clock, Beginning { wall, seed: seed() })
    }

    /// Whether there is a timer. Asked before anything is sent.
    #[inline]
    pub(crate) fn check(timer: Option<&Arc<dyn Timer>>) -> Result<(), NoTimer> {
        if timer.is_some() || HAS_WORKED.get() { Ok(()) } else { try_tokio() }
    }

    /// Whether there may be a timer later: a future may be made outside of the runtime in which it will run.
    #[cold]
    pub(crate) fn may_come() -> bool {
        !cfg!(target_family = "wasm") && Handle::try_current().is_err()
    }

    pub(crate) fn now(&self) -> Duration {
        match self {
            Self::Tokio { began } => began.elapsed(),
            Self::Other { timer, began } => timer.now().saturating_sub(*began),
        }
    }

    /// The time of day.
    pub(crate) fn wall(&self) -> SystemTime {
        match self {
            Self::Tokio { .. } => tokio_wall(Instant::now()),
            Self::Other { timer, .. } => timer.wall_clock(),
        }
    }
}

/// A new seed each time, derived from a random first one. (A random one each time would take ten times as long.)
fn seed() -> u64 {
    thread_local! {
        static SEED: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
    }
    // Far from the step of the generators of jitter, so that none of them soon follows another.
    const STEP: u64 = 0xD1B5_4A32_D192_ED03;
    SEED.replace(SEED.get().wrapping_add(STEP))
}

#[cold]
fn try_tokio() -> Result<(), NoTimer> {
    if cfg!(target_family = "wasm") || Handle::try_current().is_err() {
        return Err(NoTimer);
    }
    // There is no way to ask but to try.
    catch_unwind(|| drop(sleep_until(Instant::now()))).map_err(|_| NoTimer)?;
    HAS_WORKED.set(true);
    Ok(())
}

/// The time of day, moved on with tokio's clock if a test has paused that.
fn tokio_wall(now: Instant) -> SystemTime {
    let (here, std_now) = (now.into_std(), std::time::Instant::now());
    let wall = SystemTime::now();
    let moved = match std_now.checked_duration_since(here) {
        Some(behind) => wall.checked_sub(behind),
        None => wall.checked_add(here.saturating_duration_since(std_now)),
    };
    moved.unwrap_or(wall)
}

pin_project! {
    /// One timer for everything that an operation waits for.
    #[project = AlarmProjection]
    pub(crate) enum Alarm {
        Unset,
        Tokio { #[pin] sleep: TokioSleep },
        // Never locked: it makes the future of a timer, which need not be `Sync`, no obstacle to that of the operation.
        Other { sleep: Mutex<Sleep>, due: Duration },
    }
}

impl Alarm {
    /// Ready at `due`, with the time; never if that is `None`.
    pub(crate) fn poll_due(
        mut self: Pin<&mut Self>,
        due: Option<Duration>,
        clock: &Clock,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Duration, NoTimer>> {
        let Some(due) = due.filter(|due| *due < Duration::MAX) else { return Poll::Pending };
        // A timer takes a millisecond at least.
        let now = clock.now();
        if now >= due {
            return Poll::Ready(Ok(now));
        }
        let polled = match clock {
            Clock::Tokio { began } => {
                let Some(until) = began.checked_add(due) else { return Poll::Pending };
                // Without a timer this panics, and there is no way to ask but to try.
                let polled = catch_unwind(AssertUnwindSafe(|| self.poll_tokio(until, cx)));
                polled.map_err(|_| NoTimer)
            }
            Clock::Other { timer, .. } => {
                if !matches!(&*self, Self::Other { due: set, .. } if *set == due) {
                    let sleep = Mutex::new(timer.sleep(due.saturating_sub(now)));
                    self.set(Self::Other { sleep, due });
                }
                let polled = match self.as_mut().project() {
                    AlarmProjection::Other { sleep, .. } => {
                        sleep.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
                    }
                    _ => Poll::Pending,
                };
                // A timer must not be polled again, although it may have been early by its resolution.
                if polled.is_ready() {
                    self.set(Self::Unset);
                }
                Ok(polled)
            }
        };
        match polled {
            Ok(polled) => polled.map(|()| Ok(clock.now())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_tokio(mut self: Pin<&mut Self>, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match self.as_mut().project() {
            AlarmProjection::Tokio { sleep } if sleep.deadline() == until => {}
            AlarmProjection::Tokio { sleep } => sleep.reset(until),
            _ => self.as_mut().set(Self::Tokio { sleep: sleep_until(until) }),
        }
        match self.project() {
            AlarmProjection::Tokio { sleep } => sleep.poll(cx),
            _ => Poll::Pending,
        }
    }
}
