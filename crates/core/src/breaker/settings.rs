//! What a circuit breaker can be told, and the rules that make it make sense.

use crate::SettingsError;
use crate::settings_error::refuse;
use std::fmt;
use std::time::Duration;

/// The longest window by time.
pub const MAX_TIME_WINDOW: Duration = Duration::from_secs(60 * 60);
/// The shortest window by time.
pub const MIN_TIME_WINDOW: Duration = Duration::from_millis(1);
/// The largest window by calls.
pub const MAX_CALL_WINDOW: u32 = 65_536;
/// The most probes of one half-open episode.
pub const MAX_PROBES: u32 = 10_000;
/// The longest `open_for`.
pub const MAX_OPEN_FOR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Which outcomes a rate is taken over.
///
/// ```
/// use breakerbox_core::breaker::{Settings, Window};
///
/// let with = |window| Settings { window: Some(window), ..Settings::default() }.check();
/// assert_eq!(with(Window::Calls(8)).unwrap().min_calls(), 8, "no more than it holds");
/// assert!(with(Window::Calls(0)).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many outcomes, exactly. At most [`MAX_CALL_WINDOW`].
    Calls(u32),
    /// The outcomes of the last so long, in ten buckets aligned to the clock's origin: the current
    /// one and the nine before it.
    Time(Duration),
}

impl From<Duration> for Window {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

/// How long the circuit stays open.
///
/// The n-th opening in a row lasts `min(initial x factor^n, max)`, spread by jitter over 0.5 to 1.5
/// times that (never more than `max`). The count starts again after a close.
///
/// ```
/// use breakerbox_core::breaker::OpenFor;
/// use std::time::Duration;
///
/// let fixed: OpenFor = Duration::from_secs(30).into();
/// assert_eq!((fixed.initial, fixed.max, fixed.jitter), (fixed.max, fixed.initial, false));
/// let growing = OpenFor { max: Duration::from_secs(120), ..OpenFor::default() };
/// assert_eq!((growing.initial, growing.factor), (Duration::from_secs(5), 2.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OpenFor {
    /// How long the first opening lasts.
    pub initial: Duration,
    /// By how much each further opening is longer; at least 1.
    pub factor: f64,
    /// No opening is longer than this.
    pub max: Duration,
    /// Whether durations are spread, so that many clients do not come back at the same instant.
    pub jitter: bool,
}

impl OpenFor {
    /// Always the same duration, without jitter.
    pub const fn fixed(duration: Duration) -> Self {
        Self { initial: duration, factor: 1.0, max: duration, jitter: false }
    }
}

impl From<Duration> for OpenFor {
    fn from(duration: Duration) -> Self {
        Self::fixed(duration)
    }
}

impl Default for OpenFor {
    /// 5 s, doubling to 60 s, with jitter.
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            factor: 2.0,
            max: Duration::from_secs(60),
            jitter: true,
        }
    }
}

/// The settings of a circuit breaker. What is `None` has the default that its comment states.
///
/// ```
/// use breakerbox_core::breaker::Settings;
///
/// let rules = Settings { min_calls: Some(10), ..Settings::default() }.check().unwrap();
/// assert_eq!(rules.failure_rate(), Some(0.5));
///
/// let error = Settings { failure_rate: Some(50.0), ..Settings::default() }.check().unwrap_err();
/// assert_eq!(error.field, "failure_rate");
/// assert_eq!(error.fix, "write 50 % as 0.5");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Opens when this fraction of the window's calls failed, from 0 (not included) to 1. Default:
    /// 0.5 where neither `slow_call_rate` nor `consecutive_failures` is given, else off.
    pub failure_rate: Option<f64>,
    /// A call that takes longer than this is slow. Default: none is.
    pub slow_call: Option<Duration>,
    /// Opens when this fraction of the window's calls was slow. Default: off. Needs `slow_call`.
    pub slow_call_rate: Option<f64>,
    /// Opens after so many failures without a success between them. Default: off.
    pub consecutive_failures: Option<u32>,
    /// The window of the rates. Default: the last 10 s.
    pub window: Option<Window>,
    /// With fewer calls in the window no rate is judged. Default: 20, or the size of a smaller
    /// window by calls.
    pub min_calls: Option<u32>,
    /// Judge the rates only when a call fails or is slow, never on a good one. Default: false.
    pub only_on_failure: bool,
    /// How long the circuit stays open. Default: 5 s, doubling to 60 s, with jitter.
    pub open_for: Option<OpenFor>,
    /// The most probes that a half-open episode admits. Default: `successes_to_close`, else 1.
    pub probes: Option<u32>,
    /// How many of them must succeed to close the circuit. Default: `probes`, else 1.
    pub successes_to_close: Option<u32>,
    /// How long one attempt can take, where that is bounded. A probe that has not come back after
    /// the larger of this and the current open duration has failed. Default: none.
    pub attempt_timeout: Option<Duration>,
}

