//! The one timer of a body: how long to wait for its next frame.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Where adding a timeout overflows the clock, the timer looks again after this long.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Which of the two bounds was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    /// No frame came for the idle timeout.
    Idle,
    /// The deadline of the whole body has come.
    Deadline,
}

/// Made of nothing until a body has to wait for the first time. Frames only clear the start of the
/// wait; the timer itself is moved on when it fires, at most once per idle timeout.
#[derive(Debug)]
pub(crate) struct IdleTimer {
    timeout: Duration,
    deadline: Option<Instant>,
    waiting_since: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(crate) fn new(timeout: Duration, deadline: Option<Instant>) -> Self {
        Self { timeout, deadline, waiting_since: None, sleep: None }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
        // An armed timer may be due too late now.
        self.sleep = None;
    }

    /// Whether the deadline has come although frames never stopped coming.
    pub(crate) fn past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// A frame has come.
    pub(crate) fn progress(&mut self) {
        self.waiting_since = None;
    }

    /// To be called whenever there is no frame: wakes the task when a bound is reached.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let idle_at = since.checked_add(self.timeout).unwrap_or_else(|| since + FAR);
        let (due, bound) = match self.deadline {
            Some(deadline) if deadline < idle_at => (deadline, Expired::Deadline),
            _ => (idle_at, Expired::Idle),
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(bound);
            }
            // Armed for an earlier wait, which ended in time.
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn expires_after_the_idle_timeout_since_the_last_frame() {
        let start = Instant::now();
        let mut timer = IdleTimer::new(IDLE, None);
        let early = timeout(Duration::from_secs(50), poll_fn(|cx| timer.poll_expired(cx))).await;
        assert!(early.is_err());
        timer.progress();
        advance(Duration::from_secs(5)).await;
        assert_eq!(poll_fn(|cx| timer.poll_expired(cx)).await, Expired::Idle);
        assert_eq!(start.elapsed(), Duration::from_secs(115));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_comes_first_where_it_is_earlier() {
        let start = Instant::now();
        let mut timer = IdleTimer::new(IDLE, Some(start + Duration::from_secs(2)));
        assert_eq!(poll_fn(|cx| timer.poll_expired(cx)).await, Expired::Deadline);
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_timeout_does_not_overflow() {
        let mut timer = IdleTimer::new(Duration::MAX, None);
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(timeout(day, poll_fn(|cx| timer.poll_expired(cx))).await.is_err());
    }
}
