//! Settings as they may be in a file, drawn from bytes: durations that meet each other.

use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use breakerbox_core::breaker::{self, OpenFor, Window};
use breakerbox_core::chaos::Latency;
use breakerbox_core::hedge::Delay;
use breakerbox_core::pipeline::Settings;
use breakerbox_core::retry::{Backoff, BudgetSettings, Failure, Growth, Jitter, When};
use breakerbox_core::{adaptive_limit, bulkhead, chaos, hedge, rate_limit, retry, shed, throttle};

/// Durations are few, so that different things fall due at one instant.
pub(super) fn duration(input: &mut Unstructured<'_>) -> Result<Duration> {
    const SOME: [u64; 10] = [1, 2, 3, 5, 10, 20, 50, 100, 1_000, 30_000];
    let nanos = u64::from(input.ratio(1_u8, 16)?);
    Ok(Duration::from_millis(*input.choose(&SOME)?) + Duration::from_nanos(nanos))
}

fn maybe<'i, T>(
    input: &mut Unstructured<'i>,
    draw: impl FnOnce(&mut Unstructured<'i>) -> Result<T>,
) -> Result<Option<T>> {
    if input.arbitrary()? { draw(input).map(Some) } else { Ok(None) }
}

fn fraction(input: &mut Unstructured<'_>) -> Result<f64> {
    Ok(*input.choose(&[0.1, 0.25, 0.5, 0.9, 1.0])?)
}

/// Settings of a whole pipeline, those that make no sense among them.
pub(super) fn settings(input: &mut Unstructured<'_>) -> Result<Settings> {
    let attempt_timeout = maybe(input, duration)?;
    let rules = maybe(input, |input| breaker(input, attempt_timeout))?;
    Ok(Settings {
        deadline: maybe(input, duration)?,
        attempt_timeout,
        bulkhead: maybe(input, bulkhead)?,
        shed: maybe(input, |input| {
            let (target, interval) = (duration(input)?, duration(input)?);
            Ok(shed::Settings { target, interval, ..shed::Settings::default() })
        })?,
        throttle: maybe(input, |input| {
            let (k, max) = (*input.choose(&[1.0, 1.1, 2.0])?, fraction(input)?);
            Ok(throttle::Settings { k, window: Duration::from_secs(1), max })
        })?,
        rate_limit: maybe(input, rate_limit)?,
        lookup: input.arbitrary()?,
        retry: maybe(input, retry)?,
        hedge: maybe(input, hedge)?,
        hedge_on: when(input)?,
        breaker: rules.and_then(|it| it.check().ok()).map(Arc::new),
        breaker_keys: maybe(input, |input| input.int_in_range(1..=3))?,
        endpoints: input.int_in_range(0..=3)?,
        adaptive_limit: maybe(input, adaptive_limit)?,
        chaos: maybe(input, chaos)?,
        fallback: input.arbitrary()?,
    })
}

fn breaker(
    input: &mut Unstructured<'_>,
    attempt_timeout: Option<Duration>,
) -> Result<breaker::Settings> {
    Ok(breaker::Settings {
        failure_rate: maybe(input, fraction)?,
        slow_call: maybe(input, duration)?,
        slow_call_rate: maybe(input, fraction)?,
        consecutive_failures: maybe(input, |input| input.int_in_range(1..=4))?,
        window: maybe(input, |input| {
            Ok(match input.arbitrary()? {
                true => Window::Calls(input.int_in_range(1..=8)?),
                false => Window::Time(duration(input)?),
            })
        })?,
        min_calls: maybe(input, |input| input.int_in_range(1..=4))?,
        only_on_failure: input.arbitrary()?,
        open_for: maybe(input, |input| {
            let (initial, max) = (duration(input)?, duration(input)?);
            let factor = *input.choose(&[1.0, 2.0, 1000.0])?;
            Ok(OpenFor { initial, factor, max: max.max(initial), jitter: input.arbitrary()? })
        })?,
        probes: maybe(input, |input| input.int_in_range(1..=3))?,
        successes_to_close: maybe(input, |input| input.int_in_range(1..=3))?,
        attempt_timeout,
    })
}

