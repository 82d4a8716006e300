//! A clock that is coarse lags behind that of whoever waits.

use crate::support::ms;
use breakerbox::clock::{Clock, ManualClock, ManualSleep};
use breakerbox::{BlockingPipeline, Pipeline, Timestamp, breaker, rate_limit};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(4);

/// It goes on every four milliseconds.
#[derive(Clone)]
struct Coarse(ManualClock);

impl Clock for Coarse {
    type Sleep = ManualSleep;

    fn now(&self) -> Timestamp {
        let nanos = self.0.now().as_nanos();
        Timestamp::from_nanos(nanos - nanos % TICK.as_nanos() as u64)
    }

    fn tick(&self) -> Duration {
        TICK
    }

    fn sleep_until(&self, at: Timestamp) -> ManualSleep {
        self.0.sleep_until(at)
    }
}

fn failed(pipeline: &BlockingPipeline<Coarse>) {
    assert!(pipeline.call(|| Err::<(), _>("down")).is_err());
}

#[test]
fn whoever_waits_as_long_as_is_said_is_admitted() {
    for late in 0..8 {
        let clock = ManualClock::new();
        let settings = breaker::Settings {
            consecutive_failures: Some(1),
            open_for: Some(ms(53).into()),
            ..breaker::Settings::default()
        };
        let pipeline = Pipeline::builder("posts").breaker(settings).clock(Coarse(clock.clone()));
        let pipeline = pipeline.build_blocking().unwrap();
        failed(&pipeline);
        clock.advance(ms(late));
        let said = pipeline.stats().breaker.unwrap().retry_after.unwrap();
        let error = pipeline.call(|| Ok::<_, ()>(())).unwrap_err();
        assert_eq!(error.retry_after(), Some(said));
        clock.advance(said);
        assert_eq!(pipeline.call(|| Ok::<_, ()>(())), Ok(()), "{late}");
        assert_eq!(pipeline.stats().breaker.unwrap().retry_after, Some(Duration::ZERO));
    }
}

#[test]
fn so_is_whoever_waits_for_the_rate_limit() {
    for late in 0..8 {
        let clock = ManualClock::new();
        let settings = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(30.0) };
        let pipeline = Pipeline::builder("posts").rate_limit(settings).clock(Coarse(clock.clone()));
        let pipeline = pipeline.build_blocking().unwrap();
        pipeline.call(|| Ok::<_, ()>(())).unwrap();
        clock.advance(ms(late));
        let error = pipeline.call(|| Ok::<_, ()>(())).unwrap_err();
        clock.advance(error.retry_after().unwrap());
        assert_eq!(pipeline.call(|| Ok::<_, ()>(())), Ok(()), "{late}");
    }
}
