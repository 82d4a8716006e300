//! How a breaker is made.

use super::{BlockingBreaker, Breaker, BuildError};
use crate::Name;
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use breakerbox_core::breaker::{OpenFor, Settings, SettingsError, Window};
use breakerbox_core::pipeline;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// No call of the breaker needs a timer, so blocking calls can have it.
///
/// ```
/// use breakerbox::{Breaker, Builder, ChooseClock, NoTimer};
///
/// let disk: Builder<ChooseClock, NoTimer> = Breaker::builder("disk").failure_rate(0.25);
/// assert_eq!(disk.build_blocking().unwrap().call(|| Ok::<_, ()>(7)), Ok(7));
/// ```
#[derive(Debug)]
pub enum NoTimer {}

/// Calls of the breaker are stopped by a timer, so they must be async.
///
/// ```compile_fail
/// let disk = breakerbox::Breaker::builder("disk").deadline(std::time::Duration::from_secs(3));
/// disk.build_blocking(); // there is no such method
/// ```
#[derive(Debug)]
pub enum WithTimer {}

/// The default clock: chosen when the breaker is built.
///
/// ```
/// use breakerbox::{Breaker, Builder, ChooseClock, State};
///
/// let builder: Builder<ChooseClock> = Breaker::builder("posts");
/// assert_eq!(builder.build().unwrap().state(), State::Closed);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ChooseClock;

/// Makes a [`Breaker`] or a [`BlockingBreaker`].
///
/// ```
/// use breakerbox::{Breaker, OpenFor};
/// use std::time::Duration;
///
/// let breaker = Breaker::builder("posts")
///     .failure_rate(0.25)
///     .window(Duration::from_secs(30))
///     .min_calls(10)
///     .open_for(OpenFor { max: Duration::from_secs(120), ..OpenFor::default() })
///     .attempt_timeout(Duration::from_secs(3))
///     .build()?;
/// assert_eq!(
///     breaker.to_string(),
///     "posts: a circuit breaker (opens at 25 % failures of at least 10 calls in 30s, for 5s \
///      growing to 120s), then an attempt timeout of 3s, then the call"
/// );
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is made until `build`"]
pub struct Builder<C = ChooseClock, T = NoTimer> {
    name: Name,
    settings: Settings,
    attempt_timeout: Option<Duration>,
    deadline: Option<Duration>,
    latencies: bool,
    seed: Option<u64>,
    clock: C,
    timer: PhantomData<T>,
}

impl Builder {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: Name::new(name),
            settings: Settings::default(),
            attempt_timeout: None,
            deadline: None,
            latencies: false,
            seed: None,
            clock: ChooseClock,
            timer: PhantomData,
        }
    }
}

impl<C, T> Builder<C, T> {
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// Opens when this fraction of the calls in the window failed: above 0, at most 1. Default: 0.5
    /// where nothing else is named that opens the circuit.
    pub fn failure_rate(self, rate: f64) -> Self {
        self.set(|settings| settings.failure_rate = Some(rate))
    }

    /// A call that takes longer than this is slow. Default: none is.
    pub fn slow_call(self, longer_than: Duration) -> Self {
        self.set(|settings| settings.slow_call = Some(longer_than))
    }

    /// Opens when this fraction of the calls in the window was slow. Default: off.
    pub fn slow_call_rate(self, rate: f64) -> Self {
        self.set(|settings| settings.slow_call_rate = Some(rate))
    }

    /// Opens after so many failures without a success between them. Default: off.
    pub fn consecutive_failures(self, failures: u32) -> Self {
        self.set(|settings| settings.consecutive_failures = Some(failures))
    }

    /// Takes the rates over the last so long, in ten buckets; 1 ms to 1 h. Default: 10 s.
    pub fn window(self, time: Duration) -> Self {
        self.set(|settings| settings.window = Some(Window::Time(time)))
    }

    /// Takes the rates over exactly the last so many calls; at most 65,536.
    pub fn window_calls(self, calls: u32) -> Self {
        self.set(|settings| settings.window = Some(Window::Calls(calls)))
    }

    /// With fewer calls in the window no rate is judged. Default: 20, or the size of a smaller
    /// window by calls.
    pub fn min_calls(self, calls: u32) -> Self {
        self.set(|settings| settings.min_calls = Some(calls))
    }

    /// Judges the rates only when a call fails or is slow, never on a good one.
    pub fn only_on_failure(self, only: bool) -> Self {
        self.set(|settings| settings.only_on_failure = only)
    }

    /// How long the circuit stays open: a duration, or an [`OpenFor`] that grows. Default: 5 s,
    /// doubling to 60 s, with jitter; a bare duration is fixed.
    pub fn open_for(self, open_for: impl Into<OpenFor>) -> Self {
        self.set(|settings| settings.open_for = Some(open_for.into()))
    }

    /// The most probes that a half-open episode admits. Default: `successes_to_close`, else 1.
    pub fn probes(self, probes: u32) -> Self {
        self.set(|settings| settings.probes = Some(probes))
    }

    /// How many probes must succeed to close the circuit. Default: `probes`, else 1.
    pub fn successes_to_close(self, successes: u32) -> Self {
        self.set(|settings| settings.successes_to_close = Some(successes))
    }

    /// Replaces all settings of the breaker. Their `attempt_timeout` only bounds the lease of a
    /// probe; what stops calls is the builder's.
    pub fn settings(self, settings: Settings) -> Self {
        self.set(|all| *all = settings)
    }