pub(super) fn bulkhead(input: &mut Unstructured<'_>) -> Result<bulkhead::Settings> {
    let order = [bulkhead::Order::Fifo, bulkhead::Order::AdaptiveLifo];
    Ok(bulkhead::Settings {
        queue: input.int_in_range(0..=3)?,
        queue_timeout: duration(input)?,
        order: *input.choose(&order)?,
        ..bulkhead::Settings::new(input.int_in_range(1..=3)?)
    })
}

pub(super) fn rate_limit(input: &mut Unstructured<'_>) -> Result<rate_limit::Settings> {
    Ok(rate_limit::Settings {
        per: duration(input)?,
        burst: maybe(input, |input| input.int_in_range(1..=3))?,
        wait: maybe(input, duration)?,
        keys: input.int_in_range(1..=3)?,
        ..rate_limit::Settings::new(*input.choose(&[0.5, 1.0, 3.0, 1000.0])?)
    })
}

fn budget(input: &mut Unstructured<'_>) -> Result<BudgetSettings> {
    Ok(BudgetSettings {
        ratio: *input.choose(&[0.0, 0.1, 1.0])?,
        start: *input.choose(&[0.0, 1.0, 10.0])?,
        cap: *input.choose(&[1.0, 2.0, 100.0])?,
        min_per_second: *input.choose(&[0.0, 1.0, 1_000_000.0])?,
    })
}

fn when(input: &mut Unstructured<'_>) -> Result<When> {
    let mut when = [When::default(), When::http(), When::nothing()][input.choose_index(3)?].clone();
    for _ in 0..input.int_in_range(0..=3)? {
        when = when.and(failure(input)?);
    }
    Ok(when)
}

/// Any kind of failure.
pub(super) fn failure(input: &mut Unstructured<'_>) -> Result<Failure> {
    Ok(match input.int_in_range(0..=9)? {
        0 => Failure::Other,
        1 => Failure::Connect,
        2 => Failure::Reset,
        3 => Failure::RefusedStream,
        4 => Failure::Timeout,
        5 => Failure::BreakerOpen,
        6 => Failure::BulkheadFull,
        7 => Failure::RateLimited,
        8 => Failure::Status(*input.choose(&[200, 429, 500, 503])?),
        _ => Failure::Grpc(input.arbitrary()?),
    })
}

fn retry(input: &mut Unstructured<'_>) -> Result<retry::Settings> {
    let growth = [Growth::Exponential, Growth::Fixed, Growth::Linear, Growth::Fibonacci];
    let jitter = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];
    let (initial, max) = (duration(input)?, duration(input)?);
    let backoff = Backoff {
        growth: *input.choose(&growth)?,
        initial,
        factor: *input.choose(&[1.0, 2.0, 1000.0])?,
        max: max.max(initial),
        jitter: *input.choose(&jitter)?,
    };
    Ok(retry::Settings {
        attempts: input.int_in_range(1..=5)?,
        backoff,
        budget: maybe(input, budget)?,
        max_elapsed: maybe(input, duration)?,
        on: when(input)?,
    })
}

fn hedge(input: &mut Unstructured<'_>) -> Result<hedge::Settings> {
    let delay = match input.arbitrary()? {
        true => Delay::Fixed(duration(input)?),
        false => Delay::Percentile(0.5),
    };
    let max = input.int_in_range(1..=3)?;
    Ok(hedge::Settings { max, budget: maybe(input, budget)?, ..hedge::Settings::new(delay) })
}

fn adaptive_limit(input: &mut Unstructured<'_>) -> Result<adaptive_limit::Settings> {
    use adaptive_limit::Algorithm;
    let algorithm = *input.choose(&[Algorithm::Vegas, Algorithm::Aimd, Algorithm::Gradient2])?;
    let min = input.int_in_range(1..=2)?;
    let initial = min + input.int_in_range(0..=2)?;
    Ok(adaptive_limit::Settings {
        algorithm,
        initial,
        min,
        max: initial + input.int_in_range(0..=10)?,
        timeout: maybe(input, duration)?,
        ..adaptive_limit::Settings::default()
    })
}

fn chaos(input: &mut Unstructured<'_>) -> Result<chaos::Settings> {
    Ok(chaos::Settings {
        latency: maybe(input, |input| duration(input).map(Latency::Fixed))?,
        reset: input.arbitrary()?,
        fraction: fraction(input)?,
        seed: input.arbitrary()?,
        lasts: maybe(input, duration)?,
        on: input.arbitrary()?,
        ..chaos::Settings::default()
    })
}
