//! The rules on requests: when they come, where they go, and what they carry.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header::AUTHORIZATION};
use tower_lro::Resume;
use url::Url;

use super::{
    reply::{Pause, Reply, Response},
    server::Payload,
    settings::{Marker, PUBLIC, SECRET},
    world::{CENTURY, Exchange, Held, MIB, REDIRECTS, Scene, Stage, TICK, has_subscription_key},
};
use crate::origin::Trust;

/// How long the body of a redirect without a hint is read.
const DRAIN: Duration = Duration::from_millis(250);

const MAX_MOVES: u32 = 10;

impl Scene {
    fn is_redirect(&self) -> bool {
        self.last_response().is_some_and(|response| REDIRECTS.contains(&response.status.as_u16()))
    }

    /// How the service gets ready for the next request, if it ever does.
    pub fn on_ready_asked(&mut self) -> Option<Pause> {
        self.activity += 1;
        if self.stage == Stage::Starting {
            return Some(Pause::None);
        }
        self.rule(self.stage == Stage::Running, || "the service is asked for its readiness after the end".to_owned());
        self.follow_the_pace();
        match self.tape.byte() {
            0xfe.. => None,
            _ => Some(Pause::read(&mut self.tape)),
        }
    }

    /// No request comes earlier than the server asked for, nor later.
    fn follow_the_pace(&mut self) {
        let now = self.now();
        let delay = self.told.waiting.take();
        let Some(last) = self.last() else { return };
        let Some(answered_at) = last.answered_at else { return };
        let is_fetch = self.told.state.is_terminal();
        // What the final status response says of delays, is not about what comes then.
        let was_final = is_fetch && self.told.ended_by == Some(self.exchanges.len()) && !self.is_redirect();
        let has_pause = last.response.as_ref().is_some_and(|response| response.body.pause.1 != Pause::None);
        let hint = self.last_hint().filter(|_| !was_final);
        if let Some(hint) = hint {
            let due = answered_at.saturating_add(self.bounded(hint).min(CENTURY));
            self.rule(now >= due, || format!("a request comes {:?} before the hint of {hint:?} is over", due - now));
        }
        let (is_punctual, is_redirect) = (self.is_punctual, self.is_redirect());
        match delay {
            Some((told_at, delay)) => {
                let due = told_at.saturating_add(delay);
                self.rule(!is_punctual || now <= due.saturating_add(TICK), || {
                    format!("a poll comes {:?} later than it was said to", now - due)
                });
            }
            None if is_redirect && hint.is_none() => {
                let at_most = if has_pause { DRAIN + TICK } else { Duration::ZERO };
                self.rule(!is_punctual || now <= answered_at + at_most, || {
                    format!("a redirect without a hint is followed {:?} later", now - answered_at)
                });
            }
            None => self.rule(is_fetch && hint.is_none(), || "a poll was sent without a word on its delay".to_owned()),
        }
    }

    pub fn on_call(&mut self, request: &Request<Payload>) -> (usize, Reply) {
        self.activity += 1;
        self.rule(self.stage != Stage::Over, || "a request was sent after the end".to_owned());
        let in_hand = self.held[Held::Call as usize] + self.held[Held::Body as usize];
        self.rule(in_hand == 0, || "a request was sent with another one in hand".to_owned());
        let is_first = self.exchanges.is_empty();
        let is_callers = matches!(request.body(), Payload::Callers);
        self.rule(is_first == is_callers, || {
            let which = if is_callers { "the caller's request was sent again" } else { "a poll came first" };
            format!("{which}: {request:?}")
        });
        if is_first {
            self.polls += u32::from(self.is_resumed);
            self.look_at_callers(request);
        } else {
            self.look_at(request);
            self.count();
        }
        self.exchanges.push(Exchange::default());
        let first_protocol = self.settings.protocols.first().copied().unwrap_or("operation-location");
        let reply = match is_first && !self.is_resumed {
            true => Reply::read_start(&mut self.tape, first_protocol),
            false => Reply::read(&mut self.tape),
        };
        self.echoes |= reply.response.as_ref().is_some_and(|response| response.headers.values().any(is_secret));
        (self.exchanges.len() - 1, reply)
    }

    fn count(&mut self) {
        if self.is_redirect() {
            self.moves += 1;
            self.rule(self.moves <= MAX_MOVES, || format!("more than {MAX_MOVES} moves were followed"));
        }
        if !self.told.state.is_terminal() {
            self.polls += 1;
        }
        self.bounds_hold(self.settings.max_status_bytes + MIB, 2);
        let accepted = self.told.accepted_at.is_some();
        self.rule(accepted, || "a poll was sent before the operation was told of".to_owned());
    }

