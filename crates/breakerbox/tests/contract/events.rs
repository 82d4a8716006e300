//! What listeners are told, in which order.

use crate::support::{
    Log, SECOND, WatchedClock, at, fragile, now, ok_after, panic_of, poll_once, seconds,
};
use breakerbox::clock::{ManualClock, TokioClock};
use breakerbox::{
    Breaker, Cause, Control, EventKind, Interest, Outcome, State, TimeoutKind, Transition,
};
use tokio::time::advance;

fn transition(kind: &EventKind) -> Transition {
    match kind {
        EventKind::Transition(transition) => *transition,
        other => panic!("{other:?} is no transition"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_in_the_order_in_which_it_happened() {
    let breaker = Breaker::builder("outage").window_calls(2).open_for(seconds(30));
    let breaker = breaker.clock(TokioClock::new()).attempt_timeout(seconds(3)).build().unwrap();
    let log = Log::of(&breaker);
    let ok = || ok_after(SECOND);
    breaker.call(ok).await.unwrap();
    let hanging = breaker.call(async || std::future::pending::<Result<(), ()>>().await).await;
    assert!(hanging.unwrap_err().is_timeout());
    assert!(breaker.fallback(|_| ()).call(ok).await.unwrap().is_fallback());
    advance(seconds(50)).await;
    assert!(breaker.call(async || Err::<(), _>(())).await.is_err());
    advance(seconds(30)).await;
    breaker.call(ok).await.unwrap();

    let told = log.take();
    let change = |from, to, seconds_, cause, generation| {
        let at = at(seconds(seconds_));
        EventKind::Transition(Transition { from, to, at, cause, generation })
    };
    let [_, _, _, rejected, ..] = &told[..] else { panic!("{told:?}") };
    let EventKind::Rejected(rejection) = rejected else { panic!("{rejected:?}") };
    assert_eq!(rejection.retry_after(), Some(seconds(30)));
    assert_eq!(
        told,
        [
            EventKind::Success { took: SECOND },
            // What led to a change is told before the change.
            EventKind::Timeout { kind: TimeoutKind::Attempt, after: seconds(3) },
            change(State::Closed, State::Open, 4, Cause::FailureRate, 1),
            EventKind::Rejected(rejection.clone()),
            EventKind::Fallback,
            // What time did is told at the next call, with the time at which it was due.
            change(State::Open, State::HalfOpen, 34, Cause::OpenElapsed, 2),
            EventKind::Failure { took: seconds(0) },
            change(State::HalfOpen, State::Open, 54, Cause::ProbeFailed, 3),
            change(State::Open, State::HalfOpen, 84, Cause::OpenElapsed, 4),
            EventKind::Success { took: SECOND },
            change(State::HalfOpen, State::Closed, 85, Cause::ProbesSucceeded, 5),
        ]
    );
}

#[test]
fn a_result_that_comes_after_its_lease_is_told_after_what_time_did() {
    let clock = ManualClock::new();
    let breaker = fragile("lease").clock(clock.clone()).build().unwrap();
    breaker.permit().unwrap().failure();
    clock.advance(seconds(30));
    let probe = breaker.permit().unwrap();
    let log = Log::of(&breaker);
    clock.advance(seconds(61));
    probe.success();
    let told = log.take();
    let changes: Vec<_> = told[..2].iter().map(transition).map(|it| (it.cause, it.at)).collect();
    assert_eq!(
        changes,
        [(Cause::LeaseExpired, at(seconds(60))), (Cause::OpenElapsed, at(seconds(90)))]
    );
    assert_eq!(told[2..], [EventKind::Success { took: seconds(61) }]);
}

#[test]
fn every_way_for_a_call_to_end_is_told() {
    let breaker = Breaker::builder("ends").clock(ManualClock::new());
    let breaker = breaker.attempt_timeout(seconds(3)).build().unwrap();
    let log = Log::of(&breaker);
    let took = seconds(0);

    now(breaker.call(async || Ok::<_, ()>(()))).unwrap();
    assert_eq!(log.take(), [EventKind::Success { took }]);
    now(breaker.call(async || Err::<(), _>(()))).unwrap_err();
    assert_eq!(log.take(), [EventKind::Failure { took }]);
    let ignore = |_: &Result<(), ()>| Outcome::Ignored;
    now(breaker.classify(ignore).call(async || Ok(()))).unwrap();
    assert_eq!(log.take(), [EventKind::Ignored]);
    panic_of(|| now(breaker.call(async || -> Result<(), ()> { panic!("operation") })));
    assert_eq!(log.take(), [EventKind::Panicked]);
    let mut call = Box::pin(breaker.call(async || std::future::pending::<Result<(), ()>>().await));
    assert!(poll_once(call.as_mut()).is_pending());
    assert_eq!(log.take(), []);
    drop(call);
    assert_eq!(log.take(), [EventKind::Cancelled]);
    breaker.control(Control::Isolate);
    let [change] = &log.take()[..] else { panic!("one change") };
    assert_eq!(transition(change).cause, Cause::Manual(Control::Isolate));
    breaker.permit().unwrap_err();
    let [EventKind::Rejected(rejection)] = &log.take()[..] else { panic!("one rejection") };
    assert_eq!((rejection.name(), rejection.retry_after()), ("ends", None));
}

#[test]
fn a_call_given_up_that_opens_the_circuit_is_told_before_the_change() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("given up").slow_call(SECOND).slow_call_rate(1.0);
    let breaker = breaker.window_calls(1).clock(clock.clone()).build().unwrap();
    let log = Log::of(&breaker);
    let permit = breaker.permit().unwrap();
    clock.advance(seconds(2));
    drop(permit);
    let told = log.take();
    assert_eq!(told[0], EventKind::Cancelled);
    assert_eq!(transition(&told[1]).cause, Cause::SlowCallRate);
    assert_eq!(told.len(), 2);
}

#[test]
fn what_time_did_is_told_by_whatever_comes_next_and_once() {
    type Next = fn(&Breaker<ManualClock>);
    let look: [(&str, Next); 5] = [
        ("state", |breaker| assert_eq!(breaker.state(), State::HalfOpen)),
        ("stats", |breaker| drop(breaker.stats())),
        ("permit", |breaker| breaker.permit().unwrap().ignore()),
        ("call", |breaker| now(breaker.call(async || Ok::<_, ()>(()))).unwrap()),
        ("control", |breaker| breaker.control(Control::Disable)),
    ];
    for (name, next) in look {
        let clock = ManualClock::new();
        let breaker = fragile(name).clock(clock.clone()).build().unwrap();
        breaker.permit().unwrap().failure();
        let log = Log::of(&breaker);
        clock.advance(seconds(1000));
        next(&breaker);
        let told = log.take();
        let change = transition(&told[0]);
        assert_eq!((change.to, change.at), (State::HalfOpen, at(seconds(30))), "{name}");
        breaker.state();
        assert_eq!(log.take(), [], "{name}");
    }
}

#[test]
fn a_listener_sees_the_state_after_the_change() {
    let breaker = fragile("after").clock(ManualClock::new()).build().unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    breaker.on_event({
        let (seen, breaker) = (seen.clone(), breaker.clone());
        move |event| seen.lock().unwrap().push((event.name.to_string(), breaker.state()))
    });
    breaker.permit().unwrap().failure();
    let expected = [("after".to_owned(), State::Open), ("after".to_owned(), State::Open)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn while_nobody_listens_nothing_is_made_and_the_clock_is_read_once_a_call() {
    let clock = WatchedClock::default();
    let breaker = Breaker::builder("quiet").clock(clock.clone()).build().unwrap();
    let good = || now(breaker.call(async || Ok::<_, ()>(()))).unwrap();
    clock.reads();
    good();
    assert_eq!(clock.reads(), 1);
    let id = breaker.on_event(|_| {});
    good();
    assert_eq!(clock.reads(), 2, "how long it took is told");
    breaker.remove_listener(id);
    good();
    assert_eq!(clock.reads(), 1);
    let stream = breaker.events();
    good();
    assert_eq!(clock.reads(), 2);
    drop(stream);
    good();
    assert_eq!(clock.reads(), 1);
}

#[test]
fn a_call_that_began_before_anybody_listened_took_no_time_that_is_known() {
    let clock = ManualClock::new();
    clock.advance(SECOND);
    let breaker = Breaker::builder("before").clock(clock.clone()).build().unwrap();
    let permit = breaker.permit().unwrap();
    let log = Log::of(&breaker);
    clock.advance(SECOND);
    permit.success();
    assert_eq!(log.take(), [EventKind::Success { took: seconds(0) }]);
}

#[test]
fn a_call_that_began_at_the_origin_of_its_clock_knows_how_long_it_took() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("origin").clock(clock.clone()).build().unwrap();
    let log = Log::of(&breaker);
    let permit = breaker.permit().unwrap();
    clock.advance(seconds(5));
    permit.success();
    assert_eq!(log.take(), [EventKind::Success { took: seconds(5) }]);
}

#[test]
fn who_does_not_ask_how_calls_end_makes_none_read_the_clock_more() {
    let clock = WatchedClock::default();
    let breaker = fragile("quiet").clock(clock.clone()).build().unwrap();
    let mut rare = breaker.events_of(Interest::RARE);
    clock.reads();
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(7))), Ok(7));
    assert_eq!(clock.reads(), 1);
    let outcomes = breaker.events_of(Interest::OUTCOMES);
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(7))), Ok(7));
    assert_eq!(clock.reads(), 2, "how long it took is told");
    drop(outcomes);
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(7))), Ok(7));
    assert_eq!(clock.reads(), 1);

    assert!(now(breaker.call(async || Err::<(), _>(()))).is_err());
    assert!(now(breaker.call(async || Ok::<_, ()>(7))).is_err());
    let told: Vec<_> = std::iter::from_fn(|| rare.try_next()).map(|event| event.kind).collect();
    assert!(matches!(told[..], [EventKind::Transition(_), EventKind::Rejected(_)]), "{told:?}");
}

