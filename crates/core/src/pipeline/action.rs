//! What a driver tells the machine, and what the machine answers.

use crate::breaker::State;
use crate::retry::Failure;
use crate::{Outcome, Timestamp};
use std::time::Duration;

/// The urgency of a call of which nothing is said (RFC 9218).
pub const DEFAULT_URGENCY: u8 = 3;

/// What a driver knows of a call when it begins.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::pipeline::{Action, End, Ending, Event, Pipeline, Settings, Start};
/// use breakerbox_core::retry;
/// use std::time::Duration;
///
/// let settings = Settings { retry: Some(retry::Settings::default()), ..Settings::default() };
/// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
/// // A payment, say: it fails once and for all.
/// let payment = Start { repeatable: false, hedgeable: false, ..Start::default() };
/// let now = Timestamp::ZERO + Duration::from_secs(1);
/// let (mut call, _) = pipeline.begin(now, payment, &mut |_, _| {});
/// let action = call.step(&pipeline, now, Event::ended(1, Ending::Failure), &mut |_, _| {});
/// let end = End::Delivered { attempt: 1 };
/// assert_eq!(action, Action::Done { end, fallback: false });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// How much time the caller has, where the caller said so.
    pub left: Option<Duration>,
    /// Whether running the operation twice does no harm.
    pub repeatable: bool,
    /// Whether running it twice at the same time does no harm either.
    pub hedgeable: bool,
    /// How important it is: from 0, the most important, to 7. Default: 3.
    pub urgency: u8,
    /// How much of the rate limit it takes. Default: 1.
    pub weight: u32,
    /// Whether the driver has somewhere to look for the answer before the operation is run.
    pub lookup: bool,
    /// What it belongs to.
    pub keys: Keys,
}

impl Default for Start {
    /// A call that may be repeated, of a caller who has time.
    fn default() -> Self {
        Self {
            left: None,
            repeatable: true,
            hedgeable: true,
            urgency: DEFAULT_URGENCY,
            weight: 1,
            lookup: false,
            keys: Keys::default(),
        }
    }
}

/// Hashes of what a call belongs to, as far as a policy asks. They are the driver's, and seeded:
/// clients choose what goes into them.
///
/// ```
/// use breakerbox_core::pipeline::{Action, End, Ending, Event, Keys, Pipeline, Settings, Start};
/// use breakerbox_core::{Timestamp, rate_limit};
///
/// let one = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
/// let settings = Settings { rate_limit: Some(one), ..Settings::default() };
/// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
/// let admits = |tenant| {
///     let keys = Keys { rate_limit: Some(tenant), ..Keys::default() };
///     let start = Start { keys, ..Start::default() };
///     let (call, action) = pipeline.begin(Timestamp::ZERO, start, &mut |_, _| {});
///     call.cancel(&pipeline, Timestamp::ZERO, &mut |_, _| {});
///     matches!(action, Action::Run { .. })
/// };
/// assert!(admits(1) && admits(2) && !admits(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Whose rate is limited.
    pub rate_limit: Option<u64>,
    /// Whose breaker it is.
    pub breaker: Option<u64>,
    /// Calls of one key are shed together.
    pub shed: Option<u64>,
    /// Calls of one key meet the same chaos.
    pub chaos: Option<u64>,
    /// It meets no chaos.
    pub spared: bool,
}

/// What happened to a call.
///
/// ```
/// use breakerbox_core::pipeline::{Ending, Event, Hint};
///
/// let failed = Event::Ended { attempt: 1, ending: Ending::Failure, hint: Hint::NONE };
/// assert_eq!(Event::ended(1, Ending::Failure), failed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt has ended.
    Ended {
        /// Which.
        attempt: u32,
        /// How.
        ending: Ending,
        /// What else is known.
        hint: Hint,
    },
    /// The response of an attempt has begun, well so far, and goes on to the caller. Its end is told
    /// later with [`Event::Ended`]. From now on neither the attempt timeout nor retries nor the
    /// fallback apply.
    ResponseStarted {
        /// Which attempt's.
        attempt: u32,
    },
    /// Time has passed, or what the call waits for has come.
    Time,
    /// After [`Action::LookUp`]: the answer was there, or came from an equal call.
    Answered {
        /// What that answer is.
        ending: Ending,
    },
    /// After [`Action::LookUp`]: nobody has the answer.
    Unanswered,
}

impl Event {
    /// An attempt has ended, and nothing else is known.
    pub const fn ended(attempt: u32, ending: Ending) -> Self {
        Self::Ended { attempt, ending, hint: Hint::NONE }
    }
}