    /// What was read of the last response is no more than so much, and so many frames more.
    pub fn bounds_hold(&mut self, bytes: usize, frames: usize) {
        let Some(&Exchange { read, largest, .. }) = self.last() else { return };
        self.rule(read <= bytes + frames * largest, || {
            format!("{read} bytes of a body were read, in frames of up to {largest}, where {bytes} are enough")
        });
    }

    /// A request of the caller's is left as it is, unless it takes an operation up.
    fn look_at_callers(&mut self, request: &Request<Payload>) {
        let extensions = request.extensions();
        let is_shown = self.shown_nothing.is_empty();
        self.rule(extensions.get::<Resume>().is_none(), || "what takes the operation up is passed on".to_owned());
        self.rule(extensions.get::<Marker>().is_some() == is_shown, || format!("extensions of {}", request.uri()));
        let has_secret = request.headers().values().any(is_secret);
        self.rule(has_secret == is_shown, || format!("{:?} were sent to {}", request.headers(), request.uri()));
    }

    /// A request of the layer's own goes nowhere else, and carries no more, than it may.
    fn look_at(&mut self, request: &Request<Payload>) {
        let uri = request.uri();
        let text = uri.to_string();
        let trust = match uri.authority() {
            None if self.start.starts_with('/') => Trust::Credentials,
            None => Trust::None,
            Some(_) => Url::parse(&text).map_or(Trust::None, |url| self.trust(&url)),
        };
        let mut headers: HeaderMap = PUBLIC
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        if trust == Trust::Credentials {
            headers = self.repeated.clone();
            if uri.authority().is_some() {
                headers.remove("host");
            }
        }
        self.rule(trust != Trust::None, || format!("a request was sent to {text}"));
        self.rule(request.headers() == &headers, || {
            format!("{:?} were sent to {text}, instead of {headers:?}, by {trust:?}", request.headers())
        });
        let is_sensitive = request.headers().get(AUTHORIZATION).is_none_or(HeaderValue::is_sensitive);
        self.rule(is_sensitive, || "the authorization is not sensitive any more".to_owned());
        self.rule(request.method() == Method::GET, || format!("a poll by {}", request.method()));
        self.rule(request.version() == Version::HTTP_2, || format!("a poll by {:?}", request.version()));
        let extensions = request.extensions();
        let (marker, resume) = (extensions.get::<Marker>(), extensions.get::<Resume>());
        let is_marked = self.is_marked && trust == Trust::Credentials;
        self.rule(marker.is_some() == is_marked, || format!("{marker:?} was sent to {text}, by {trust:?}"));
        self.rule(trust == Trust::Credentials || extensions.is_empty(), || format!("extensions were sent to {text}"));
        self.rule(resume.is_none(), || "a poll takes the operation up once more".to_owned());
        let has_secret = text.contains(SECRET);
        let may_have = trust == Trust::Credentials || self.knows_secret || self.echoes;
        self.rule(!has_secret || may_have, || format!("a secret was sent to {text}"));
        let has_key = has_subscription_key(&text);
        let needs_key = trust == Trust::Credentials && self.carries_the_secret();
        self.rule(has_key || !needs_key, || format!("no subscription key was sent to {text}"));
    }

    fn trust(&self, url: &Url) -> Trust {
        let was_shown_nothing = self.shown_nothing.iter().any(|shown| shown.origin() == url.origin());
        match self.settings.origins.trust(&self.own, url) {
            Trust::None if was_shown_nothing => Trust::Anonymous,
            trust => trust,
        }
    }

    pub fn on_answer(&mut self, index: usize, response: Option<Response>) {
        self.activity += 1;
        let now = self.now();
        self.rule(self.stage == Stage::Running, || "a call was asked after the end".to_owned());
        self.exchanges[index].answered_at = Some(now);
        self.exchanges[index].response = response;
    }

    pub fn on_frame(&mut self, index: usize, length: usize) {
        // What comes after the end is the caller's to read.
        if self.stage == Stage::Running {
            self.exchanges[index].read += length;
            self.exchanges[index].largest = self.exchanges[index].largest.max(length);
        }
    }
}

fn is_secret(value: &HeaderValue) -> bool {
    value.as_bytes().windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}
