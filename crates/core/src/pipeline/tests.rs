//! The pipeline on virtual time, at the very instants where something changes.

mod around;
mod hedges;
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
fn a_failure_is_repeated_after_its_delay_until_it_succeeds() {
    let pipeline = retrying(Settings::default(), retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    assert_eq!(step(&mut call, &pipeline, 10, Event::ended(1, Ending::Failure)), Action::Wait);
    assert_eq!((call.due(), call.is_attempting()), (at(110), false));
    assert_eq!(step(&mut call, &pipeline, 109, Event::Time), Action::Wait);
    assert_eq!(step(&mut call, &pipeline, 110, Event::Time), runs(2));
    assert_eq!(step(&mut call, &pipeline, 120, Event::ended(2, Ending::Failure)), Action::Wait);
    assert_eq!(step(&mut call, &pipeline, 320, Event::Time), runs(3));
    let done = Action::Done { end: End::Delivered { attempt: 3 }, fallback: false };
    assert_eq!(step(&mut call, &pipeline, 330, Event::ended(3, Ending::Success)), done);
    assert_eq!(pipeline.retries(), 2);
    // 10 at the start, a tenth for the call, two for the repetitions.
    assert_eq!(pipeline.budget_left(at(330)), Some(8.1));
}

#[test]
fn neither_ignored_outcomes_nor_panics_nor_what_does_harm_twice_is_repeated() {
    let pipeline = retrying(Settings::default(), retry::Settings::default());
    for ending in [Ending::Ignored, Ending::Panicked] {
        let mut call = run(&pipeline, at(0));
        let action = step(&mut call, &pipeline, 1, Event::ended(1, ending));
        assert_eq!(action, delivered(false), "{ending:?}");
    }
    let once = Start { repeatable: false, ..Start::default() };
    let (mut call, _) = pipeline.begin(at(0), once, &mut |_, _| {});
    let action = step(&mut call, &pipeline, 1, Event::ended(1, Ending::Failure));
    assert_eq!(action, delivered(false));
    // Unless it never left.
    let (mut call, _) = pipeline.begin(at(0), once, &mut |_, _| {});
    let hint = Hint { failure: retry::Failure::Connect, never_sent: true, ..Hint::NONE };
    let ended = Event::Ended { attempt: 1, ending: Ending::Failure, hint };
    assert_eq!(step(&mut call, &pipeline, 1, ended), Action::Wait);
}

#[test]
fn a_delay_that_does_not_fit_the_deadline_gives_the_error_at_once() {
    let settings = Settings { deadline: Some(millis(110)), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    // The repetition would begin at the very instant of the deadline.
    assert_eq!(end(&mut call, &pipeline, at(10), Ending::Failure), delivered(false));
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(9), Ending::Failure), Action::Wait);
}

#[test]
fn at_the_deadline_the_caller_gets_the_last_real_error() {
    let settings = Settings { deadline: Some(millis(500)), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    end(&mut call, &pipeline, at(10), Ending::Failure);
    assert_eq!(step(&mut call, &pipeline, 110, Event::Time), runs(2));
    assert_eq!(step(&mut call, &pipeline, 500, Event::Time), delivered(false));
}

#[test]
fn a_spent_budget_ends_the_repetitions_and_an_open_breaker_does_too() {
    let one = retry::BudgetSettings { start: 1.0, ratio: 0.0, ..Default::default() };
    let budget = retry::Settings { budget: Some(one), ..Default::default() };
    let pipeline = retrying(Settings::default(), budget);
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(0), Ending::Failure), Action::Wait);
    step(&mut call, &pipeline, 100, Event::Time);
    let action = step(&mut call, &pipeline, 100, Event::ended(2, Ending::Failure));
    assert_eq!(action, Action::Done { end: End::Delivered { attempt: 2 }, fallback: false });
    assert_eq!(pipeline.refused_by_budget(), 1);

    // The failure has opened the circuit: no repetition is scheduled or charged.
    let settings = Settings { breaker: breaker(1), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    let action = end(&mut call, &pipeline, at(0), Ending::Failure);
    assert!(matches!(action, Action::Done { end: End::Rejected(_), .. }), "{action:?}");
    assert_eq!(pipeline.budget_left(at(0)), Some(10.1));

    // One that opens meanwhile ends them too, and what was charged is given back.
    let settings = Settings { breaker: breaker(2), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(0), Ending::Failure), Action::Wait);
    assert_eq!(pipeline.budget_left(at(0)), Some(9.1));
    let breaker = pipeline.endpoints().breaker(0).unwrap();
    breaker.control(breaker::Control::ForceOpen, at(50), &mut |_| {});
    let action = step(&mut call, &pipeline, 100, Event::Time);
    assert!(matches!(action, Action::Done { end: End::Rejected(_), .. }), "{action:?}");
    assert_eq!(pipeline.budget_left(at(100)), Some(10.1));
}

