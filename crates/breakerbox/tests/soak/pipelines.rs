//! What is soaked: three pipelines that have all policies between them.

use crate::tally::{Listened, Tally};
use breakerbox::breaker::{OpenFor, Window};
use breakerbox::chaos::Latency;
use breakerbox::hedge::Delay;
use breakerbox::retry::{Backoff, BudgetSettings};
use breakerbox::{
    Pipeline, SharedCalls, adaptive_limit, breaker, bulkhead, chaos, coalesce, hedge, rate_limit,
    retry, shed, throttle,
};
use std::sync::Arc;
use std::time::Duration;

/// How many attempts run at once.
pub(crate) const CONCURRENT: u32 = 10;

pub(crate) struct Soaked {
    pub(crate) name: &'static str,
    pub(crate) pipeline: Pipeline,
    /// Where its calls share their answers.
    pub(crate) shared: Option<SharedCalls<u64, u64, &'static str>>,
    /// What callers saw.
    pub(crate) tally: Arc<Tally>,
    /// What a listener was told.
    pub(crate) listened: Arc<Listened>,
    /// Chaos comes and goes. Where it is always there, its counts are those of the attempts.
    pub(crate) switches_chaos: bool,
    pub(crate) budget: BudgetSettings,
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// One breaker for all, and faults that take no time: every attempt can be accounted for.
pub(crate) fn plain() -> Soaked {
    let faults = chaos::Settings { error: Some(503), fraction: 0.01, ..chaos::Settings::default() };
    soaked("plain", faults, |builder| builder)
}

/// A breaker and a rate limit for each of more keys than are kept, and faults that take time.
pub(crate) fn keyed() -> Soaked {
    let latency = Latency::Uniform { min: Duration::ZERO, max: ms(3) };
    let faults = chaos::Settings {
        latency: Some(latency),
        black_hole: true,
        fraction: 0.005,
        ..chaos::Settings::default()
    };
    let mut soaked = soaked("keyed", faults, |builder| builder.breaker_keys(32));
    soaked.switches_chaos = true;
    soaked
}

/// Calls that share their answers.
pub(crate) fn shared() -> Soaked {
    let faults = chaos::Settings { reset: true, fraction: 0.01, ..chaos::Settings::default() };
    let mut soaked = soaked("shared", faults, |builder| {
        let builder = builder.coalesce(coalesce::Settings { followers: 8 });
        #[cfg(feature = "cache")]
        let builder = builder.cache(ms(1), 64).stale(ms(20));
        builder
    });
    soaked.shared = Some(soaked.pipeline.shared());
    soaked.switches_chaos = true;
    soaked
}

type Builder = breakerbox::PipelineBuilder;

fn soaked(
    name: &'static str,
    faults: chaos::Settings,
    more: impl FnOnce(Builder) -> Builder,
) -> Soaked {
    // About what is needed, so that some is refused, and never the cap: what goes in and what comes out
    // must be equal.
    let budget = BudgetSettings { ratio: 0.01, cap: 1e6, ..BudgetSettings::default() };
    let breaker = breaker::Settings {
        failure_rate: Some(0.5),
        slow_call: Some(ms(4)),
        slow_call_rate: Some(0.9),
        window: Some(Window::Time(ms(200))),
        open_for: Some(OpenFor { initial: ms(5), max: ms(20), ..OpenFor::default() }),
        probes: Some(3),
        ..breaker::Settings::default()
    };
    let backoff = Backoff { initial: ms(1), max: ms(4), ..Backoff::default() };
    let builder = Pipeline::builder(name)
        .deadline(ms(25))
        .shed(shed::Settings { target: ms(2), interval: ms(20), ..shed::Settings::default() })
        .throttle(throttle::Settings { window: Duration::from_secs(1), ..Default::default() })
        .rate_limit(rate_limit::Settings {
            burst: Some(500),
            wait: Some(ms(3)),
            keys: 32,
            ..rate_limit::Settings::new(50_000.0)
        })
        .retry(retry::Settings { backoff, budget: Some(budget), ..retry::Settings::default() })
        .breaker(breaker)
        .bulkhead(bulkhead::Settings {
            queue: 12,
            queue_timeout: ms(6),
            order: bulkhead::Order::AdaptiveLifo,
            ..bulkhead::Settings::new(CONCURRENT)
        })
        .adaptive_limit(adaptive_limit::Settings { initial: 10, min: 9, ..Default::default() })
        .chaos(faults)
        .latencies(true)
        .seed(11);
    let pipeline = more(builder)
        .attempt_timeout(ms(8))
        .hedge(hedge::Settings::new(Delay::Fixed(ms(2))))
        .build()
        .expect("the settings are in range");
    let listened = Arc::new(Listened::default());
    let ear = Arc::clone(&listened);
    pipeline.on_event(move |event| ear.hear(&event.kind));
    let tally = Arc::new(Tally::default());
    Soaked { name, pipeline, shared: None, tally, listened, switches_chaos: false, budget }
}
