//! What must be equal at the end.

use crate::pipelines::{CONCURRENT, Soaked};
use crate::tally::Count;
use breakerbox::PipelineStats;
use breakerbox::core::pipeline::Rejection;
use std::sync::atomic::Ordering;

/// Panics where an account does not add up, or something is left over.
pub(crate) fn check(soaked: &Soaked) {
    let stats = soaked.pipeline.stats();
    let tally = &soaked.tally;
    println!("{}: {stats:#?}\n{tally:#?}\n{:#?}", soaked.name, soaked.listened);
    println!(
        "{}: {} calls, {} executions",
        soaked.name,
        tally.offered.read(),
        tally.executed.read()
    );
    nothing_is_left(soaked, &stats);
    every_ending_is_counted_once(soaked, &stats);
    listeners_heard_of_all(soaked, &stats);
    the_budget_is_what_went_in_less_what_was_made(soaked, &stats);
    if soaked.shared.is_none() {
        every_rejection_is_counted_once(soaked, &stats);
    }
    if !soaked.switches_chaos {
        every_attempt_ran_or_met_a_fault(soaked, &stats);
    }
}

fn nothing_is_left(soaked: &Soaked, stats: &PipelineStats) {
    let breaker = stats.breaker.as_ref().expect("it has one");
    let ended = breaker.successes + breaker.failures + breaker.ignored + breaker.late;
    assert_eq!((breaker.in_flight, breaker.started), (0, ended));
    let bulkhead = stats.bulkhead.expect("it has one");
    assert_eq!((bulkhead.in_flight, bulkhead.queued), (0, 0));
    assert_eq!(stats.adaptive_limit.expect("it has one").in_flight, 0);
    assert_eq!(soaked.tally.running(), 0, "operations");
    let peak = soaked.tally.peak.load(Ordering::Relaxed);
    assert!((2..=u64::from(CONCURRENT)).contains(&peak), "{peak} at once");
    if let Some(groups) = soaked.shared.as_ref().and_then(|shared| shared.coalesced()) {
        println!("{groups:?}");
        assert_eq!((groups.groups, groups.waiting), (0, 0));
        assert!(groups.shared > 0 && groups.handed_over > 0 && groups.apart > 0);
    }
    if let Some((keys, evicted)) = stats.keyed_breakers {
        assert!(keys <= 32 && evicted > 0, "{keys} keys, {evicted} evicted");
    }
}

fn every_ending_is_counted_once(soaked: &Soaked, stats: &PipelineStats) {
    let tally = &soaked.tally;
    assert_eq!(tally.offered.read(), tally.ended());
    assert_eq!(tally.given_up.read(), stats.cancelled);
    assert_eq!(tally.panics.read(), stats.panics);
    assert_eq!(stats.hedges, stats.hedges_won + stats.hedges_lost);
    if soaked.shared.is_none() {
        assert_eq!(tally.fallbacks.read(), stats.fallbacks);
        assert_eq!(tally.attempt_timeouts.read(), stats.attempt_timeouts);
        assert_eq!(tally.deadlines.read(), stats.deadlines);
        assert!(tally.ignored.read() > 0);
        let delivered = stats.latency.as_ref().expect("it was told to keep them").count();
        // A chaos error is a result like any other.
        let results = [&tally.good, &tally.failed].into_iter().map(Count::read).sum::<u64>();
        assert_eq!(delivered, results + tally.rejected("chaos"));
    }
    let seen = [
        &tally.good,
        &tally.failed,
        &tally.attempt_timeouts,
        &tally.deadlines,
        &tally.fallbacks,
        &tally.panics,
        &tally.given_up,
    ];
    assert!(seen.iter().all(|count| count.read() > 0), "not everything was tried: {seen:?}");
    let breaker = stats.breaker.as_ref().expect("it has one");
    assert!(breaker.opened > 0 && stats.retries > 0 && stats.hedges_won > 0);
}

