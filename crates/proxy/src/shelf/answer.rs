//! An answer that others may have too.

use std::sync::Arc;

use breakerbox::Outcome;
use breakerbox::core::Timestamp;
use breakerbox::core::classify;
use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::key::Asked;
use crate::body::ResponseBody;
use crate::headers::{BREAKERBOX_FALLBACK, BREAKERBOX_REASON};

/// An answer, as it was given to a client.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    pub(super) stored: Timestamp,
    /// The headers of the request that it depends on, and their values.
    pub(super) varies_by: Arc<[HeaderName]>,
    values: Vec<Vec<HeaderValue>>,
}

impl Answer {
    /// The answer with this head and body, if it may be given to others who ask the same.
    pub fn new<B>(
        head: &Response<B>,
        body: Bytes,
        asked: &Asked,
        now: Timestamp,
    ) -> Option<Arc<Self>> {
        let varies_by = may_be_shared(head.headers())?;
        let values = varies_by.iter().map(|name| asked.values(name).cloned().collect()).collect();
        Some(Arc::new(Self {
            status: head.status(),
            headers: head.headers().clone(),
            body,
            stored: now,
            varies_by,
            values,
        }))
    }

    /// Whether it answers this request: what it depends on is the same.
    pub fn is_for(&self, asked: &Asked) -> bool {
        let mut all = self.varies_by.iter().zip(&self.values);
        all.all(|(name, values)| asked.values(name).eq(values.iter()))
    }

    /// Whether it is worth keeping: a whole answer of an upstream, that is no failure.
    pub(super) fn is_good(&self) -> bool {
        let kept = self.status.is_success() || self.status.is_redirection();
        kept && self.status != StatusCode::PARTIAL_CONTENT
            && self.status != StatusCode::NOT_MODIFIED
            && !self.headers.contains_key(BREAKERBOX_FALLBACK)
            && !self.headers.contains_key(BREAKERBOX_REASON)
    }

    /// Whether it is a failure, or no answer of the upstream at all.
    pub fn is_failure(&self) -> bool {
        let outcome = classify::http_status(self.status.as_u16());
        outcome == Outcome::Failure || self.headers.contains_key(BREAKERBOX_REASON)
    }

    /// The answer for another client, with its age in seconds.
    pub fn respond(&self, now: Timestamp) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::full(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        let age = now.since(self.stored).as_secs();
        response.headers_mut().insert(AGE, HeaderValue::from(age));
        response
    }

    /// The same as a fallback, marked as such.
    pub fn respond_stale(&self, now: Timestamp, reason: &'static str) -> Response<ResponseBody> {
        let mut response = self.respond(now);
        let headers = response.headers_mut();
        headers.insert(BREAKERBOX_FALLBACK, HeaderValue::from_static("stale"));
        headers.insert(BREAKERBOX_REASON, HeaderValue::from_static(reason));
        response
    }
}

/// The headers of requests that an answer with these headers depends on; `None` if it is only for who
/// asked.
pub(crate) fn may_be_shared(headers: &HeaderMap) -> Option<Arc<[HeaderName]>> {
    if headers.contains_key(SET_COOKIE) {
        return None;
    }
    let listed = |name: HeaderName| {
        let values = headers.get_all(name).iter();
        values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
    };
    let private = |word: &[u8]| {
        let name = word.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        [&b"private"[..], b"no-store", b"no-cache"].iter().any(|it| name.eq_ignore_ascii_case(it))
    };
    if listed(CACHE_CONTROL).any(private) {
        return None;
    }
    // What is no name of a header, `*` above all, is nothing that a request could be compared by.
    let names = listed(VARY).filter(|name| !name.is_empty()).map(HeaderName::from_bytes);
    let mut names: Vec<_> = names.collect::<Result<_, _>>().ok()?;
    if names.iter().any(|name| name.as_str() == "*") {
        return None;
    }
    names.sort_unstable_by(|one, two| one.as_str().cmp(two.as_str()));
    names.dedup();
    Some(names.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let all = all.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        all.collect()
    }

    #[test]
    fn what_is_for_one_client_is_not_for_others() {
        for alone in [
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=5, Private"),
            ("cache-control", "no-store"),
            ("cache-control", "no-cache=\"x\""),
            ("vary", "*"),
            ("vary", "accept, *"),
        ] {
            assert!(may_be_shared(&headers(&[alone])).is_none(), "{alone:?}");
        }
        for all in [("cache-control", "public, max-age=0"), ("x", "private")] {
            assert!(may_be_shared(&headers(&[all])).is_some(), "{all:?}");
        }
        let names = may_be_shared(&headers(&[("vary", "Accept-Language, accept,ACCEPT")])).unwrap();
        assert_eq!(&*names, ["accept", "accept-language"]);
    }

    #[test]
    fn an_answer_is_for_those_whose_headers_are_the_same() {
        let asked = |language: &str| {
            Asked::new(&Method::GET, "H", "/a?b", &headers(&[("accept-language", language)]))
        };
        let mut response = Response::new(());
        *response.headers_mut() = headers(&[("vary", "accept-language")]);
        let answer = Answer::new(&response, Bytes::new(), &asked("de"), Timestamp::ZERO).unwrap();
        assert!(answer.is_for(&asked("de")) && !answer.is_for(&asked("en")));
        let names = &answer.varies_by;
        assert_ne!(asked("de").key(names), asked("en").key(names));
        assert_eq!(asked("de").key(names), asked("de").key(names));
    }
}