/// What else is known of the end of an attempt.
///
/// ```
/// use breakerbox_core::pipeline::Hint;
/// use breakerbox_core::retry::Failure;
/// use std::time::Duration;
///
/// // What is to be said of a 503 with `Retry-After: 2`.
/// let failure = Failure::Status(503);
/// let hint = Hint { failure, retry_after: Some(Duration::from_secs(2)), ..Hint::NONE };
/// assert!(!hint.never_sent && hint.again.is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What kind of failure it is, if it is one.
    pub failure: Failure,
    /// When the upstream wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The upstream cannot have worked on it, so repeating it is safe whatever it is.
    pub never_sent: bool,
    /// Whether it is worth another attempt, where the caller knows better than the retry policy.
    pub again: Option<bool>,
}

impl Hint {
    /// Nothing is known.
    pub const NONE: Self =
        Self { failure: Failure::Other, retry_after: None, never_sent: false, again: None };
}

/// How an attempt ended.
///
/// ```
/// use breakerbox_core::Outcome;
/// use breakerbox_core::pipeline::Ending;
///
/// assert_eq!(Ending::Panicked.outcome(), Outcome::Failure);
/// assert_eq!(Ending::from(Outcome::Ignored), Ending::Ignored);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It did what it is for.
    Success,
    /// It failed.
    Failure,
    /// It ended in a way that says nothing about the other side.
    Ignored,
    /// It panicked. That is a failure; the panic goes on to the caller.
    Panicked,
}

impl Ending {
    /// What it counts as.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Success => Outcome::Success,
            Self::Failure | Self::Panicked => Outcome::Failure,
            Self::Ignored => Outcome::Ignored,
        }
    }
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure => Self::Failure,
            Outcome::Ignored => Self::Ignored,
        }
    }
}

/// What a driver is to do next.
///
/// ```
/// use breakerbox_core::pipeline::{Action, Ending, Event, Pipeline, Settings, Start};
/// use breakerbox_core::{Timestamp, retry};
///
/// let settings = Settings { retry: Some(retry::Settings::default()), ..Settings::default() };
/// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
/// let (mut call, action) = pipeline.begin(Timestamp::ZERO, Start::default(), &mut |_, _| {});
/// assert_eq!(action, Action::Run { attempt: 1, endpoint: 0 });
/// let failed = Event::ended(1, Ending::Failure);
/// assert_eq!(call.step(&pipeline, Timestamp::ZERO, failed, &mut |_, _| {}), Action::Wait);
/// // The pause before the second attempt is over.
/// let due = call.due();
/// let action = call.step(&pipeline, due, Event::Time, &mut |_, _| {});
/// assert_eq!(action, Action::Run { attempt: 2, endpoint: 0 });
/// call.cancel(&pipeline, due, &mut |_, _| {});
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the operation, and tell when it ends, or when [`Call::due`](super::Call::due) comes
    /// before. Other attempts may still run beside it: see [`Call::runs`](super::Call::runs). Where
    /// chaos is set, [`Call::fault`](super::Call::fault) says what it is to meet.
    Run {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Where it goes.
        endpoint: usize,
    },
    /// Nothing until something happens, or [`Call::due`](super::Call::due) comes. Attempts that no
    /// longer [run](super::Call::runs) are to be dropped. Of what has ended the last result is to be
    /// kept: it may be what the caller gets.
    Wait,
    /// Look whether the answer is there already, or on its way, and tell with [`Event::Answered`] or
    /// [`Event::Unanswered`].
    LookUp,
    /// The call is over. What still runs is to be dropped.
    Done {
        /// What became of it.
        end: End,
        /// Whether the caller is to get the fallback instead.
        fallback: bool,
    },
}

/// What became of a call.
///
/// ```
/// use breakerbox_core::pipeline::{Action, End, Pipeline, Rejection, Settings, Start};
/// use breakerbox_core::{Timestamp, bulkhead};
///
/// let settings = Settings { bulkhead: Some(bulkhead::Settings::new(1)), ..Settings::default() };
/// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
/// let (first, _) = pipeline.begin(Timestamp::ZERO, Start::default(), &mut |_, _| {});
/// let (_, action) = pipeline.begin(Timestamp::ZERO, Start::default(), &mut |_, _| {});
/// let end = End::Rejected(Rejection::BulkheadFull);
/// assert_eq!(action, Action::Done { end, fallback: false });
/// first.cancel(&pipeline, Timestamp::ZERO, &mut |_, _| {});
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The caller gets what this attempt came to, good or bad. It is the last that came to anything.
    Delivered {
        /// Which attempt.
        attempt: u32,
    },
    /// The caller gets what was looked up.
    Answered,
    /// It was not run, or not run again.
    Rejected(Rejection),
    /// An attempt took longer than the attempt timeout.
    AttemptTimeout {
        /// How long it had run.
        after: Duration,
    },
    /// The call took longer than its deadline, or than its caller had time, and there was no earlier
    /// error to give.
    DeadlineExceeded {
        /// How long it had taken.
        after: Duration,
    },
}