fn every_rejection_is_counted_once(soaked: &Soaked, stats: &PipelineStats) {
    let tally = &soaked.tally;
    for reason in Rejection::REASONS.into_iter().filter(|reason| *reason != "chaos") {
        assert_eq!(tally.rejected(reason), stats.rejected(reason), "{reason}");
    }
    let shed = stats.shed.as_ref().expect("it is there");
    let (admitted, refused) =
        (shed.admitted.iter().sum::<u64>(), shed.rejected.iter().sum::<u64>());
    assert_eq!(refused, tally.rejected("shed"));
    assert_eq!(admitted + refused, tally.offered.read());
    let held_back = stats.throttle.as_ref().expect("it is there").rejected;
    assert_eq!(held_back, tally.rejected("throttled"));
    let limit = stats.rate_limit.expect("it is there");
    assert_eq!(limit.limited, tally.rejected("rate_limited"));
    assert_eq!(limit.allowed + limit.waited + limit.limited, admitted - held_back);
    let bulkhead = stats.bulkhead.expect("it is there");
    // Who was evicted, or waited too long, may have gone away before it learned of it.
    let gone = tally.given_up.read() + tally.deadlines.read();
    let refused = bulkhead.full + bulkhead.evicted + bulkhead.timed_out;
    let told = tally.rejected("bulkhead_full") + tally.rejected("queue_timeout");
    assert!(told <= refused && refused <= told + gone, "{told} of {refused}, {gone} gone");
    assert!(bulkhead.full <= tally.rejected("bulkhead_full"));
    // A hedge that finds no room is not a call that was rejected.
    let limit = stats.adaptive_limit.expect("it is there");
    assert!(limit.rejected >= tally.rejected("limit_reached"));
}

fn listeners_heard_of_all(soaked: &Soaked, stats: &PipelineStats) {
    let listened = &soaked.listened;
    assert_eq!(listened.own_panics.read(), stats.listener_panics);
    assert!(stats.listener_panics > 0);
    assert_eq!(listened.panicked.read(), stats.panics);
    assert_eq!(listened.cancelled.read(), stats.cancelled);
    assert_eq!(listened.fallbacks.read(), stats.fallbacks);
    assert_eq!(listened.timeouts.read(), stats.attempt_timeouts + stats.deadlines);
    assert_eq!(listened.hedged.read(), stats.hedges);
    assert!(listened.retrying.read() >= stats.retries);
    assert_eq!(listened.rejected.read(), stats.all_rejected() - stats.rejected("chaos"));
    let delivered = stats.latency.as_ref().expect("it was told to keep them").count();
    assert_eq!(listened.successes.read() + listened.failures.read(), delivered);
    if soaked.shared.is_none() {
        assert_eq!(listened.ignored.read(), soaked.tally.ignored.read());
    }
    if stats.keyed_breakers.is_none() {
        let opened = stats.breaker.as_ref().expect("it has one").opened;
        assert_eq!(listened.opened.read(), opened);
    }
}

/// To the millionth: nothing is paid twice, and what was not made is paid back.
fn the_budget_is_what_went_in_less_what_was_made(soaked: &Soaked, stats: &PipelineStats) {
    let millionths = |tokens: f64| (tokens * 1e6).round() as u64;
    let (settings, offered) = (soaked.budget, soaked.tally.offered.read());
    let deposits = millionths(settings.start) + offered * millionths(settings.ratio);
    let made = (stats.retries + stats.hedges) * millionths(1.0);
    let left = millionths(stats.budget_left.expect("there is one"));
    assert!(left < millionths(settings.cap), "what is above the cap is lost");
    assert_eq!(left + made, deposits, "{offered} calls");
    assert!(stats.refused_by_budget > 0);
}

fn every_attempt_ran_or_met_a_fault(soaked: &Soaked, stats: &PipelineStats) {
    let tally = &soaked.tally;
    let chaos = stats.chaos.as_ref().expect("it is there");
    assert_eq!(tally.executed.read() + chaos.hits, chaos.calls);
    // A fault may come beside an attempt that ends at the same moment.
    let told = stats.rejected("chaos");
    assert!(told <= chaos.hits && chaos.hits <= told + stats.hedges, "{told} of {}", chaos.hits);
    assert!(tally.rejected("chaos") <= told);
    // The first attempts of calls are what remains.
    let first = chaos.calls - stats.retries - stats.hedges;
    let breaker = stats.breaker.as_ref().expect("it has one");
    let admitted = breaker.started + breaker.unrecorded;
    let bulkhead = stats.bulkhead.expect("it has one");
    let refused = bulkhead.full + bulkhead.evicted + bulkhead.timed_out;
    assert!(chaos.calls + refused <= admitted, "{} + {refused} of {admitted}", chaos.calls);
    assert!(first <= tally.offered.read());
    assert!(first >= tally.good.read() + tally.ignored.read());
}