    /// Keeps a histogram of latencies (3.6 KiB), for percentiles. It costs two readings of the clock
    /// and two atomic additions a call. Default: off.
    ///
    /// They are as fine as the clock: by the coarse system clock a call takes no time, or a whole tick
    /// (1 to 10 ms). Where that is too coarse, give `SystemClock::precise()`.
    ///
    /// ```
    /// use breakerbox::{BlockingBreaker, Breaker, clock::SystemClock};
    /// use std::time::Duration;
    ///
    /// let numbers: BlockingBreaker =
    ///     Breaker::builder("numbers").latencies(true).clock(SystemClock::precise()).build_blocking()?;
    /// let _ = numbers.call(|| "7".parse::<u32>());
    /// let latency = numbers.stats().latency.unwrap();
    /// assert_eq!(latency.count(), 1);
    /// assert!(latency.quantile(0.99).unwrap() < Duration::from_secs(60));
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    pub fn latencies(mut self, keep: bool) -> Self {
        self.latencies = keep;
        self
    }

    /// Makes the jitter repeatable. Default: another seed for each breaker.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Uses this clock. Default: the coarse system clock, or the precise one if a setting is shorter
    /// than ten ticks of the coarse one.
    pub fn clock<D: Clock>(self, clock: D) -> Builder<D, T> {
        Builder {
            name: self.name,
            settings: self.settings,
            attempt_timeout: self.attempt_timeout,
            deadline: self.deadline,
            latencies: self.latencies,
            seed: self.seed,
            clock,
            timer: PhantomData,
        }
    }

    fn with_timer(self) -> Builder<C, WithTimer> {
        Builder {
            name: self.name,
            settings: self.settings,
            attempt_timeout: self.attempt_timeout,
            deadline: self.deadline,
            latencies: self.latencies,
            seed: self.seed,
            clock: self.clock,
            timer: PhantomData,
        }
    }

    fn make<D: Clock>(
        self,
        clock: impl FnOnce(C, Duration) -> D,
    ) -> Result<Breaker<D>, BuildError> {
        let refuse = |error| BuildError::breaker(self.name.clone(), error);
        let attempt_timeout = self.attempt_timeout;
        let limits = [("attempt_timeout", attempt_timeout), ("deadline", self.deadline)];
        for (field, duration) in limits {
            if duration == Some(Duration::ZERO) {
                return Err(refuse(SettingsError {
                    field,
                    message: "is zero, so no call can succeed".into(),
                    fix: "give a longer duration".into(),
                }));
            }
        }
        let lease = attempt_timeout.or(self.settings.attempt_timeout);
        let settings = Settings { attempt_timeout: lease, ..self.settings };
        let rules = settings.check().map_err(refuse)?;
        let limit = limits.into_iter().find(|(_, duration)| duration.is_some());
        let shortest = limits.into_iter().filter_map(|(_, duration)| duration).min();
        let shortest = shortest.unwrap_or(Duration::MAX).min(rules.shortest());
        let clock = clock(self.clock, shortest);
        if let Some((field, _)) = limit
            && !clock.can_wait()
        {
            let error = SettingsError {
                field,
                message: "needs a timer, and the clock has none".into(),
                fix: "turn on the feature `tokio`, or give a clock that can wait".into(),
            };
            return Err(BuildError::breaker(self.name, error));
        }
        let settings = pipeline::Settings {
            deadline: self.deadline,
            attempt_timeout,
            breaker: Some(rules.into()),
            // Each call says whether it has one; the machine says where it would stand in.
            fallback: true,
            ..pipeline::Settings::default()
        };
        let inner = Inner::new(self.name, clock, settings, self.latencies, self.seed);
        Ok(Breaker { inner: Arc::new(inner) })
    }
}

/// A timer needs a runtime's, or a clock of one's own that brings one.
macro_rules! timers {
    ($clock:ty $(, $bound:ident)?) => {
        impl<$($bound: Clock,)? T> Builder<$clock, T> {
            /// Stops an operation that takes longer than this, as a failure. Default: none is.
            pub fn attempt_timeout(mut self, timeout: Duration) -> Builder<$clock, WithTimer> {
                self.attempt_timeout = Some(timeout);
                self.with_timer()
            }

            /// Stops a whole call that takes longer than this. Default: none is.
            pub fn deadline(mut self, deadline: Duration) -> Builder<$clock, WithTimer> {
                self.deadline = Some(deadline);
                self.with_timer()
            }
        }
    };
}

#[cfg(feature = "tokio")]
timers!(ChooseClock);
timers!(C, C);

impl<T> Builder<ChooseClock, T> {
    /// Makes the breaker.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn build(self) -> Result<Breaker, BuildError> {
        self.make(|ChooseClock, shortest| SystemClock::for_durations_from(shortest))
    }
}

impl Builder<ChooseClock, NoTimer> {
    /// Makes a breaker for blocking operations.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn build_blocking(self) -> Result<BlockingBreaker, BuildError> {
        self.build().map(Breaker::into_blocking)
    }
}

impl<C: Clock, T> Builder<C, T> {
    /// Makes the breaker.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn build(self) -> Result<Breaker<C>, BuildError> {
        self.make(|clock, _| clock)
    }
}

impl<C: Clock> Builder<C, NoTimer> {
    /// Makes a breaker for blocking operations.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn build_blocking(self) -> Result<BlockingBreaker<C>, BuildError> {
        self.build().map(Breaker::into_blocking)
    }
}