/// Which policy rejected a call, and until when.
///
/// ```
/// use breakerbox_core::pipeline::Rejection;
/// use std::time::Duration;
///
/// let rejection = Rejection::RateLimited { retry_after: Some(Duration::from_secs(2)) };
/// assert_eq!((rejection.policy(), rejection.reason()), ("rate_limit", "rate_limited"));
/// assert_eq!(rejection.retry_after(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The circuit is open, isolated, or half-open with all its probes under way.
    BreakerOpen {
        /// Which of these.
        state: State,
        /// How long until a call may be admitted; `None` where only a person can tell.
        retry_after: Option<Duration>,
    },
    /// As many calls run as the bulkhead allows, and no place in its queue is free, or a more
    /// important call took it.
    BulkheadFull,
    /// It waited for a place in the bulkhead as long as a call may.
    QueueTimeout {
        /// How long it had waited.
        after: Duration,
    },
    /// The rate limit is reached.
    RateLimited {
        /// How long until a call may be admitted; `None` if this one never can.
        retry_after: Option<Duration>,
    },
    /// It was shed, for calls that are more important.
    Shed,
    /// The upstream accepts too few calls at present, and this one was drawn.
    Throttled,
    /// As many calls run as the adaptive limit allows.
    LimitReached,
    /// Chaos answered in place of the operation. The machine itself never says this: it is for
    /// drivers that have no other way to say it.
    Chaos,
}

impl Rejection {
    /// All reasons, as [`reason`](Self::reason) names them.
    pub const REASONS: [&'static str; 8] = [
        "breaker_open",
        "bulkhead_full",
        "queue_timeout",
        "rate_limited",
        "shed",
        "throttled",
        "limit_reached",
        "chaos",
    ];

    /// The policies that reject for these reasons, each at the place of its reason.
    pub const POLICIES: [&'static str; 8] = [
        "breaker",
        "bulkhead",
        "bulkhead",
        "rate_limit",
        "shed",
        "throttle",
        "adaptive_limit",
        "chaos",
    ];

    /// The name in policy tests, metrics and headers.
    pub const fn reason(&self) -> &'static str {
        Self::REASONS[self.number()]
    }

    /// The place of its reason among [`REASONS`](Self::REASONS).
    pub const fn number(&self) -> usize {
        match self {
            Self::BreakerOpen { .. } => 0,
            Self::BulkheadFull => 1,
            Self::QueueTimeout { .. } => 2,
            Self::RateLimited { .. } => 3,
            Self::Shed => 4,
            Self::Throttled => 5,
            Self::LimitReached => 6,
            Self::Chaos => 7,
        }
    }

    /// The policy that rejected it, by its name in the file.
    pub const fn policy(&self) -> &'static str {
        Self::POLICIES[self.number()]
    }

    /// How long until a call may be admitted, where that can be told.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BreakerOpen { retry_after, .. } | Self::RateLimited { retry_after } => {
                *retry_after
            }
            _ => None,
        }
    }

    /// The same, where what is to be waited for is waited for so much longer: for drivers whose clock lags
    /// behind that of whoever waits.
    #[must_use]
    pub fn later_by(mut self, longer: Duration) -> Self {
        if let Self::BreakerOpen { retry_after: Some(wait), .. }
        | Self::RateLimited { retry_after: Some(wait) } = &mut self
        {
            *wait = wait.saturating_add(longer);
        }
        self
    }

    /// The kind that a retry policy may name.
    pub const fn failure(&self) -> Option<Failure> {
        match self {
            Self::BreakerOpen { .. } => Some(Failure::BreakerOpen),
            Self::BulkheadFull | Self::QueueTimeout { .. } => Some(Failure::BulkheadFull),
            Self::RateLimited { .. } => Some(Failure::RateLimited),
            Self::Shed | Self::Throttled | Self::LimitReached | Self::Chaos => None,
        }
    }
}

/// What falls due at one instant happens in this order, over all calls.
///
/// ```
/// use breakerbox_core::pipeline::Rank;
///
/// // Who runs out of time as its turn comes has run out of time.
/// assert!(Rank::Deadline < Rank::Begin);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A whole call has taken too long.
    Deadline,
    /// An attempt has.
    AttemptTimeout,
    /// A wait in a queue has.
    QueueTimeout,
    /// A retry or a hedge may begin, or a turn has come.
    Begin,
}

/// What is due next, and when.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::pipeline::{Due, Rank};
/// use std::time::Duration;
///
/// let at = Timestamp::ZERO + Duration::from_secs(1);
/// let mut due = [Due { at, rank: Rank::Begin }, Due { at, rank: Rank::AttemptTimeout }];
/// due.sort();
/// assert_eq!(due[0].rank, Rank::AttemptTimeout);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// What.
    pub rank: Rank,
}
