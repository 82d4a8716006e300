//! The pipeline on virtual time, at the very instants where something changes.

mod around;
mod hedges;
mod retries;
mod settings;

use super::*;
use crate::breaker::{self, OpenFor, Rules, State, Window};
use crate::cache::Life;
use crate::coalesce;
use std::sync::Arc;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn left(left: u64) -> Start {
    Start { left: Some(millis(left)), ..Start::default() }
}

fn breaker(calls: u32) -> Option<Arc<Rules>> {
    let settings = breaker::Settings {
        window: Some(Window::Calls(calls)),
        open_for: Some(OpenFor::fixed(millis(50_000))),
        ..breaker::Settings::default()
    };
    Some(settings.check().unwrap().into())
}

fn run(pipeline: &Pipeline, now: Timestamp) -> Call {
    let (call, action) = pipeline.begin(now, Start::default(), &mut |_, _| {});
    assert!(matches!(action, Action::Run { .. }), "it runs: {action:?}");
    call
}

fn end(call: &mut Call, pipeline: &Pipeline, now: Timestamp, ending: Ending) -> Action {
    call.step(pipeline, now, Event::ended(1, ending), &mut |_, _| {})
}

fn delivered(fallback: bool) -> Action {
    Action::Done { end: End::Delivered { attempt: 1 }, fallback }
}

#[test]
fn an_operation_that_ends_at_the_instant_of_its_timeout_has_ended() {
    let settings =
        Settings { attempt_timeout: Some(millis(100)), breaker: breaker(4), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let mut call = run(&pipeline, at(10));
    assert_eq!(call.due(), at(110));
    let early = call.step(&pipeline, at(109), Event::Time, &mut |_, _| {});
    assert_eq!(early, Action::Wait);
    assert_eq!(end(&mut call, &pipeline, at(110), Ending::Success), delivered(false));

    let mut call = run(&pipeline, at(200));
    let action = call.step(&pipeline, at(300), Event::Time, &mut |_, _| {});
    let timeout = End::AttemptTimeout { after: millis(100) };
    assert_eq!(action, Action::Done { end: timeout, fallback: false });
    // What comes after the end changes nothing.
    assert_eq!(end(&mut call, &pipeline, at(301), Ending::Success), Action::Wait);
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(301));
    assert_eq!((seen.started, seen.successes, seen.failures, seen.in_flight), (2, 1, 1, 0));
}

