//! The pipeline on virtual time, at the very instants where something changes.

use super::*;
use crate::breaker::{self, OpenFor, State, Window};

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
    // Where 1 is next, 2 is taken instead.
    let round: Vec<_> = (0..6).map(|_| next(at(1))).collect();
    assert_eq!(round, [0, 2, 2, 0, 2, 2].map(Some));
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

#[test]
fn a_pipeline_reads_as_a_sentence() {
    let settings = Settings {
        deadline: Some(millis(5000)),
        attempt_timeout: Some(millis(3000)),
        breaker: Some(breaker::Settings::default().check().unwrap().into()),
        retry: Some(retry::Settings::default()),
        endpoints: 2,
        fallback: true,
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
