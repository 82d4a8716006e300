//! The table `retry`.

use std::time::Duration;

use breakerbox_core::retry::{
    Backoff, BudgetSettings, Failure, Growth, IDEMPOTENT, Jitter, MAX_ATTEMPTS, Settings, When,
};

use super::kind::{Kind, Refusal, either};
use super::node::Node;
use super::reader::Reader;
use super::span::Located;
use super::suggest::closest;
use super::table::table;
use super::{boolean, duration, integer, list, number, one_of, quoted, text};

/// What is repeated, and for which requests.
///
/// ```
/// use breakerbox::config::Policy;
///
/// let text = "retry = { attempts = 5, methods = ['GET', 'PUT'] }";
/// let retry = Policy::parse("policy.toml", text).unwrap().0.retry.unwrap();
/// assert_eq!(retry.settings.attempts, 5);
/// assert!(retry.may_repeat("PUT") && !retry.may_repeat("POST"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// What, how often and when: settings that pass [`Settings::check`].
    pub settings: Settings,
    /// HTTP methods that may be repeated, in upper case. Default: those that are idempotent.
    pub methods: Vec<String>,
    /// Bodies of requests are kept for another attempt up to so many bytes. Default: 64 KiB.
    pub max_body: usize,
}

/// The most that can be kept of the body of a request.
const MAX_KEPT_BODY: u32 = 16 * 1024 * 1024;

impl Retry {
    /// The methods that may be repeated where nothing else is said: those that are idempotent.
    pub fn idempotent() -> Vec<String> {
        IDEMPOTENT.map(str::to_owned).to_vec()
    }

    /// Whether a request with this method may be repeated.
    pub fn may_repeat(&self, method: &str) -> bool {
        self.methods.iter().any(|allowed| allowed == method)
    }
}

config_table! {
    /// Repeats what failed, after a delay and within a budget.
    struct RetryTable {
        /// How often a call is tried at most, the first time included.
        attempts: u32 = integer(1..=MAX_ATTEMPTS), default 3;
        /// The delays between attempts.
        backoff: Backoff = table::<BackoffTable>().then(backoff),
            optional "exponential from 50ms to 2s, with full jitter";
        /// The budget, which hedges share; `false` for none.
        budget: Option<BudgetSettings> = either(boolean().then(no_budget), table::<BudgetTable>().then(budget)),
            optional "every call adds 0.1, a retry takes 1; 10 at the start, 100 at most";
        /// No retry begins later than this after the call did.
        max_elapsed: Duration = duration().above_zero(), optional "any time before the deadline";
        /// What is repeated: `failure`, `connect`, `reset`, `refused_stream`, `timeout`,
        /// `breaker_open`, `bulkhead_full`, `rate_limited`; statuses such as `503` or `5xx`; gRPC
        /// codes by name.
        on: When = list(either(status(), condition())).not_empty().map(all),
            optional "connect, reset, refused_stream, timeout, 429, 502, 503, 504, unavailable, resource_exhausted";
        /// HTTP methods that may be repeated.
        methods: Vec<Located<String>> = list(text().then(method)), optional "GET, HEAD, OPTIONS, TRACE, PUT, DELETE";
        /// Bodies of requests are kept for another attempt up to so many bytes; longer ones are sent
        /// once.
        max_body: u32 = integer(0..=MAX_KEPT_BODY), default 65536;
    }
}

config_table! {
    /// The delays between attempts.
    struct BackoffTable {
        /// How delays grow.
        kind: Growth = one_of(&[
            ("exponential", Growth::Exponential),
            ("fixed", Growth::Fixed),
            ("linear", Growth::Linear),
            ("fibonacci", Growth::Fibonacci),
        ]), default "exponential";
        /// The first delay.
        initial: Duration = duration().above_zero(), default "50ms";
        /// By how much each exponential delay is longer than the one before.
        factor: f64 = number(1.0..=1000.0), default 2.0;
        /// No delay is longer, whatever the jitter.
        max: Duration = duration().above_zero(), optional "2s, or `initial` if that is longer";
        /// How delays are spread.
        jitter: Jitter = one_of(&[
            ("full", Jitter::Full),
            ("equal", Jitter::Equal),
            ("decorrelated", Jitter::Decorrelated),
            ("none", Jitter::None),
        ]), default "full";
    }
}

