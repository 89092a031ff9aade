//! The rules on requests: when they come, where they go, and what they carry.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header::AUTHORIZATION};
use tower_lro::Resume;
use url::Url;

use super::{
    payload::{Marker, Payload},
    reply::{Pause, Reply, Response},
    scene::{CENTURY, Exchange, Held, MIB, REDIRECTS, Scene, Stage, TICK, has_subscription_key},
    settings::{ASKS_FOR_ASYNC, PUBLIC, SECRET},
};
use crate::origin::Trust;

/// How long the body of a redirect without a `Retry-After` is read.
const DRAIN: Duration = Duration::from_millis(250);

const MAX_MOVES: u32 = 10;

impl Scene {
    pub fn is_redirect(&self) -> bool {
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
        let delay = self.reported.waiting.take();
        let Some(last) = self.last() else { return };
        let Some(answered_at) = last.answered_at else { return };
        let is_fetch = self.fetches;
        // Delays in the final status response do not apply to later requests.
        let was_final = is_fetch && self.reported.ended_by == Some(self.exchanges.len()) && !self.is_redirect();
        let has_pause = last.response.as_ref().is_some_and(|response| response.body.pause.1 != Pause::None);
        let asked = self.last_retry_after().filter(|_| !was_final);
        if let Some(asked) = asked {
            let due = answered_at.saturating_add(self.bounded(asked).min(CENTURY));
            // A date is read in whole milliseconds, as time goes on.
            self.rule(now + TICK >= due, || {
                format!("a request comes {:?} before the `Retry-After` of {asked:?} is over", due - now)
            });
        }
        let (is_punctual, is_redirect) = (self.is_punctual, self.is_redirect());
        match delay {
            Some((said_at, delay)) => {
                let due = said_at.saturating_add(delay);
                self.rule(!is_punctual || now <= due.saturating_add(TICK), || {
                    format!("a poll comes {:?} later than it was said to", now - due)
                });
            }
            None if is_redirect && asked.is_none() => {
                let at_most = if has_pause { DRAIN + TICK } else { Duration::ZERO };
                self.rule(!is_punctual || now <= answered_at + at_most, || {
                    format!("a redirect without a `Retry-After` is followed {:?} later", now - answered_at)
                });
            }
            None => self.rule(is_fetch && asked.is_none(), || "no event announced the delay of a poll".to_owned()),
        }
    }

    pub fn on_call(&mut self, request: &Request<Payload>) -> (usize, Reply) {
        self.activity += 1;
        self.record(format_args!("{} {} {:?}", request.method(), request.uri(), request.headers()));
        self.rule(self.stage != Stage::Over, || "a request was sent after the end".to_owned());
        let open = self.held[Held::Call as usize] + self.held[Held::Body as usize];
        self.rule(open == 0, || "a request was sent while another one was open".to_owned());
        let is_first = self.exchanges.is_empty() && !self.resumes();
        let is_callers = matches!(request.body(), Payload::Callers);
        self.rule(is_first == is_callers, || {
            let which = if is_callers { "the caller's request was sent again" } else { "a poll came first" };
            format!("{which}: {request:?}")
        });
        if is_first {
            self.look_at_callers(request);
        } else {
            self.look_at(request);
            self.count();
        }
        self.exchanges.push(Exchange::default());
        let first_protocol = self.settings.protocols.first().copied().unwrap_or("operation-location");
        let reply = match is_first {
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
        if !self.fetches {
            self.polls = self.polls.saturating_add(1);
        }
        self.bounds_hold(self.settings.max_status_bytes + MIB, 2);
        let has_begun = self.reported.began_at.is_some();
        self.rule(has_begun, || "a poll was sent before the operation was reported".to_owned());
    }

    /// No more than so many bytes of the last response were read, and so many frames more.
    pub fn bounds_hold(&mut self, bytes: usize, frames: usize) {
        let Some(&Exchange { read, largest, .. }) = self.last() else { return };
        self.rule(read <= bytes + frames * largest, || {
            format!("{read} bytes of a body were read, in frames of up to {largest}, where {bytes} are enough")
        });
    }

    /// A request of the caller's is left as it is.
    fn look_at_callers(&mut self, request: &Request<Payload>) {
        let extensions = request.extensions();
        self.rule(extensions.get::<Marker>().is_some(), || format!("no extensions of {}", request.uri()));
        let has_secret = request.headers().values().any(is_secret);
        self.rule(has_secret, || format!("{:?} were sent to {}", request.headers(), request.uri()));
        let preferences = request.headers().get_all("prefer").iter().count();
        let may_ask = self.settings.has(ASKS_FOR_ASYNC);
        self.rule(preferences == 1 || may_ask, || format!("{preferences} preferences"));
    }

    /// A request of the layer's own goes nowhere else, and carries no more, than it may.
    fn look_at(&mut self, request: &Request<Payload>) {
        let uri = request.uri();
        let text = uri.to_string();
        self.rule(!self.is_started_elsewhere, || {
            format!("an operation that was started elsewhere was asked at {text}")
        });
        let trust = match uri.authority() {
            None if self.start.starts_with('/') => Trust::Credentials,
            None => Trust::None,
            Some(_) => Url::parse(&text).map_or(Trust::None, |url| self.trust(&url)),
        };
        let mut headers: HeaderMap = PUBLIC
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let accept = request.headers().get("accept").cloned();
        if trust == Trust::Credentials {
            headers = self.repeated.clone();
            if uri.authority().is_some() {
                headers.remove("host");
            }
        }
        // Where the status is read from JSON, that is asked for.
        let asks_for_json = accept.as_ref().is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
        self.rule(asks_for_json, || format!("{accept:?} is accepted"));
        if let Some(accept) = accept {
            headers.insert("accept", accept);
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
        self.rule(resume.is_none(), || "a poll resumes the operation once more".to_owned());
        let has_secret = text.contains(SECRET);
        let may_have = trust == Trust::Credentials || self.knows_secret || self.echoes;
        self.rule(!has_secret || may_have, || format!("a secret was sent to {text}"));
        let has_key = has_subscription_key(&text);
        let needs_key = trust == Trust::Credentials && self.propagates_the_secret();
        self.rule(has_key || !needs_key, || format!("no subscription key was sent to {text}"));
    }

    fn trust(&self, url: &Url) -> Trust {
        self.settings.origins.trust(&self.own, url)
    }

    pub fn on_answer(&mut self, index: usize, response: Option<Response>) {
        self.activity += 1;
        let now = self.now();
        self.rule(self.stage == Stage::Running, || "a call was asked after the end".to_owned());
        self.exchanges[index].answered_at = Some(now);
        self.exchanges[index].response = response;
    }

    pub fn on_frame(&mut self, index: usize, length: usize) {
        // The caller reads everything after the end.
        if self.stage == Stage::Running {
            self.exchanges[index].read += length;
            self.exchanges[index].largest = self.exchanges[index].largest.max(length);
        }
    }
}

fn is_secret(value: &HeaderValue) -> bool {
    value.as_bytes().windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}