#[test]
fn at_one_instant_the_deadline_comes_before_the_attempt_timeout() {
    let settings = Settings {
        deadline: Some(millis(100)),
        attempt_timeout: Some(millis(100)),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let mut call = run(&pipeline, at(0));
    let action = call.step(&pipeline, at(100), Event::Time, &mut |_, _| {});
    let end = End::DeadlineExceeded { after: millis(100) };
    assert_eq!(action, Action::Done { end, fallback: false });
}

#[test]
fn what_was_due_first_happened_first_however_late_the_driver_comes() {
    let settings = Settings {
        deadline: Some(millis(100)),
        attempt_timeout: Some(millis(50)),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let mut call = run(&pipeline, at(0));
    let action = call.step(&pipeline, at(500), Event::Time, &mut |_, _| {});
    let end = End::AttemptTimeout { after: millis(500) };
    assert_eq!(action, Action::Done { end, fallback: false });
}

#[test]
fn a_probe_that_times_out_has_failed_though_its_lease_is_as_long_and_the_driver_late() {
    let settings = Settings {
        attempt_timeout: Some(millis(100)),
        breaker: Some(
            breaker::Settings {
                window: Some(Window::Calls(1)),
                open_for: Some(OpenFor::fixed(millis(100))),
                ..breaker::Settings::default()
            }
            .check()
            .unwrap()
            .into(),
        ),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let breaker = pipeline.endpoints().breaker(0).unwrap();
    breaker.control(breaker::Control::ForceOpen, at(0), &mut |_| {});
    let mut call = run(&pipeline, at(100));
    call.step(&pipeline, at(203), Event::Time, &mut |_, _| {});
    let seen = breaker.snapshot(at(203));
    assert_eq!((seen.failures, seen.late, seen.leases_expired, seen.opened), (1, 0, 0, 2));
    // Open again from the instant of the timeout on.
    assert_eq!(seen.retry_after, Some(millis(97)));
}

#[test]
fn who_was_told_the_deadline_may_find_it_over_a_moment_before_us() {
    let settings =
        Settings { deadline: Some(millis(100)), breaker: breaker(4), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let timed_out = Hint { failure: retry::Failure::Timeout, ..Hint::NONE };
    for (time, told, over) in
        [(89, None, false), (90, None, true), (90, Some(95), true), (6, Some(8), false)]
    {
        let start = Start { left: told.map(millis), ..Start::default() };
        let (mut call, _) = pipeline.begin(at(0), start, &mut |_, _| {});
        let ended = Event::Ended { attempt: 1, ending: Ending::Failure, hint: timed_out };
        let action = step(&mut call, &pipeline, time, ended);
        let end = End::DeadlineExceeded { after: millis(time) };
        assert_eq!(action == Action::Done { end, fallback: false }, over, "{time}");
        drop(call);
    }
    // The caller's own was shorter, which says nothing of the other side.
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(100));
    assert_eq!((seen.started, seen.failures, seen.ignored, seen.in_flight), (4, 3, 1, 0));
}

#[test]
fn the_driver_has_the_error_of_the_attempt_that_found_the_deadline_over() {
    let settings = Settings { deadline: Some(millis(500)), fallback: true, ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(1), Ending::Failure), Action::Wait);
    let again = call.next_attempt().unwrap();
    let action = call.step(&pipeline, again, Event::Time, &mut |_, _| {});
    assert!(matches!(action, Action::Run { attempt: 2, .. }), "{action:?}");
    let hint = Hint { failure: retry::Failure::Timeout, ..Hint::NONE };
    let ended = Event::Ended { attempt: 2, ending: Ending::Failure, hint };
    let action = step(&mut call, &pipeline, 495, ended);
    assert_eq!(action, Action::Done { end: End::Delivered { attempt: 2 }, fallback: true });
}

#[test]
fn our_deadline_is_a_failure_and_the_callers_shorter_one_is_not() {
    let settings =
        Settings { deadline: Some(millis(100)), breaker: breaker(4), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let seen = |now| pipeline.endpoints().breaker(0).unwrap().snapshot(now);

    let mut call = run(&pipeline, at(0));
    call.step(&pipeline, at(100), Event::Time, &mut |_, _| {});
    assert_eq!((seen(at(100)).failures, seen(at(100)).ignored), (1, 0));

    let (mut call, _) = pipeline.begin(at(200), left(99), &mut |_, _| {});
    assert_eq!(call.deadline(), at(299));
    let action = call.step(&pipeline, at(299), Event::Time, &mut |_, _| {});
    let end = End::DeadlineExceeded { after: millis(99) };
    assert_eq!(action, Action::Done { end, fallback: false });
    assert_eq!((seen(at(299)).failures, seen(at(299)).ignored), (1, 1));

    // Nothing is run for a caller who has no time left.
    let (call, action) = pipeline.begin(at(300), left(0), &mut |_, _| {});
    let end = End::DeadlineExceeded { after: Duration::ZERO };
    assert_eq!(action, Action::Done { end, fallback: false });
    assert!(!call.is_running());
    assert_eq!(seen(at(300)).started, 2);
}

#[test]
fn a_fallback_replaces_failures_rejections_and_timeouts_and_nothing_else() {
    let settings = Settings {
        deadline: Some(millis(100)),
        breaker: breaker(2),
        fallback: true,
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    for ending in [Ending::Success, Ending::Ignored, Ending::Panicked] {
        let mut call = run(&pipeline, at(0));
        assert_eq!(end(&mut call, &pipeline, at(1), ending), delivered(false), "{ending:?}");
    }
    // Success and panic make two calls, half of them failed: open. It was the last one's trip.
    let breaker = pipeline.endpoints().breaker(0).unwrap();
    assert_eq!(breaker.state(at(1)), State::Open);
    let (_, action) = pipeline.begin(at(2), Start::default(), &mut |_, _| {});
    let retry_after = Some(millis(49_999));
    let rejection = Rejection::BreakerOpen { state: State::Open, retry_after };
    assert_eq!(action, Action::Done { end: End::Rejected(rejection), fallback: true });
    assert_eq!((rejection.reason(), rejection.retry_after()), ("breaker_open", retry_after));

    breaker.control(breaker::Control::Reset, at(3), &mut |_| {});
    let mut call = run(&pipeline, at(3));
    assert_eq!(end(&mut call, &pipeline, at(4), Ending::Failure), delivered(true));
    let mut call = run(&pipeline, at(5));
    let action = call.step(&pipeline, at(105), Event::Time, &mut |_, _| {});
    assert!(matches!(action, Action::Done { fallback: true, .. }));
}

#[test]
fn once_the_response_has_begun_neither_timeout_nor_fallback_apply_but_the_deadline_does() {
    let settings = Settings {
        deadline: Some(millis(1000)),
        attempt_timeout: Some(millis(100)),
        breaker: breaker(4),
        fallback: true,
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let mut call = run(&pipeline, at(0));
    let started = Event::ResponseStarted { attempt: 1 };
    assert_eq!(call.step(&pipeline, at(99), started, &mut |_, _| {}), Action::Wait);
    assert_eq!(call.due(), at(1000));
    assert_eq!(end(&mut call, &pipeline, at(500), Ending::Failure), delivered(false));

    let mut call = run(&pipeline, at(2000));
    call.step(&pipeline, at(2001), started, &mut |_, _| {});
    let action = call.step(&pipeline, at(3000), Event::Time, &mut |_, _| {});
    let end = End::DeadlineExceeded { after: millis(1000) };
    assert_eq!(action, Action::Done { end, fallback: false });
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(3000));
    assert_eq!((seen.failures, seen.in_flight), (2, 0));
}

#[test]
fn a_cancelled_call_gives_its_permit_back() {
    let pipeline = Pipeline::new(Settings { breaker: breaker(4), ..Settings::default() }, at(0), 0);
    run(&pipeline, at(0)).cancel(&pipeline, at(5), &mut |_, _| {});
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(5));
    assert_eq!((seen.started, seen.ignored, seen.in_flight), (1, 1, 0));
}

#[test]
fn calls_go_round_the_endpoints_that_admit_and_are_rejected_only_when_none_does() {
    let settings = Settings { breaker: breaker(1), endpoints: 3, ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let next = |now| match pipeline.begin(now, Start::default(), &mut |_, _| {}) {
        (call, Action::Run { endpoint, .. }) => {
            call.cancel(&pipeline, now, &mut |_, _| {});
            Some(endpoint)
        }
        _ => None,
    };
    let round: Vec<_> = (0..6).map(|_| next(at(0))).collect();
    assert_eq!(round, [0, 1, 2, 0, 1, 2].map(Some));
    let force_open = |endpoint, now| {
        let breaker = pipeline.endpoints().breaker(endpoint).unwrap();
        breaker.control(breaker::Control::ForceOpen, now, &mut |_| {});
    };
    force_open(1, at(0));
    // Where 1 is next, 2 is taken instead, and 0 comes after it.
    let round: Vec<_> = (0..6).map(|_| next(at(1))).collect();
    assert_eq!(round, [0, 2, 0, 2, 0, 2].map(Some));
    force_open(0, at(10));
    force_open(2, at(20));
    assert!(!pipeline.endpoints().admits(at(30)));
    let (_, action) = pipeline.begin(at(30), Start::default(), &mut |_, _| {});
    // Endpoint 1 opened first, so it is the first to admit a probe.
    let retry_after = Some(millis(49_970));
    let rejection = Rejection::BreakerOpen { state: State::Open, retry_after };
    assert_eq!(action, Action::Done { end: End::Rejected(rejection), fallback: false });
    assert_eq!(next(at(50_000)), Some(1));
}

fn retrying(settings: Settings, retry: retry::Settings) -> Pipeline {
    let backoff =
        retry::Backoff { initial: millis(100), jitter: retry::Jitter::None, ..retry.backoff };
    let retry = retry::Settings { backoff, ..retry };
    Pipeline::new(Settings { retry: Some(retry), ..settings }, at(0), 0)
}

fn step(call: &mut Call, pipeline: &Pipeline, now: u64, event: Event) -> Action {
    call.step(pipeline, at(now), event, &mut |_, _| {})
}

fn runs(attempt: u32) -> Action {
    Action::Run { attempt, endpoint: 0 }
}

#[test]
fn waiting_for_the_caller_is_neither_slowness_nor_a_timeout() {
    let slow = breaker::Settings { slow_call: Some(millis(50)), ..breaker::Settings::default() };
    let settings = Settings {
        attempt_timeout: Some(millis(100)),
        breaker: Some(slow.check().unwrap().into()),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let seen = || pipeline.endpoints().breaker(0).unwrap().snapshot(at(1000));
    let mut call = run(&pipeline, at(0));
    call.waited_for_caller(&pipeline, at(70));
    // An earlier time does not bring it back.
    call.waited_for_caller(&pipeline, at(30));
    assert_eq!(call.due(), at(170));
    end(&mut call, &pipeline, at(120), Ending::Success);
    assert_eq!((seen().successes, seen().slow), (1, 0));
    let mut call = run(&pipeline, at(200));
    call.waited_for_caller(&pipeline, at(270));
    let action = call.step(&pipeline, at(370), Event::Time, &mut |_, _| {});
    let end = End::AttemptTimeout { after: millis(100) };
    assert_eq!(action, Action::Done { end, fallback: false });
}

#[test]
fn a_pipeline_reads_as_a_sentence() {
    let settings = Settings {
        deadline: Some(millis(5000)),
        attempt_timeout: Some(millis(3000)),
        breaker: Some(breaker::Settings::default().check().unwrap().into()),
        retry: Some(retry::Settings::default()),
        endpoints: 2,
        fallback: true,
        ..Settings::default()
    };
    assert_eq!(
        Pipeline::new(settings, at(0), 0).to_string(),
        "a fallback, then a deadline of 5s, then up to 3 attempts within a budget, then a circuit \
         breaker for each endpoint (opens at 50 % failures of at least 20 calls in 10s, for 5s \
         growing to 60s), then an attempt timeout of 3s, then the call"
    );
    let nothing = Pipeline::new(Settings::default(), at(0), 0);
    assert_eq!(nothing.to_string(), "the call, with no policy");
}

#[test]
fn a_sentence_says_what_the_driver_does_with_answers() {
    let settings = Settings { lookup: true, fallback: true, ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let seconds = |count: u64| Some(millis(count * 1000));
    let life = Life { ttl: seconds(30), stale: seconds(600) };
    let coalesce = Some(coalesce::Settings::default());
    let all = Answers { life, entries: 500, coalesce };
    assert_eq!(
        pipeline.sentence(&all),
        "a fallback (the last good answer, if younger than 600s), then a cache of up to 500 answers \
         for 30s, then coalescing of up to 10000 equal calls, then the call"
    );
    let coalescing = Answers { coalesce, ..Answers::default() };
    assert_eq!(
        pipeline.sentence(&coalescing),
        "a fallback, then coalescing of up to 10000 equal calls, then the call"
    );
    let keyed = |endpoints| {
        let settings = Settings {
            breaker: Some(breaker::Settings::default().check().unwrap().into()),
            breaker_keys: Some(70),
            endpoints,
            ..Settings::default()
        };
        Pipeline::new(settings, at(0), 0).to_string()
    };
    assert!(keyed(1).starts_with("a circuit breaker for each of up to 70 keys (opens at "));
    let both = "a circuit breaker for each endpoint and each of up to 70 keys (opens at ";
    assert!(keyed(2).starts_with(both));
    // A machine by itself knows only that there is something.
    assert_eq!(
        pipeline.to_string(),
        "a fallback, then a look whether the answer is there, then the call"
    );
}
