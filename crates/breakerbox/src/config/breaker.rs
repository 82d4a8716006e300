//! The table `breaker`.

use std::time::Duration;

use breakerbox_core::breaker::{MAX_CALL_WINDOW, MAX_PROBES, OpenFor, Settings, Window};
use breakerbox_core::keyed::{DEFAULT_KEYS, MAX_KEYS};

use super::key_of::{KeyOf, key_of};
use super::kind::{Kind, either};
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{boolean, duration, integer, number, rate};

config_table! {
    /// A circuit breaker: it opens when too many calls fail or are slow, rejects calls while it is
    /// open, and closes again when probes succeed.
    struct BreakerTable {
        /// Opens when this fraction of the calls in the window failed.
        failure_rate: f64 = rate(),
            optional "0.5 where neither `slow_call_rate` nor `consecutive_failures` is given";
        /// The calls that the rates are taken over: those of the last so long (1ms to 1h), or the
        /// last N calls.
        window: Window = window(), optional "10s";
        /// With fewer calls in the window no rate is judged.
        min_calls: u32 = integer(1..=u32::MAX),
            optional "20, or the size of a smaller window of calls";
        /// Opens after so many failures without a success between them.
        consecutive_failures: u32 = integer(1..=u32::MAX), optional "off";
        /// A call that takes longer than this is slow.
        slow_call: Duration = duration().above_zero(), optional "no call is slow";
        /// Opens when this fraction of the calls in the window was slow. Needs `slow_call`.
        slow_call_rate: f64 = rate(), optional "off";
        /// Whether the rates are judged only when a call failed or was slow.
        only_on_failure: bool = boolean(), default false;
        /// How long the circuit stays open before it lets a probe through. A bare duration is
        /// fixed and without jitter.
        open_for: OpenFor = either(duration().map(OpenFor::fixed), growing_open_for()),
            optional "5s, doubling to 60s, with jitter";
        /// How many trial calls are let through at most while the circuit is half-open.
        probes: u32 = integer(1..=MAX_PROBES), optional "`successes_to_close`, else 1";
        /// How many of them must succeed to close the circuit.
        successes_to_close: u32 = integer(1..=MAX_PROBES), optional "`probes`, else 1";
        /// There is a breaker for each value of this: `client_ip`, `header:NAME`, `host` or `path`.
        key: KeyOf = key_of(), optional "all calls share one breaker, or one for each endpoint";
        /// For so many keys at most; those that are closed and idle give way first, open ones last.
        keys: usize = integer(1..=MAX_KEYS), optional "10000";
    }
}

config_table! {
    /// The last N calls.
    struct CallsTable {
        /// How many calls.
        calls: u32 = integer(1..=MAX_CALL_WINDOW), required;
    }
}

config_table! {
    /// An open duration that grows with each opening in a row, until the circuit closes.
    struct OpenForTable {
        /// How long the first opening lasts.
        initial: Duration = duration(), default "5s";
        /// By how much each further opening is longer.
        factor: f64 = number(1.0..=1000.0), default 2.0;
        /// No opening is longer than this.
        max: Duration = duration(), optional "60s, or `initial` where that is longer";
        /// Whether durations are spread, so that many clients do not come back at once.
        jitter: bool = boolean(), default true;
    }
}

/// Breakers of many keys.
///
/// ```
/// use breakerbox::config::{BreakerKey, KeyOf, Policy};
///
/// let text = "breaker = { key = 'header:X-Tenant', keys = 500 }";
/// let (policy, _) = Policy::parse("policy.toml", text).unwrap();
/// let tenants = BreakerKey { key: KeyOf::Header("x-tenant".into()), keys: 500 };
/// assert_eq!(policy.breaker_key, Some(tenants));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerKey {
    /// What each of them is for.
    pub key: KeyOf,
    /// How many there are at most. Default: 10,000.
    pub keys: usize,
}

/// The table of a circuit breaker, judged by the rules of [`Settings::check`]; and what it is keyed by.
///
/// ```
/// use breakerbox::breaker::Window;
/// use breakerbox::config::{breaker, read_file};
///
/// let file = "failure_rate = 0.5\nwindow = { calls = 100 }\nmin_calls = 10";
/// let ((settings, key), _) = read_file("breaker.toml", file, &breaker()).unwrap();
/// assert_eq!(settings.window, Some(Window::Calls(100)));
/// assert_eq!(key, None);
///
/// let errors = read_file("breaker.toml", "failure_rate = 50", &breaker()).unwrap_err();
/// assert_eq!(errors[0].fix, "rates are fractions: write 0.5");
/// ```
pub fn breaker() -> impl Kind<Value = (Settings, Option<BreakerKey>)> {
    table::<BreakerTable>().then(|table, node, reader| {
        let keys = keyed(table.key.clone().optional()?, table.keys.clone().optional()?);
        if keys.is_none() && table.keys.value().is_some() {
            let fix = "add `key`, for instance `key = \"host\"`, or leave `keys` out";
            reader.error(node.find("keys"), "`keys` is for breakers with a `key`", fix);
            return None;
        }
        Some((settings(table, node, reader)?, keys))
    })
}

fn keyed(key: Option<KeyOf>, keys: Option<usize>) -> Option<BreakerKey> {
    Some(BreakerKey { key: key?, keys: keys.unwrap_or(DEFAULT_KEYS) })
}

fn window() -> impl Kind<Value = Window> {
    let calls = table::<CallsTable>().then(|table, _, _| table.calls.required());
    either(duration().map(Window::Time), calls.map(Window::Calls))
}

fn growing_open_for() -> impl Kind<Value = OpenFor> {
    table::<OpenForTable>().then(|table, _, _| {
        let (initial, max) = (table.initial.required()?, table.max.optional()?);
        Some(OpenFor {
            initial,
            factor: table.factor.required()?,
            max: max.unwrap_or_else(|| OpenFor::default().max.max(initial)),
            jitter: table.jitter.required()?,
        })
    })
}

fn settings(table: BreakerTable, node: Node<'_>, reader: &mut Reader) -> Option<Settings> {
    let settings = Settings {
        failure_rate: table.failure_rate.optional()?,
        slow_call: table.slow_call.optional()?,
        slow_call_rate: table.slow_call_rate.optional()?,
        consecutive_failures: table.consecutive_failures.optional()?,
        window: table.window.optional()?,
        min_calls: table.min_calls.optional()?,
        only_on_failure: table.only_on_failure.required()?,
        open_for: table.open_for.optional()?,
        probes: table.probes.optional()?,
        successes_to_close: table.successes_to_close.optional()?,
        attempt_timeout: None,
    };
    let problems = settings.problems();
    let good = problems.is_empty();
    problems.into_iter().for_each(|error| reader.refuse_setting(node, error));
    good.then_some(settings)
}
