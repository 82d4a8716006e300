//! Where calls go on to when an upstream does not answer, and where calls come from.

use super::Upstream;

/// The upstreams that a call goes on to, one after the other, where each before has no answer. Each is
/// there once: files with a circle are refused, and this comes to an end with one all the same.
pub fn goes_on_to<'u, 'a>(upstreams: &'u [Upstream<'a>], from: &str) -> Vec<&'u Upstream<'a>> {
    let named = |name: &str| upstreams.iter().find(|upstream| upstream.name == name);
    let mut chain: Vec<&Upstream<'_>> = Vec::new();
    let mut last = named(from);
    while let Some(next) = last.and_then(fallback).and_then(named) {
        if next.name == from || chain.iter().any(|passed| passed.name == next.name) {
            break;
        }
        chain.push(next);
        last = Some(next);
    }
    chain
}

/// The upstreams whose calls may come to this one, directly or by way of others, in the order given.
pub fn comes_from<'a>(upstreams: &[Upstream<'a>], to: &str) -> Vec<&'a str> {
    let comes =
        |from: &&Upstream<'_>| goes_on_to(upstreams, from.name).iter().any(|it| it.name == to);
    upstreams.iter().filter(comes).map(|upstream| upstream.name).collect()
}

fn fallback<'a>(upstream: &Upstream<'a>) -> Option<&'a str> {
    upstream.policy.fallback.as_ref()?.upstream.as_deref()
}
