//! The host of a request as its key.

use crate::tower::{About, Describe};
use http::Request;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use std::net::IpAddr;

/// Calls of one host, with its port, belong together.
///
/// ```
/// use breakerbox::http::{ByHost, ClientLayer};
/// use breakerbox::clock::SystemClock;
/// use breakerbox::http::AsItIs;
/// use breakerbox::{Pipeline, breaker};
///
/// // A breaker for each host: one that is down takes no other with it.
/// let web = Pipeline::builder("web").breaker(breaker::Settings::default()).breaker_keys(100).build()?;
/// let layer: ClientLayer<SystemClock, AsItIs, ByHost> = ClientLayer::new(web);
/// assert_eq!(layer.pipeline().stats().keyed_breakers, Some((0, 0)));
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByHost;

impl<B> Describe<Request<B>> for ByHost {
    fn describe(&self, request: &Request<B>, about: About) -> About {
        let uri = request.uri();
        let usual = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
            Some(scheme) if *scheme == Scheme::HTTP => Some(80),
            _ => None,
        };
        match uri.authority() {
            Some(authority) => of_host(about, authority.host(), authority.port_u16().or(usual)),
            None => {
                match request.headers().get(HOST).map(|it| Authority::try_from(it.as_bytes())) {
                    Some(Ok(said)) => of_host(about, said.host(), said.port_u16().or(usual)),
                    Some(Err(_)) | None => about,
                }
            }
        }
    }
}

/// The key of a host, however it is written.
pub(super) fn of_host(about: About, host: &str, port: Option<u16>) -> About {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => about.key((address, port)),
        Err(_) => about.key((host.trim_end_matches('.').to_ascii_lowercase(), port)),
    }
}
