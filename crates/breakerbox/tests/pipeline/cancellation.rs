//! A caller that goes away, at whatever point: nothing stays behind.

use crate::support::{HANG, Script, Task, assert_settled, attempts, builder, ms};
use breakerbox::clock::ManualClock;
use breakerbox::{
    Pipeline, adaptive_limit, breaker, bulkhead, chaos, hedge, rate_limit, retry, throttle,
};

/// Everything on.
fn all() -> (ManualClock, Pipeline<ManualClock>) {
    let (clock, builder) = builder();
    let budget = retry::BudgetSettings { ratio: 0.0, start: 8.0, cap: 8.0, min_per_second: 0.0 };
    let rate = rate_limit::Settings {
        burst: Some(1),
        wait: Some(ms(10_000)),
        ..rate_limit::Settings::new(20.0)
    };
    let latency = Some(chaos::Latency::Fixed(ms(3)));
    let chaos = chaos::Settings {
        latency,
        fraction: 0.5,
        max_fraction: 1.0,
        on: true,
        ..Default::default()
    };
    let pipeline = builder
        .deadline(ms(2000))
        .attempt_timeout(ms(100))
        .throttle(throttle::Settings::default())
        .rate_limit(rate)
        .retry(retry::Settings { budget: Some(budget), ..attempts(3, 20) })
        .hedge(hedge::Settings::new(hedge::Delay::Fixed(ms(30))))
        .breaker(breaker::Settings::default())
        .bulkhead(bulkhead::Settings {
            queue: 8,
            queue_timeout: ms(500),
            ..bulkhead::Settings::new(2)
        })
        .adaptive_limit(adaptive_limit::Settings::default())
        .chaos(chaos)
        .build()
        .expect("the settings are valid");
    (clock, pipeline)
}

#[test]
fn dropped_at_any_time_a_call_gives_back_all_it_holds() {
    // Whether the first runs, hangs or fails, and whether others hold the bulkhead and the rate limit.
    let scripts: [&[(u64, Result<u32, u32>)]; 4] = [
        &[(7, Err(1)), (7, Ok(2))],
        &[(HANG, Ok(0))],
        &[(0, Err(1))],
        &[(50, Err(1)), (HANG, Ok(0)), (5, Ok(3))],
    ];
    for entries in scripts {
        for others in 0..4 {
            for dropped_at in 0..400 {
                let (clock, pipeline) = all();
                let script = Script::new(&clock, entries);
                let held = Script::new(&clock, &[(HANG, Ok(0))]);
                let mut running: Vec<_> =
                    (0..others).map(|_| Task::new(pipeline.call_once(|| held.run()))).collect();
                let mut task = Task::new(pipeline.call(|| script.run()));
                for _ in 0..dropped_at {
                    clock.advance(ms(1));
                    running.iter_mut().for_each(Task::run);
                    task.run();
                }
                let ended = task.is_done();
                drop(task);
                drop(running);
                assert_settled(&pipeline);
                let stats = pipeline.stats();
                let spent = stats.retries + stats.hedges;
                assert_eq!(stats.budget_left, Some(8.0 - spent as f64), "{dropped_at} {stats:?}");
                if ended {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_call_that_was_never_polled_never_began() {
    let (clock, pipeline) = all();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    drop(pipeline.call(|| script.run()));
    let stats = pipeline.stats();
    assert_eq!((stats.cancelled, stats.breaker.unwrap().started, script.runs()), (0, 0, 0));
}

#[test]
fn a_place_that_was_given_up_goes_to_the_next() {
    let (clock, builder) = builder();
    let settings = bulkhead::Settings { queue: 4, ..bulkhead::Settings::new(1) };
    let pipeline = builder.bulkhead(settings).build().unwrap();
    let script = Script::new(&clock, &[(50, Ok(1)), (0, Ok(2))]);
    let mut first = Task::new(pipeline.call(|| script.run()));
    let second = Task::new(pipeline.call(|| script.run()));
    let mut third = Task::new(pipeline.call(|| script.run()));
    clock.advance(ms(50));
    assert_eq!(first.output(), Ok(1));
    // The place is the second's, who does not come for it.
    drop(second);
    assert_eq!(third.output(), Ok(2));
    assert_settled(&pipeline);
}

#[test]
fn what_an_operation_holds_is_free_before_its_place_is() {
    let (clock, builder) = builder();
    let bulk = bulkhead::Settings { queue: 1, ..bulkhead::Settings::new(1) };
    let pipeline = builder.bulkhead(bulk).build().unwrap();
    /// Takes note of how many places are taken when it is dropped.
    struct Held<'a>(&'a Pipeline<breakerbox::clock::ManualClock>, &'a std::cell::Cell<u32>);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.1.set(self.0.stats().bulkhead.expect("there is one").in_flight);
        }
    }
    let seen = std::cell::Cell::new(0);
    let running = Task::new(pipeline.call(async || {
        let _held = Held(&pipeline, &seen);
        std::future::pending::<Result<u32, u32>>().await
    }));
    clock.advance(ms(10));
    drop(running);
    assert_eq!(seen.get(), 1);
    assert_settled(&pipeline);
}