#[test]
fn a_circuit_that_will_be_half_open_by_then_does_not_end_the_repetitions() {
    let settings = breaker::Settings {
        window: Some(Window::Calls(1)),
        open_for: Some(OpenFor::fixed(millis(100))),
        ..breaker::Settings::default()
    };
    let breaker = Some(settings.check().unwrap().into());
    let settings = Settings { breaker, ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(0), Ending::Failure), Action::Wait);
    assert_eq!(step(&mut call, &pipeline, 100, Event::Time), runs(2));
}

#[test]
fn a_repetition_that_waits_for_the_breaker_is_charged_and_bounded_in_time() {
    let on = retry::When::default().and(retry::Failure::BreakerOpen);
    let settings =
        || Settings { deadline: Some(millis(90_000)), breaker: breaker(2), ..Settings::default() };
    let open = |pipeline: &Pipeline| {
        let breaker = pipeline.endpoints().breaker(0).unwrap();
        breaker.control(breaker::Control::ForceOpen, at(50), &mut |_| {});
    };
    let pipeline = retrying(settings(), retry::Settings { on: on.clone(), ..Default::default() });
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(0), Ending::Failure), Action::Wait);
    open(&pipeline);
    assert_eq!(step(&mut call, &pipeline, 100, Event::Time), Action::Wait);
    assert_eq!((call.due(), pipeline.budget_left(at(100))), (at(50_050), Some(9.1)));
    assert_eq!(step(&mut call, &pipeline, 50_050, Event::Time), runs(2));
    assert_eq!(pipeline.budget_left(at(50_050)), Some(9.1));
    call.cancel(&pipeline, at(50_050), &mut |_, _| {});
    assert_eq!(pipeline.budget_left(at(50_050)), Some(9.1));

    let retry = retry::Settings { on, max_elapsed: Some(millis(2000)), ..Default::default() };
    let pipeline = retrying(settings(), retry);
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(0), Ending::Failure), Action::Wait);
    open(&pipeline);
    let action = step(&mut call, &pipeline, 100, Event::Time);
    assert!(matches!(action, Action::Done { end: End::Rejected(_), .. }), "{action:?}");
    assert_eq!(pipeline.budget_left(at(100)), Some(10.1));
}

#[test]
fn a_driver_that_comes_late_begins_nothing_after_the_deadline() {
    let settings = Settings { deadline: Some(millis(1000)), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(0), Ending::Failure), Action::Wait);
    assert_eq!(step(&mut call, &pipeline, 1500, Event::Time), delivered(false));
    assert_eq!(pipeline.budget_left(at(1500)), Some(10.1));
}

#[test]
fn an_ignored_result_is_not_replaced_when_the_deadline_comes_in_a_later_attempt() {
    let settings = Settings { deadline: Some(millis(1000)), fallback: true, ..Settings::default() };
    let retry = retry::Settings { on: retry::When::http(), ..Default::default() };
    let pipeline = retrying(settings, retry);
    let mut call = run(&pipeline, at(0));
    let hint = Hint { failure: retry::Failure::Status(429), ..Hint::NONE };
    let ended = Event::Ended { attempt: 1, ending: Ending::Ignored, hint };
    assert_eq!(step(&mut call, &pipeline, 0, ended), Action::Wait);
    assert_eq!(step(&mut call, &pipeline, 100, Event::Time), runs(2));
    assert_eq!(step(&mut call, &pipeline, 1000, Event::Time), delivered(false));
}

#[test]
fn a_call_given_up_before_its_repetition_gives_the_budget_back() {
    let pipeline = retrying(Settings::default(), retry::Settings::default());
    let mut call = run(&pipeline, at(0));
    end(&mut call, &pipeline, at(0), Ending::Failure);
    assert_eq!(pipeline.budget_left(at(0)), Some(9.1));
    call.cancel(&pipeline, at(50), &mut |_, _| {});
    assert_eq!(pipeline.budget_left(at(50)), Some(10.1));
}

