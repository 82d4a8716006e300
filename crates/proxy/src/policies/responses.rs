//! The responses that clients got, by class.

use std::sync::atomic::AtomicU64;

use breakerbox::Outcome;
use breakerbox::http as judge;
use http::{HeaderMap, Response, StatusCode};

use super::counts;
use crate::body::BodyEnd;

/// What a client got, by the status that it saw.
///
/// gRPC answers everything with 200 and says in a status of its own how it went. So such a response
/// counts by that: whose error it is, as 4xx and 5xx tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An HTTP status from 100 to 599, by its first digit: 1 to 5.
    Http(u8),
    /// An HTTP status beyond these.
    Other,
    /// gRPC: `OK`.
    GrpcOk,
    /// gRPC: a status that is no failure of the upstream, `NOT_FOUND` for instance; or the client
    /// cancelled the call.
    GrpcClientError,
    /// gRPC: a status that a breaker counts as failure, or none because the stream broke off.
    GrpcServerError,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Http(1),
        Self::Http(2),
        Self::Http(3),
        Self::Http(4),
        Self::Http(5),
        Self::Other,
        Self::GrpcOk,
        Self::GrpcClientError,
        Self::GrpcServerError,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http(1) => "1xx",
            Self::Http(2) => "2xx",
            Self::Http(3) => "3xx",
            Self::Http(4) => "4xx",
            Self::Http(5) => "5xx",
            Self::Http(_) | Self::Other => "other",
            Self::GrpcOk => "grpc_ok",
            Self::GrpcClientError => "grpc_client_error",
            Self::GrpcServerError => "grpc_server_error",
        }
    }

    /// Whether the class of an upstream's response with this head is known at the end of its body.
    pub fn comes_at_the_end(status: StatusCode, headers: &HeaderMap) -> bool {
        status == StatusCode::OK && judge::comes_in_trailers(headers)
    }

    /// The class of a response that has nothing more to say at its end.
    pub fn of_head<B>(response: &Response<B>) -> Self {
        let headers = response.headers();
        let status = response.status().as_u16();
        match status / 100 {
            2 if status == 200 && headers.contains_key("grpc-status") => Self::of_grpc(headers),
            2 if Self::comes_at_the_end(response.status(), headers) => Self::GrpcServerError,
            hundreds @ 1..=5 => Self::Http(hundreds as u8),
            _ => Self::Other,
        }
    }

    /// The class of a gRPC response whose status came, or did not come, at the end of its body.
    pub fn of_end(end: &BodyEnd) -> Self {
        match end {
            BodyEnd::Complete { trailers: Some(trailers) } => Self::of_grpc(trailers),
            BodyEnd::ClientGone => Self::GrpcClientError,
            BodyEnd::Complete { trailers: None }
            | BodyEnd::UpstreamFailed
            | BodyEnd::IdleTimeout
            | BodyEnd::DeadlineExceeded => Self::GrpcServerError,
        }
    }

    fn of_grpc(headers: &HeaderMap) -> Self {
        let is_ok = headers.get("grpc-status").is_some_and(|status| status == "0");
        match judge::of_grpc_trailers(Some(headers)) {
            Outcome::Failure => Self::GrpcServerError,
            _ if is_ok => Self::GrpcOk,
            _ => Self::GrpcClientError,
        }
    }

    const fn place(self) -> usize {
        match self {
            Self::Http(hundreds @ 1..=5) => hundreds as usize - 1,
            Self::Http(_) | Self::Other => 5,
            Self::GrpcOk => 6,
            Self::GrpcClientError => 7,
            Self::GrpcServerError => 8,
        }
    }
}

/// Counts of responses by class.
#[derive(Debug, Default)]
pub struct Responses([AtomicU64; Class::ALL.len()]);

impl Responses {
    /// One more.
    pub fn count(&self, class: Class) {
        counts::count(&self.0[class.place()]);
    }

    /// How many of a class there were.
    pub fn read(&self, class: Class) -> u64 {
        counts::read(&self.0[class.place()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_place_and_a_name_of_its_own() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.place(), place);
            assert_eq!(Class::ALL.iter().filter(|it| it.name() == class.name()).count(), 1);
        }
    }

    #[test]
    fn http_counts_by_its_status_and_grpc_by_its_own() {
        let of = |status: u16, headers: &[(&'static str, &str)]| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            Class::of_head(&response).name()
        };
        for (status, class) in
            [(101, "1xx"), (204, "2xx"), (304, "3xx"), (499, "4xx"), (500, "5xx"), (600, "other")]
        {
            assert_eq!(of(status, &[]), class);
        }
        let grpc = ("content-type", "application/grpc");
        for (status, class) in
            [("0", "grpc_ok"), ("5", "grpc_client_error"), ("8", "grpc_client_error")]
        {
            assert_eq!(of(200, &[grpc, ("grpc-status", status)]), class);
        }
        for status in ["2", "14", "99", "nonsense"] {
            assert_eq!(of(200, &[grpc, ("grpc-status", status)]), "grpc_server_error");
        }
        assert_eq!(of(200, &[grpc]), "grpc_server_error", "there are no trailers to come");
        assert_eq!(of(503, &[grpc]), "5xx");
        assert_eq!(of(200, &[("content-type", "application/json")]), "2xx");
    }

    #[test]
    fn a_stream_counts_by_how_it_ends() {
        let with = |status: &'static str| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static(status));
            Class::of_end(&BodyEnd::Complete { trailers: Some(trailers) })
        };
        assert_eq!(with("0"), Class::GrpcOk);
        assert_eq!(with("7"), Class::GrpcClientError);
        assert_eq!(with("13"), Class::GrpcServerError);
        assert_eq!(Class::of_end(&BodyEnd::ClientGone), Class::GrpcClientError);
        for end in
            [BodyEnd::Complete { trailers: None }, BodyEnd::UpstreamFailed, BodyEnd::IdleTimeout]
        {
            assert_eq!(Class::of_end(&end), Class::GrpcServerError);
        }
    }
}
