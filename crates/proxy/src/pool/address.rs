//! Where an endpoint is, in the forms that connecting, headers and messages need.

use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};

use crate::config::Endpoint;

/// The port that an authority leaves out.
const DEFAULT_PORT: u16 = 80;

/// One endpoint, made once per core from the configuration.
#[derive(Debug)]
pub(super) struct Address {
    /// `host:port`, for messages.
    pub(super) name: Arc<str>,
    /// The host as the resolver takes it: an IPv6 address without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) connect_timeout: Duration,
    authority: Authority,
    host_header: HeaderValue,
}

/// Host and port of an endpoint that make no address.
#[derive(Debug, thiserror::Error)]
#[error("the endpoint `{host}:{port}` is no valid address")]
pub struct InvalidEndpoint {
    host: String,
    port: u16,
}

impl Address {
    pub(super) fn new(
        endpoint: &Endpoint,
        connect_timeout: Duration,
    ) -> Result<Self, InvalidEndpoint> {
        let Endpoint { host, port } = endpoint;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let written = if bare.contains(':') { format!("[{bare}]") } else { bare.to_owned() };
        let name = format!("{written}:{port}");
        let authority = if *port == DEFAULT_PORT { written } else { name.clone() };
        let invalid = || InvalidEndpoint { host: host.clone(), port: *port };
        Ok(Self {
            host_header: HeaderValue::from_str(&authority).map_err(|_| invalid())?,
            authority: authority.parse().map_err(|_| invalid())?,
            name: name.into(),
            host: bare.to_owned(),
            port: *port,
            connect_timeout,
        })
    }

    /// Makes a request into one for this endpoint over HTTP/1.1: `GET /path` and `Host`.
    pub(super) fn direct_http1<B>(&self, request: &mut Request<B>) {
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().insert(HOST, self.host_header.clone());
        if request.uri().authority().is_some() {
            let path = path_and_query(std::mem::take(request.uri_mut()));
            *request.uri_mut() = Uri::from(path);
        }
    }

    /// Makes a request into one for this endpoint over HTTP/2: scheme and authority in the URI.
    pub(super) fn direct_http2<B>(&self, request: &mut Request<B>) {
        *request.version_mut() = Version::HTTP_2;
        request.headers_mut().remove(HOST);
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path_and_query(std::mem::take(request.uri_mut())));
        parts.authority = Some(self.authority.clone());
        parts.scheme = Some(Scheme::HTTP);
        *request.uri_mut() =
            Uri::from_parts(parts).expect("scheme, authority and path make a whole URI");
    }
}

fn path_and_query(uri: Uri) -> PathAndQuery {
    uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Address {
        let endpoint = Endpoint { host: host.to_owned(), port };
        Address::new(&endpoint, Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn names_and_authorities() {
        let named = address("a.example", 8080);
        assert_eq!((&*named.name, named.authority.as_str()), ("a.example:8080", "a.example:8080"));
        let standard = address("a.example", 80);
        assert_eq!((&*standard.name, standard.authority.as_str()), ("a.example:80", "a.example"));
        for written in ["::1", "[::1]"] {
            let six = address(written, 9000);
            assert_eq!((&*six.name, &*six.host), ("[::1]:9000", "::1"));
        }
        let endpoint = Endpoint { host: "a b".to_owned(), port: 1 };
        let error = Address::new(&endpoint, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "the endpoint `a b:1` is no valid address");
    }

    #[test]
    fn requests_are_directed_to_the_endpoint() {
        let mut request = Request::get("http://front.example/x?y").body(()).unwrap();
        address("a.example", 8080).direct_http1(&mut request);
        assert_eq!(request.uri(), "/x?y");
        assert_eq!(request.headers()[HOST], "a.example:8080");

        address("b.example", 8080).direct_http2(&mut request);
        assert_eq!(request.uri(), "http://b.example:8080/x?y");
        assert!(!request.headers().contains_key(HOST));
    }
}
