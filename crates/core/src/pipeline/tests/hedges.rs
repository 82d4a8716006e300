//! Several attempts of one call at the same time, and what ends them.

use super::*;
use crate::{adaptive_limit, bulkhead, hedge, throttle};

/// A second attempt after 10 ms, and no attempt longer than 100 ms.
fn hedging(settings: Settings) -> Pipeline {
    let hedge = hedge::Settings::new(hedge::Delay::Fixed(millis(10)));
    let settings = Settings { hedge: Some(hedge), attempt_timeout: Some(millis(100)), ..settings };
    Pipeline::new(settings, at(0), 0)
}

/// Two attempts of it run: the first since 0 and the second since 10 ms.
fn two(pipeline: &Pipeline) -> Call {
    let mut call = run(pipeline, at(0));
    assert_eq!(call.due_next(), Due { at: at(10), rank: Rank::Begin });
    assert_eq!(step(&mut call, pipeline, 10, Event::Time), runs(2));
    assert!(call.runs(1) && call.runs(2) && call.is_hedging());
    call
}

#[test]
fn an_attempt_that_waited_for_us_has_its_whole_time_from_then_on() {
    let pipeline = hedging(Settings::default());
    let mut call = two(&pipeline);
    assert_eq!(call.due_next(), Due { at: at(100), rank: Rank::AttemptTimeout });
    call.attempt_waited(&pipeline, 1, at(50));
    assert_eq!(call.due(), at(110));
    call.attempt_waited(&pipeline, 2, at(60));
    assert_eq!(call.due(), at(150));
    // Nobody, one who is not there, and one who waited less.
    for (number, from) in [(0, 90), (9, 90), (1, 20)] {
        call.attempt_waited(&pipeline, number, at(from));
        assert_eq!(call.due(), at(150));
    }
    call.waited_for_caller(&pipeline, at(90));
    assert_eq!(call.due(), at(190));
    step(&mut call, &pipeline, 91, Event::ResponseStarted { attempt: 2 });
    call.waited_for_caller(&pipeline, at(95));
    call.attempt_waited(&pipeline, 2, at(95));
    assert_eq!(call.due(), Timestamp::NEVER);
}

#[test]
fn a_hedge_that_finds_no_room_is_not_begun_and_holds_nothing() {
    let limit = adaptive_limit::Settings { initial: 1, ..Default::default() };
    let room = |concurrent| Some(bulkhead::Settings::new(concurrent));
    for settings in [
        Settings { adaptive_limit: Some(limit), bulkhead: room(2), ..Settings::default() },
        Settings { adaptive_limit: Some(limit), ..Settings::default() },
        Settings { bulkhead: room(1), ..Settings::default() },
    ] {
        let pipeline = hedging(Settings { breaker: breaker(4), ..settings });
        let mut call = run(&pipeline, at(0));
        assert_eq!(step(&mut call, &pipeline, 10, Event::Time), Action::Wait);
        let in_flight = pipeline.endpoints().breaker(0).unwrap().snapshot(at(10)).in_flight;
        assert_eq!(in_flight, 1);
        assert!(pipeline.bulkhead().is_none_or(|it| it.snapshot().in_flight == 1));
        assert_eq!(end(&mut call, &pipeline, at(20), Ending::Success), delivered(false));
    }
}

#[test]
fn an_attempt_that_had_timed_out_when_its_caller_gave_up_has_failed() {
    let pipeline = hedging(Settings { breaker: breaker(4), ..Settings::default() });
    let call = two(&pipeline);
    // The first ended at 100 ms, the second would have at 110 ms.
    call.cancel(&pipeline, at(105), &mut |_, _| {});
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(105));
    assert_eq!((seen.failures, seen.ignored, seen.in_flight), (1, 1, 0));
}

#[test]
fn our_deadline_is_a_failure_of_every_attempt_and_of_one_request() {
    let pipeline = hedging(Settings {
        breaker: breaker(4),
        deadline: Some(millis(50)),
        throttle: Some(throttle::Settings::default()),
        ..Settings::default()
    });
    let mut call = two(&pipeline);
    assert_eq!(call.due_next(), Due { at: at(50), rank: Rank::Deadline });
    let end = End::DeadlineExceeded { after: millis(50) };
    let action = step(&mut call, &pipeline, 50, Event::Time);
    assert_eq!(action, Action::Done { end, fallback: false });
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(50));
    assert_eq!((seen.failures, seen.in_flight), (2, 0));
    let throttle = pipeline.throttle().unwrap().snapshot(at(50));
    assert_eq!((throttle.requests, throttle.accepted), (1, 0));
}

#[test]
fn a_response_that_has_begun_ends_the_others_and_is_accepted() {
    let throttle = Some(throttle::Settings::default());
    let pipeline = hedging(Settings { throttle, ..Settings::default() });
    let mut call = two(&pipeline);
    let begun = Event::ResponseStarted { attempt: 1 };
    assert_eq!(step(&mut call, &pipeline, 20, begun), Action::Wait);
    assert!(call.runs(1) && !call.runs(2) && call.due() == Timestamp::NEVER);
    assert_eq!(pipeline.throttle().unwrap().snapshot(at(20)).accepted, 1);
    assert_eq!(step(&mut call, &pipeline, 30, Event::Time), Action::Wait);
}

#[test]
fn at_one_instant_the_timeout_comes_before_the_hedge() {
    let hedge = hedge::Settings::new(hedge::Delay::Fixed(millis(100)));
    let settings =
        Settings { hedge: Some(hedge), attempt_timeout: Some(millis(100)), ..Settings::default() };
    let pipeline = Pipeline::new(settings, at(0), 0);
    let mut call = run(&pipeline, at(0));
    assert_eq!(call.due_next(), Due { at: at(100), rank: Rank::AttemptTimeout });
    call.not_repeatable();
    let end = End::AttemptTimeout { after: millis(100) };
    let action = step(&mut call, &pipeline, 100, Event::Time);
    assert_eq!(action, Action::Done { end, fallback: false });
}

#[test]
fn a_sentence_says_when_hedges_begin() {
    let sentence = |delay, max| {
        let hedge = hedge::Settings { max, ..hedge::Settings::new(delay) };
        Pipeline::new(Settings { hedge: Some(hedge), ..Settings::default() }, at(0), 0).to_string()
    };
    assert_eq!(sentence(hedge::Delay::Fixed(millis(10)), 1), "a hedge after 10ms, then the call");
    assert_eq!(
        sentence(hedge::Delay::Percentile(0.95), 2),
        "up to 2 hedges after the p95 of all attempts, then the call"
    );
}

#[test]
fn the_first_of_two_ends_and_the_other_with_it() {
    let pipeline = hedging(Settings { breaker: breaker(4), ..Settings::default() });
    let mut call = two(&pipeline);
    // Nobody's response.
    let nobody = Event::ResponseStarted { attempt: 9 };
    assert_eq!(step(&mut call, &pipeline, 20, nobody), Action::Wait);
    assert_eq!(step(&mut call, &pipeline, 20, Event::ended(9, Ending::Success)), Action::Wait);
    assert_eq!(end(&mut call, &pipeline, at(20), Ending::Success), delivered(false));
    let seen = pipeline.endpoints().breaker(0).unwrap().snapshot(at(20));
    assert_eq!((seen.successes, seen.ignored, seen.in_flight), (1, 1, 0));
    // Time after the end changes nothing, nor does who waited.
    assert_eq!(step(&mut call, &pipeline, 500, Event::Time), Action::Wait);
    call.attempt_waited(&pipeline, 1, at(500));
}
