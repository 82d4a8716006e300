//! What the answers of protocols count as.

use crate::Outcome;

/// What an HTTP status counts as: 5xx is a failure; 429 is the caller's own throttling and ignored;
/// everything else, other 4xx too, is a success: the other side works.
///
/// ```
/// use breakerbox_core::{Outcome, classify};
///
/// assert_eq!(classify::http_status(200), Outcome::Success);
/// assert_eq!(classify::http_status(404), Outcome::Success);
/// assert_eq!(classify::http_status(429), Outcome::Ignored);
/// assert_eq!(classify::http_status(503), Outcome::Failure);
/// ```
pub const fn http_status(status: u16) -> Outcome {
    match status {
        429 => Outcome::Ignored,
        500..=599 => Outcome::Failure,
        _ => Outcome::Success,
    }
}

/// What a gRPC status code counts as: `UNKNOWN`, `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE` and
/// `DATA_LOSS` are failures; `RESOURCE_EXHAUSTED` is ignored, like 429; the rest are successes. A
/// code that gRPC does not have counts as `UNKNOWN`, as its specification says.
///
/// ```
/// use breakerbox_core::{Outcome, classify};
///
/// assert_eq!(classify::grpc_status(0), Outcome::Success); // OK
/// assert_eq!(classify::grpc_status(5), Outcome::Success); // NOT_FOUND
/// assert_eq!(classify::grpc_status(8), Outcome::Ignored); // RESOURCE_EXHAUSTED
/// assert_eq!(classify::grpc_status(14), Outcome::Failure); // UNAVAILABLE
/// ```
pub const fn grpc_status(code: u32) -> Outcome {
    match code {
        2 | 4 | 13 | 14 | 15 => Outcome::Failure,
        8 => Outcome::Ignored,
        0..=16 => Outcome::Success,
        _ => Outcome::Failure,
    }
}

/// The code that a call of gRPC has come to whose answer is no gRPC, as a proxy or another server gives it,
/// by its HTTP status (gRPC's "HTTP to gRPC Status Code Mapping").
///
/// ```
/// use breakerbox_core::classify;
///
/// assert_eq!(classify::grpc_code_of_http(502), 14); // UNAVAILABLE
/// assert_eq!(classify::grpc_code_of_http(200), 2); // UNKNOWN: a page where a message was due
/// ```
pub const fn grpc_code_of_http(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grpc_status_counts_as_the_design_says() {
        let of = |wanted| (0..20).filter(|code| grpc_status(*code) == wanted).collect::<Vec<_>>();
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS, and what there is not.
        assert_eq!(of(Outcome::Failure), [2, 4, 13, 14, 15, 17, 18, 19]);
        assert_eq!(of(Outcome::Ignored), [8]);
    }

    #[test]
    fn the_edges_of_the_http_classes() {
        assert_eq!(http_status(428), Outcome::Success);
        assert_eq!(http_status(429), Outcome::Ignored);
        assert_eq!(http_status(430), Outcome::Success);
        assert_eq!(http_status(499), Outcome::Success);
        assert_eq!(http_status(500), Outcome::Failure);
        assert_eq!(http_status(599), Outcome::Failure);
    }
}
