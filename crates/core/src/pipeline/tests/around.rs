//! What stands between a call and its attempt: queues, turns, keys and answers from elsewhere.

use super::*;
use crate::retry::{Failure, When};
use crate::waiter::Bell;
use crate::{adaptive_limit, bulkhead, chaos, hedge, rate_limit, throttle};

fn begin(pipeline: &Pipeline, now: u64, start: Start) -> (Call, Action) {
    pipeline.begin(at(now), start, &mut |_, _| {})
}

fn rejected(rejection: Rejection) -> Action {
    Action::Done { end: End::Rejected(rejection), fallback: false }
}

fn one_at_a_time() -> Option<bulkhead::Settings> {
    Some(bulkhead::Settings { queue: 1, queue_timeout: millis(100), ..bulkhead::Settings::new(1) })
}

/// One call every 100 ms.
fn one_in_100_ms(wait: Option<Duration>) -> Option<rate_limit::Settings> {
    Some(rate_limit::Settings { burst: Some(1), wait, ..rate_limit::Settings::new(10.0) })
}

#[test]
fn a_call_in_the_queue_is_told_of_its_place_or_leaves_at_the_timeout() {
    let settings = Settings { bulkhead: one_at_a_time(), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let mut first = run(&pipeline, at(0));
    let (mut second, action) = begin(&pipeline, 0, Start::default());
    assert_eq!(action, Action::Wait);
    assert!(second.has_begun() && second.is_running() && second.is_queued());
    assert_eq!(second.due_next(), Due { at: at(100), rank: Rank::QueueTimeout });
    let bell = Bell::new();
    assert!(!second.listen(&pipeline, &bell.clone().into()));
    assert_eq!(step(&mut second, &pipeline, 9, Event::Time), Action::Wait);
    assert_eq!(end(&mut first, &pipeline, at(10), Ending::Success), delivered(false));
    assert_eq!(bell.rung(), 1);
    assert_eq!(step(&mut second, &pipeline, 10, Event::Time), runs(1));
    assert!(!second.is_queued() && !second.listen(&pipeline, &bell.clone().into()));

    let (mut third, _) = begin(&pipeline, 10, Start::default());
    let timeout = Rejection::QueueTimeout { after: millis(100) };
    assert_eq!(step(&mut third, &pipeline, 110, Event::Time), rejected(timeout));
}

#[test]
fn a_call_waits_for_its_turn_and_looks_whether_it_has_come() {
    let settings = Settings { rate_limit: one_in_100_ms(Some(millis(500))), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let _first = run(&pipeline, at(0));
    let (mut second, action) = begin(&pipeline, 0, Start::default());
    assert_eq!(action, Action::Wait);
    assert!(second.is_queued() && !second.listen(&pipeline, &Bell::new().into()));
    assert_eq!(second.due_next(), Due { at: at(100), rank: Rank::Begin });
    assert_eq!(step(&mut second, &pipeline, 99, Event::Time), Action::Wait);
    assert_eq!(step(&mut second, &pipeline, 100, Event::Time), runs(1));
}

#[test]
fn a_rejection_that_the_retry_policy_names_is_tried_again() {
    let named =
        |failure| retry::Settings { on: When::default().and(failure), ..Default::default() };
    let settings = Settings { rate_limit: one_in_100_ms(None), ..Settings::default() };
    let pipeline = retrying(settings, named(Failure::RateLimited));
    let _first = run(&pipeline, at(0));
    let (mut second, action) = begin(&pipeline, 0, Start::default());
    assert_eq!((action, second.next_attempt()), (Action::Wait, Some(at(100))));
    assert_eq!(step(&mut second, &pipeline, 99, Event::Time), Action::Wait);
    assert_eq!(step(&mut second, &pipeline, 100, Event::Time), runs(1));
    // What would never be allowed is not waited for.
    let (_, action) = begin(&pipeline, 200, Start { weight: 2, ..Start::default() });
    assert_eq!(action, rejected(Rejection::RateLimited { retry_after: None }));

    let bulkhead = Some(bulkhead::Settings::new(1));
    let pipeline =
        retrying(Settings { bulkhead, ..Settings::default() }, named(Failure::BulkheadFull));
    let mut first = run(&pipeline, at(0));
    let (mut second, action) = begin(&pipeline, 0, Start::default());
    assert_eq!((action, second.next_attempt()), (Action::Wait, Some(at(100))));
    end(&mut first, &pipeline, at(50), Ending::Success);
    assert_eq!(step(&mut second, &pipeline, 100, Event::Time), runs(1));
}

#[test]
fn a_call_over_the_adaptive_limit_leaves_the_bulkhead() {
    let limit = adaptive_limit::Settings { initial: 1, ..Default::default() };
    let settings = Settings {
        adaptive_limit: Some(limit),
        bulkhead: Some(bulkhead::Settings::new(2)),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let _first = run(&pipeline, at(0));
    let (_, action) = begin(&pipeline, 0, Start::default());
    assert_eq!(action, rejected(Rejection::LimitReached));
    assert_eq!(pipeline.bulkhead().unwrap().snapshot().in_flight, 1);
}

#[test]
fn a_command_reaches_the_breakers_of_all_keys_those_to_come_included() {
    let settings = Settings { breaker: breaker(4), breaker_keys: Some(9), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let of_key = |key| {
        let keys = Keys { breaker: Some(key), ..Keys::default() };
        let (call, action) = begin(&pipeline, 0, Start { keys, ..Start::default() });
        call.cancel(&pipeline, at(0), &mut |_, _| {});
        let endpoints = pipeline.keyed_breakers().unwrap().peek(key).unwrap();
        (endpoints.breaker(0).unwrap().state(at(0)), matches!(action, Action::Run { .. }))
    };
    assert_eq!(of_key(1), (State::Closed, true));
    for (number, control, state, passes) in [
        (2, Control::Isolate, State::Isolated, false),
        (3, Control::Disable, State::Disabled, true),
        (4, Control::MetricsOnly, State::MetricsOnly, true),
        (5, Control::Close, State::Closed, true),
    ] {
        assert!(pipeline.control(0, control, at(0), &mut |_, _| {}));
        assert_eq!((of_key(1), of_key(number)), ((state, passes), (state, passes)), "{control}");
    }
    assert!(!pipeline.control(1, Control::Isolate, at(0), &mut |_, _| {}), "no such endpoint");
    // Open as if by failures: of a key that is new none are known.
    assert!(pipeline.control(0, Control::ForceOpen, at(0), &mut |_, _| {}));
    assert_eq!((of_key(1), of_key(6)), ((State::Open, false), (State::Closed, true)));
}

#[test]
fn an_answer_from_elsewhere_ends_the_call_and_is_none_of_the_upstreams() {
    let settings = Settings {
        lookup: true,
        fallback: true,
        throttle: Some(throttle::Settings::default()),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let looks = Start { lookup: true, ..Start::default() };
    for (ending, fallback) in [(Ending::Success, false), (Ending::Failure, true)] {
        let (mut call, action) = begin(&pipeline, 0, looks);
        assert_eq!(action, Action::LookUp);
        assert_eq!(step(&mut call, &pipeline, 1, Event::Time), Action::Wait);
        let answered = step(&mut call, &pipeline, 1, Event::Answered { ending });
        assert_eq!(answered, Action::Done { end: End::Answered, fallback });
        // What comes after the end changes nothing.
        assert_eq!(step(&mut call, &pipeline, 2, Event::Answered { ending }), Action::Wait);
        assert_eq!(step(&mut call, &pipeline, 2, Event::Unanswered), Action::Wait);
    }
    let seen = |now| pipeline.throttle().unwrap().snapshot(at(now)).requests;
    assert_eq!(seen(2), 0);
    let (mut call, _) = begin(&pipeline, 2, looks);
    assert_eq!(step(&mut call, &pipeline, 2, Event::Unanswered), runs(1));
    // Whether it was accepted is not known of an operation that panicked.
    assert_eq!(end(&mut call, &pipeline, at(3), Ending::Panicked), delivered(false));
    assert_eq!(seen(3), 0);
}

#[test]
fn where_nothing_needs_the_time_a_call_begins_without_it() {
    let pipeline = Pipeline::new(Settings { breaker: breaker(4), ..Settings::default() }, at(0), 0);
    let mut call = Call::NEW;
    assert_eq!(pipeline.begin_timeless(&mut call), Some(runs(1)));
    assert_eq!(end(&mut call, &pipeline, at(1), Ending::Success), delivered(false));
    // The place of a call that has ended is as good as a new one.
    let again = pipeline.begin_in(&mut call, at(1), &Start::default(), &mut |_, _| {});
    assert_eq!(again, runs(1));
    assert_eq!(end(&mut call, &pipeline, at(1), Ending::Success), delivered(false));
    pipeline.control(0, Control::Isolate, at(1), &mut |_, _| {});
    assert_eq!(pipeline.begin_timeless(&mut call), None);
    let settings = Settings { deadline: Some(millis(1)), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    assert_eq!(pipeline.begin_timeless(&mut call), None);
}

#[test]
fn rejections_say_what_kind_they_are_and_when_to_come_back() {
    let soon = Some(millis(7));
    let open = Rejection::BreakerOpen { state: State::Open, retry_after: soon };
    let limited = Rejection::RateLimited { retry_after: soon };
    let queued = Rejection::QueueTimeout { after: millis(1) };
    for (rejection, retry_after, failure) in [
        (open, soon, Some(Failure::BreakerOpen)),
        (limited, soon, Some(Failure::RateLimited)),
        (queued, None, Some(Failure::BulkheadFull)),
        (Rejection::BulkheadFull, None, Some(Failure::BulkheadFull)),
        (Rejection::Shed, None, None),
    ] {
        assert_eq!((rejection.retry_after(), rejection.failure()), (retry_after, failure));
        let later = rejection.later_by(millis(3)).retry_after();
        assert_eq!(later, retry_after.map(|wait| wait + millis(3)), "{rejection:?}");
    }
}

#[test]
fn a_pipeline_tells_what_it_was_told() {
    let settings = Settings {
        deadline: Some(millis(9)),
        attempt_timeout: Some(millis(5)),
        hedge: Some(hedge::Settings::new(hedge::Delay::Fixed(millis(2)))),
        retry: Some(retry::Settings::default()),
        ..Settings::default()
    };
    let pipeline = Pipeline::new(settings.clone(), at(0), 0);
    assert_eq!(
        (pipeline.deadline(), pipeline.attempt_timeout()),
        (Some(millis(9)), Some(millis(5)))
    );
    assert_eq!(pipeline.retry(), settings.retry.as_ref());
    assert!(pipeline.repeats_at_all() && pipeline.hedges_at_all());
    assert_eq!(settings.shortest(), millis(2));
    for (latency, shortest) in [
        (chaos::Latency::Fixed(millis(1)), 1),
        (chaos::Latency::Uniform { min: millis(0), max: millis(3) }, 1),
        (chaos::Latency::Exponential { mean: millis(1) }, 1),
        (chaos::Latency::Exponential { mean: millis(3) }, 2),
    ] {
        let chaos = Some(chaos::Settings { latency: Some(latency), ..Default::default() });
        let found = Settings { chaos, ..settings.clone() }.shortest();
        assert_eq!(found.as_millis(), shortest, "{latency:?}");
    }
}

#[test]
fn chaos_is_done_to_the_attempt_that_was_let_run_and_spares_who_asks() {
    let chaos = chaos::Settings { error: Some(503), ..Default::default() };
    let settings = Settings { chaos: Some(chaos), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let hit = run(&pipeline, at(0));
    let kind = Some(chaos::FaultKind::Error(503));
    assert_eq!(hit.fault(1), Some(chaos::Fault { kind, ..chaos::Fault::NONE }));
    assert_eq!(hit.fault(2), None);
    let keys = Keys { spared: true, ..Keys::default() };
    let (spared, _) = begin(&pipeline, 0, Start { keys, ..Start::default() });
    assert_eq!(spared.fault(1), None);
    assert!(pipeline.chaos().unwrap().snapshot(at(0)).calls >= 1);
}

#[test]
fn a_throttle_that_nothing_comes_back_to_rejects() {
    let settings =
        Settings { throttle: Some(throttle::Settings::default()), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let rejections = (0..200).filter(|_| {
        let (mut call, action) = begin(&pipeline, 0, Start::default());
        if action == runs(1) {
            let timeout = Hint { failure: Failure::Timeout, ..Hint::NONE };
            let ended = Event::Ended { attempt: 1, ending: Ending::Failure, hint: timeout };
            step(&mut call, &pipeline, 0, ended);
        }
        action == rejected(Rejection::Throttled)
    });
    assert!(rejections.count() > 0);
}
