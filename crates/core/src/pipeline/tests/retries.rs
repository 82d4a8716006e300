//! Repetitions: when, how often, within which time.

use super::*;

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