config_table! {
    /// How many retries and hedges there may be.
    pub(super) struct BudgetTable {
        /// What every call adds.
        ratio: f64 = number(0.0..=1_000_000.0), default 0.1;
        /// What there is at the start.
        start: f64 = number(0.0..=1_000_000.0), default 10.0;
        /// There is never more.
        cap: f64 = number(1.0..=1_000_000.0), default 100.0;
        /// What time adds.
        min_per_second: f64 = number(0.0..=1_000_000.0), default 0.0;
    }
}

/// The table of a retry policy, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::config::{read_file, retry};
/// use breakerbox::retry::Jitter;
/// use std::time::Duration;
///
/// let file = "on = ['connect', '5xx']\nbackoff = { initial = '25ms', jitter = 'equal' }";
/// let (retry, _) = read_file("retry.toml", file, &retry()).unwrap();
/// assert_eq!(retry.settings.backoff.initial, Duration::from_millis(25));
/// assert_eq!(retry.settings.backoff.jitter, Jitter::Equal);
/// assert_eq!(retry.settings.attempts, 3);
/// ```
pub fn retry() -> impl Kind<Value = Retry> {
    table::<RetryTable>().then(settings)
}

fn settings(table: RetryTable, node: Node<'_>, reader: &mut Reader) -> Option<Retry> {
    let settings = Settings {
        attempts: table.attempts.required()?,
        backoff: table.backoff.optional()?.unwrap_or_default(),
        budget: table.budget.optional()?.unwrap_or(Some(BudgetSettings::default())),
        max_elapsed: table.max_elapsed.optional()?,
        on: table.on.optional()?.unwrap_or_else(When::http),
    };
    let max_body = table.max_body.required()? as usize;
    let methods = table.methods.optional()?;
    let settings = reader.checked(node, settings.check())?;
    warn_of_done_twice(methods.iter().flatten(), &settings, reader);
    let methods = methods.map_or_else(Retry::idempotent, values);
    Some(Retry { settings, methods, max_body })
}

/// Methods that may do more when they are done twice, whatever else is to be known of a request. Of
/// methods that HTTP does not have nobody can tell.
const NOT_IDEMPOTENT: [&str; 4] = ["POST", "PATCH", "CONNECT", "LOCK"];

/// What cannot have been worked on is repeated whatever its method, so `methods` is about the rest.
fn warn_of_done_twice<'a>(
    methods: impl Iterator<Item = &'a Located<String>>,
    settings: &Settings,
    reader: &mut Reader,
) {
    if settings.attempts == 1 || !may_have_been_done(&settings.on) {
        return;
    }
    for method in methods.filter(|method| NOT_IDEMPOTENT.contains(&method.value.as_str())) {
        reader.warning(
            method.span,
            format!("{} is repeated, though it may have been done the first time", method.value),
            "take it out, unless the service sees to it that what comes twice is done once",
        );
    }
}

/// Whether anything is repeated after which the request may have been worked on. Whoever answers 429 or
/// RESOURCE_EXHAUSTED has not.
fn may_have_been_done(on: &When) -> bool {
    let kinds = [Failure::Other, Failure::Reset, Failure::Timeout];
    let statuses = (100..=599).filter(|status| *status != 429).map(Failure::Status);
    let codes = (1..=16).filter(|code| *code != 8).map(Failure::Grpc);
    // As an ignored result what is not named is not repeated; as a failure it may be.
    kinds.into_iter().chain(statuses).chain(codes).any(|failure| on.repeats(failure, true))
}

fn backoff(table: BackoffTable, _: Node<'_>, _: &mut Reader) -> Option<Backoff> {
    let initial = table.initial.required()?;
    let max = table.max.optional()?;
    Some(Backoff {
        growth: table.kind.required()?,
        initial,
        factor: table.factor.required()?,
        max: max.unwrap_or_else(|| Backoff::default().max.max(initial)),
        jitter: table.jitter.required()?,
    })
}