#[test]
fn an_open_breaker_is_waited_for_only_if_that_is_asked_for_and_fits() {
    let on = retry::When::default().and(retry::Failure::BreakerOpen);
    let retry = retry::Settings { on, ..Default::default() };
    let settings = |deadline| Settings {
        deadline: Some(millis(deadline)),
        breaker: breaker(1),
        ..Settings::default()
    };
    for (deadline, waits) in [(60_000, true), (50_000, false)] {
        let pipeline = retrying(settings(deadline), retry.clone());
        let breaker = pipeline.endpoints().breaker(0).unwrap();
        breaker.control(breaker::Control::ForceOpen, at(0), &mut |_| {});
        let (mut call, action) = pipeline.begin(at(0), Start::default(), &mut |_, _| {});
        if !waits {
            assert!(matches!(action, Action::Done { end: End::Rejected(_), .. }));
            continue;
        }
        assert_eq!((action, call.due()), (Action::Wait, at(50_000)));
        assert_eq!(step(&mut call, &pipeline, 50_000, Event::Time), runs(1));
    }
}

#[test]
fn retry_after_is_honoured_between_our_delay_and_the_longest() {
    let pipeline = retrying(Settings::default(), retry::Settings::default());
    for (wanted, waits) in [(0, 100), (100, 100), (1500, 1500), (60_000, 2000)] {
        let mut call = run(&pipeline, at(0));
        let hint = Hint { retry_after: Some(millis(wanted)), ..Hint::NONE };
        let ended = Event::Ended { attempt: 1, ending: Ending::Failure, hint };
        assert_eq!(step(&mut call, &pipeline, 0, ended), Action::Wait);
        assert_eq!(call.due(), at(waits), "asked for {wanted} ms");
    }
}

#[test]
fn a_repetition_goes_to_an_endpoint_that_was_not_tried_and_takes_no_turn() {
    let settings = Settings { endpoints: 3, ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings { attempts: 4, ..Default::default() });
    for first in [0, 1, 2] {
        let (mut call, action) = pipeline.begin(at(0), Start::default(), &mut |_, _| {});
        assert_eq!(action, Action::Run { attempt: 1, endpoint: first });
        let mut went = vec![first];
        for attempt in 1..4 {
            let now = u64::from(attempt) * 10_000;
            step(&mut call, &pipeline, now, Event::ended(attempt, Ending::Failure));
            match step(&mut call, &pipeline, now + 2000, Event::Time) {
                Action::Run { endpoint, .. } => went.push(endpoint),
                other => panic!("{other:?}"),
            }
        }
        // Each of the others before one of them again.
        went[..3].sort_unstable();
        assert_eq!(went[..3], [0, 1, 2]);
        assert_eq!(went.len(), 4);
        call.cancel(&pipeline, at(90_000), &mut |_, _| {});
    }
}

#[test]
fn max_elapsed_bounds_when_a_repetition_may_begin() {
    let retry = retry::Settings { max_elapsed: Some(millis(110)), ..Default::default() };
    let pipeline = retrying(Settings::default(), retry);
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(10), Ending::Failure), Action::Wait);
    let mut call = run(&pipeline, at(0));
    assert_eq!(end(&mut call, &pipeline, at(11), Ending::Failure), delivered(false));
}

#[test]
fn an_attempt_that_timed_out_is_repeated() {
    let settings =
        Settings { attempt_timeout: Some(millis(50)), breaker: breaker(10), ..Settings::default() };
    let pipeline = retrying(settings, retry::Settings { attempts: 2, ..Default::default() });
    let mut call = run(&pipeline, at(0));
    assert_eq!(step(&mut call, &pipeline, 50, Event::Time), Action::Wait);
    assert!(!call.is_attempting());
    assert_eq!(step(&mut call, &pipeline, 150, Event::Time), runs(2));
    let end = End::AttemptTimeout { after: millis(50) };
    assert_eq!(step(&mut call, &pipeline, 200, Event::Time), Action::Done { end, fallback: false });
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(200));
    assert_eq!((seen.started, seen.failures, seen.in_flight), (2, 2, 0));
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
