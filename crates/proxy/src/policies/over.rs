//! Why a call is over without a response that could be passed on.

use breakerbox::TimeoutKind;
use breakerbox::core::pipeline::Rejection;
use breakerbox::http::Explanation;
use http::Response;

use super::Kind;
use super::kept::KeptResponse;
use crate::pool::{SendError, UpstreamBody};

/// What there is to answer with, where it is no response on its way.
#[derive(Debug)]
pub struct Over {
    /// What happened.
    pub stopped: Stopped,
    /// Whether the fallback is to stand in, if there is one.
    pub fallback: bool,
    /// What the call counts as, unless the fallback does stand in.
    pub kind: Kind,
}

/// Why a call is over without a response of the upstream.
#[derive(Debug)]
pub enum Stopped {
    /// The answer has been found elsewhere.
    Answered,
    /// A policy rejected it.
    Rejected(Rejection),
    /// Time ran out.
    Timeout(TimeoutKind),
    /// The upstream gave no response.
    NoResponse(SendError),
    /// The upstream's response was a failure, and the fallback stands in for it.
    Failed(Box<Response<UpstreamBody>>),
    /// The last real answer was this failure, and there was no time for a better one.
    Kept(Box<KeptResponse>),
}

impl Stopped {
    /// Whether the upstream cannot have worked on it.
    pub fn never_sent(&self) -> bool {
        match self {
            Self::Rejected(_) => true,
            Self::NoResponse(error) => error.never_sent(),
            Self::Answered | Self::Timeout(_) | Self::Failed(_) | Self::Kept(_) => false,
        }
    }

    /// The reason in one word, as `breakerbox-reason` says it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.reason(),
            Self::Timeout(kind) => Explanation::of_timeout(*kind).reason,
            Self::NoResponse(error) => error.kind().name(),
            Self::Answered | Self::Failed(_) => "status",
            // What it is the last error of has run out of time.
            Self::Kept(_) => "deadline",
        }
    }
}