/// Settings that have been checked, with every default filled in.
///
/// ```
/// use breakerbox_core::breaker::Settings;
///
/// let rules = Settings { successes_to_close: Some(3), ..Settings::default() }.check().unwrap();
/// assert_eq!((rules.min_calls(), rules.probes()), (20, 3));
/// let clause = "opens at 50 % failures of at least 20 calls in 10s, for 5s growing to 60s";
/// assert_eq!(rules.to_string(), clause);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub(super) failure_rate: Option<f64>,
    pub(super) slow_call: Option<Duration>,
    pub(super) slow_call_rate: Option<f64>,
    pub(super) consecutive_failures: Option<u32>,
    pub(super) window: Window,
    pub(super) min_calls: u32,
    pub(super) only_on_failure: bool,
    pub(super) open_for: OpenFor,
    pub(super) probes: u32,
    pub(super) successes_to_close: u32,
    pub(super) attempt_timeout: Duration,
    pub(super) bucket_nanos: u64,
    /// Longer than this is slow, in nanoseconds; nothing is, if none is given.
    pub(super) slow_nanos: u64,
}

impl Settings {
    /// Fills in the defaults and refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Rules, SettingsError> {
        if let Some(first) = self.problems().into_iter().next() {
            return Err(first);
        }
        let window = self.window();
        let open_for = self.open_for.unwrap_or_default();
        let (probes, successes_to_close) = check_probes(self.probes, self.successes_to_close)?;
        let other_trip = self.slow_call_rate.is_some() || self.consecutive_failures.is_some();
        Ok(Rules {
            failure_rate: self.failure_rate.or(if other_trip { None } else { Some(0.5) }),
            slow_call: self.slow_call,
            slow_call_rate: self.slow_call_rate,
            consecutive_failures: self.consecutive_failures,
            window,
            min_calls: check_min_calls(self.min_calls, window)?,
            only_on_failure: self.only_on_failure,
            open_for,
            probes,
            successes_to_close,
            attempt_timeout: self.attempt_timeout.unwrap_or(Duration::ZERO),
            bucket_nanos: super::judge::bucket_nanos(window),
            slow_nanos: self.slow_call.map_or(u64::MAX, crate::time::nanos),
        })
    }

    /// Everything that makes no sense, in the order in which [`check`](Self::check) looks.
    pub fn problems(&self) -> Vec<SettingsError> {
        let window = check_window(self.window());
        let min_calls = match window {
            Ok(()) => check_min_calls(self.min_calls, self.window()).map(drop),
            // How many calls fit into a window that is none, nobody can say.
            Err(_) => Ok(()),
        };
        let checks = [
            window,
            check_rate("failure_rate", self.failure_rate),
            check_rate("slow_call_rate", self.slow_call_rate),
            check_slow_call(self),
            check_consecutive(self.consecutive_failures),
            check_open_for(self.open_for.unwrap_or_default()),
            check_probes(self.probes, self.successes_to_close).map(drop),
            min_calls,
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    fn window(&self) -> Window {
        self.window.unwrap_or(Window::Time(Duration::from_secs(10)))
    }
}

fn check_slow_call(settings: &Settings) -> Result<(), SettingsError> {
    if settings.slow_call == Some(Duration::ZERO) {
        return refuse("slow_call", "is zero, so every call is slow", "give a longer duration");
    }
    if settings.slow_call_rate.is_some() && settings.slow_call.is_none() {
        return refuse(
            "slow_call_rate",
            "is given without `slow_call`",
            "say with `slow_call` how long a call may take before it is slow",
        );
    }
    Ok(())
}

fn check_consecutive(failures: Option<u32>) -> Result<(), SettingsError> {
    if failures == Some(0) {
        return refuse("consecutive_failures", "is 0", "give at least 1");
    }
    Ok(())
}

fn check_window(window: Window) -> Result<(), SettingsError> {
    match window {
        Window::Calls(0) => refuse("window", "holds no call", "give at least 1 call"),
        Window::Calls(calls) if calls > MAX_CALL_WINDOW => refuse(
            "window",
            format!("of {calls} calls is larger than {MAX_CALL_WINDOW}"),
            "use a smaller one, or a window by time",
        ),
        Window::Time(time) if time < MIN_TIME_WINDOW => {
            refuse("window", format!("of {time:?} is too short"), "give at least 1ms")
        }
        Window::Time(time) if time > MAX_TIME_WINDOW => {
            refuse("window", format!("of {time:?} is too long"), "give at most 1h")
        }
        Window::Calls(_) | Window::Time(_) => Ok(()),
    }
}

fn check_rate(field: &'static str, rate: Option<f64>) -> Result<(), SettingsError> {
    let Some(rate) = rate else { return Ok(()) };
    if rate > 0.0 && rate <= 1.0 {
        return Ok(());
    }
    if rate > 1.0 && rate <= 100.0 {
        let (percent, fraction) = (rate, rate / 100.0);
        return refuse(field, "is more than 1", format!("write {percent} % as {fraction}"));
    }
    refuse(field, format!("is {rate}"), "give a fraction above 0, at most 1")
}

fn check_min_calls(min_calls: Option<u32>, window: Window) -> Result<u32, SettingsError> {
    let room = match window {
        Window::Calls(calls) => calls,
        Window::Time(_) => u32::MAX,
    };
    match min_calls {
        None => Ok(room.min(20)),
        Some(0) => refuse("min_calls", "is 0", "give at least 1"),
        Some(min) if min > room => refuse(
            "min_calls",
            format!("is {min}, but the window never holds more than {room} calls"),
            "make `min_calls` smaller or the window larger, or the rates are never judged",
        ),
        Some(min) => Ok(min),
    }
}

fn check_open_for(open_for: OpenFor) -> Result<(), SettingsError> {
    let OpenFor { initial, factor, max, jitter: _ } = open_for;
    if initial.is_zero() {
        return refuse("open_for", "is zero, so the circuit never stays open", "give a duration");
    }
    if initial > MAX_OPEN_FOR || max > MAX_OPEN_FOR {
        let field = if initial > MAX_OPEN_FOR { "open_for" } else { "open_for.max" };
        return refuse(field, "is longer than a year", "isolate the breaker instead");
    }
    if !(1.0..=1000.0).contains(&factor) {
        return refuse("open_for.factor", format!("is {factor}"), "give a number from 1 to 1000");
    }
    if max < initial {
        return refuse(
            "open_for.max",
            format!("of {max:?} is shorter than the initial {initial:?}"),
            "make `max` at least as long as `initial`",
        );
    }
    Ok(())
}

fn check_probes(probes: Option<u32>, successes: Option<u32>) -> Result<(u32, u32), SettingsError> {
    for (field, value) in [("probes", probes), ("successes_to_close", successes)] {
        match value {
            Some(0) => return refuse(field, "is 0", "give at least 1"),
            Some(many) if many > MAX_PROBES => {
                return refuse(field, format!("is {many}"), format!("give at most {MAX_PROBES}"));
            }
            _ => {}
        }
    }
    let probes_or_successes = probes.or(successes).unwrap_or(1);
    let successes = successes.unwrap_or(probes_or_successes);
    if successes > probes_or_successes {
        let admitted = match probes_or_successes {
            1 => "1 probe is".to_owned(),
            many => format!("{many} probes are"),
        };
        return refuse(
            "successes_to_close",
            format!("is {successes}, but only {admitted} admitted"),
            "raise `probes` or lower `successes_to_close`, or the circuit can never close",
        );
    }
    Ok((probes_or_successes, successes))
}

impl Rules {
    /// The failure rate that opens the circuit, where one does.
    pub fn failure_rate(&self) -> Option<f64> {
        self.failure_rate
    }

    /// The duration beyond which a call is slow.
    pub fn slow_call(&self) -> Option<Duration> {
        self.slow_call
    }

    /// The slow-call rate that opens the circuit, where one does.
    pub fn slow_call_rate(&self) -> Option<f64> {
        self.slow_call_rate
    }

    /// How many failures in a row open the circuit, where that does.
    pub fn consecutive_failures(&self) -> Option<u32> {
        self.consecutive_failures
    }

    /// The window of the rates.
    pub fn window(&self) -> Window {
        self.window
    }

    /// With fewer calls than this no rate is judged.
    pub fn min_calls(&self) -> u32 {
        self.min_calls
    }

    /// How long the circuit stays open.
    pub fn open_for(&self) -> OpenFor {
        self.open_for
    }

    /// The most probes of a half-open episode.
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// How many successful probes close the circuit.
    pub fn successes_to_close(&self) -> u32 {
        self.successes_to_close
    }

    /// The shortest duration that is told apart: a clock for this breaker must tick faster.
    pub fn shortest(&self) -> Duration {
        let window = match self.window {
            Window::Time(time) => time / 10,
            Window::Calls(_) => Duration::MAX,
        };
        let slow = self.slow_call.unwrap_or(Duration::MAX);
        self.open_for.initial.min(window).min(slow)
    }
}

impl fmt::Display for Rules {
    /// The rules as a clause: "opens at 50 % failures of at least 20 calls in 10s, for 5s".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut trips = Vec::new();
        if let Some(rate) = self.failure_rate {
            trips.push(format!("{} % failures", percent(rate)));
        }
        if let (Some(rate), Some(slow_call)) = (self.slow_call_rate, self.slow_call) {
            trips.push(format!("{} % slower than {slow_call:?}", percent(rate)));
        }
        let window = match self.window {
            Window::Calls(calls) => format!("the last {calls}"),
            Window::Time(time) => format!("{time:?}"),
        };
        write!(f, "opens at {}", trips.join(" or "))?;
        if !trips.is_empty() {
            write!(f, " of at least {} calls in {window}", self.min_calls)?;
        }
        if let Some(failures) = self.consecutive_failures {
            let or = if trips.is_empty() { "" } else { " or " };
            let plural = if failures == 1 { "" } else { "s" };
            write!(f, "{or}{failures} failure{plural} in a row")?;
        }
        write!(f, ", for {:?}", self.open_for.initial)?;
        if self.open_for.max > self.open_for.initial && self.open_for.factor > 1.0 {
            write!(f, " growing to {:?}", self.open_for.max)?;
        }
        Ok(())
    }
}

/// A rate in percent, without the noise of binary fractions.
fn percent(rate: f64) -> f64 {
    (rate * 1e8).round() / 1e6
}