#[test]
fn each_listener_hears_what_it_wants_and_nothing_else() {
    let kinds = [
        Interest::TRANSITIONS,
        Interest::OUTCOMES,
        Interest::PANICS,
        Interest::REJECTIONS,
        Interest::TIMEOUTS,
        Interest::CANCELLATIONS,
        Interest::FALLBACKS,
        Interest::REPETITIONS,
    ];
    let clock = ManualClock::new();
    let breaker = fragile("wanted").clock(clock.clone()).attempt_timeout(SECOND).build().unwrap();
    let mut streams = kinds.map(|kind| breaker.events_of(kind));
    let all = Log::of(&breaker);

    assert!(now(breaker.call(async || Ok::<_, ()>(()))).is_ok());
    let panicking = breaker.permit().unwrap();
    panic_of(move || {
        let _panicking = panicking;
        panic!("the operation")
    });
    assert!(now(breaker.fallback(|_| ()).call(async || Ok::<_, ()>(()))).unwrap().is_fallback());
    clock.advance(seconds(30));
    drop(breaker.permit().unwrap());
    let mut hanging = std::pin::pin!(breaker.call(std::future::pending::<Result<(), ()>>));
    assert!(poll_once(hanging.as_mut()).is_pending());
    clock.advance(SECOND);
    assert!(poll_once(hanging).is_ready());

    let all = all.take();
    for (kind, stream) in kinds.into_iter().zip(&mut streams) {
        let told: Vec<_> = std::iter::from_fn(|| stream.try_next()).map(|it| it.kind).collect();
        let wanted = all.iter().filter(|it| it.interest() == kind);
        assert_eq!(told, wanted.cloned().collect::<Vec<_>>(), "{kind:?}");
        // A breaker alone repeats nothing.
        assert_eq!(told.is_empty(), kind == Interest::REPETITIONS, "{kind:?}");
    }
}