pub(super) fn budget(
    table: BudgetTable,
    _: Node<'_>,
    _: &mut Reader,
) -> Option<Option<BudgetSettings>> {
    Some(Some(BudgetSettings {
        ratio: table.ratio.required()?,
        start: table.start.required()?,
        cap: table.cap.required()?,
        min_per_second: table.min_per_second.required()?,
    }))
}

pub(super) fn no_budget(
    given: bool,
    node: Node<'_>,
    reader: &mut Reader,
) -> Option<Option<BudgetSettings>> {
    if given {
        let fix = "leave `budget` out for the usual one, or write `false` for none";
        return reader.refuse(node, Refusal::new("is true", fix));
    }
    Some(None)
}

/// What one entry of `on` adds.
#[derive(Clone, Copy)]
enum Condition {
    Failure(Failure),
    Statuses(u16, u16),
}

fn status() -> impl Kind<Value = Condition> {
    integer(100..=599_u16).map(|status| Condition::Statuses(status, status))
}

fn condition() -> impl Kind<Value = Condition> {
    text().then(|written, node, reader| {
        let word = written.to_ascii_lowercase();
        let found = kind(&word).or_else(|| grpc(&word)).map(Condition::Failure);
        let found = found.or_else(|| statuses(&word));
        if found.is_none() {
            let words = KINDS.iter().map(|(name, _)| *name).chain(GRPC.into_iter().skip(1));
            let meant = closest(&word, words).map(|meant| format!("did you mean \"{meant}\"? "));
            let fix = format!(
                "{}write a kind such as \"connect\", a status such as 503 or \"5xx\", or a gRPC code \
                 such as \"unavailable\"",
                meant.unwrap_or_default()
            );
            return reader.refuse(node, Refusal::new(format!("is {}", quoted(&written)), fix));
        }
        found
    })
}

/// The kinds of failure that have a name.
const KINDS: [(&str, Failure); 8] = [
    ("failure", Failure::Other),
    ("connect", Failure::Connect),
    ("reset", Failure::Reset),
    ("refused_stream", Failure::RefusedStream),
    ("timeout", Failure::Timeout),
    ("breaker_open", Failure::BreakerOpen),
    ("bulkhead_full", Failure::BulkheadFull),
    ("rate_limited", Failure::RateLimited),
];

fn kind(word: &str) -> Option<Failure> {
    KINDS.into_iter().find(|(name, _)| *name == word).map(|(_, failure)| failure)
}

/// gRPC's status codes, in the order of their numbers.
const GRPC: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

fn grpc(word: &str) -> Option<Failure> {
    let code = GRPC.into_iter().position(|code| code == word).filter(|code| *code > 0)?;
    u32::try_from(code).ok().map(Failure::Grpc)
}

/// `5xx` are all statuses from 500 to 599; `"503"` is 503. Nothing else is either.
fn statuses(word: &str) -> Option<Condition> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let &[hundreds, tens, ones] = word.as_bytes() else { return None };
    let first = digit(hundreds).filter(|hundreds| (1..=5).contains(hundreds))? * 100;
    if (tens, ones) == (b'x', b'x') {
        return Some(Condition::Statuses(first, first + 99));
    }
    let status = first + digit(tens)? * 10 + digit(ones)?;
    Some(Condition::Statuses(status, status))
}

fn all(conditions: Vec<Located<Condition>>) -> When {
    conditions.into_iter().fold(When::nothing(), |when, condition| match condition.value {
        Condition::Failure(failure) => when.and(failure),
        Condition::Statuses(first, last) => when.and_statuses(first, last),
    })
}

fn method(word: String, node: Node<'_>, reader: &mut Reader) -> Option<String> {
    let is_token = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !is_token {
        let fix = "write a method such as \"POST\"";
        return reader.refuse(node, Refusal::new(format!("is {}", quoted(&word)), fix));
    }
    Some(word.to_ascii_uppercase())
}

fn values(list: Vec<Located<String>>) -> Vec<String> {
    list.into_iter().map(|located| located.value).collect()
}
