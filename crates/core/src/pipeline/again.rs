//! What comes after a failure: a hedge at once, another attempt later, or nothing.

use super::action::{Action, End, Ending, Hint, Rejection};
use super::call::{Call, Phase};
use super::gates::accepted;
use super::{Notice, Pipeline};
use crate::breaker::Rejected;
use crate::{Timestamp, retry};
use std::time::Duration;

/// What becomes of the wish for another attempt.
enum Scheduled {
    Yes,
    No,
    /// No breaker would admit it.
    Rejected(Rejected),
}

impl Call {
    /// An attempt has failed, or ended without an outcome. What comes next; `None`: the caller gets
    /// it as it is.
    #[expect(clippy::too_many_arguments, reason = "all of it is known at the one place that asks")]
    #[inline(never)]
    pub(super) fn after_failure(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        endpoint: u32,
        end: End,
        hint: Hint,
        failed: bool,
        notice: Notice<'_>,
    ) -> Option<Action> {
        let may = self.repeatable || hint.never_sent;
        let worth = hint.again.unwrap_or_else(|| pipeline.on().repeats(hint.failure, failed));
        let again = may && worth;
        if !again && !failed {
            // Neither good nor bad, and final.
            return None;
        }
        let more = self.more();
        more.tried.add(endpoint);
        more.last = Some((end, failed));
        let ending = if failed { Ending::Failure } else { Ending::Ignored };
        more.accepted = accepted(ending, hint.failure);
        // The upstream's wish to be left alone for a while is not answered with a hedge.
        if again
            && hint.retry_after.is_none()
            && let Some(action) = self.hedge(pipeline, now, notice)
        {
            return Some(action);
        }
        if self.any_runs() {
            self.find_next();
            return Some(Action::Wait);
        }
        if !again {
            return None;
        }
        match self.schedule(pipeline, now, hint) {
            Scheduled::Yes => {
                self.phase = Phase::Waiting;
                Some(Action::Wait)
            }
            Scheduled::No => None,
            Scheduled::Rejected(rejected) => {
                Some(self.breaker_rejects(pipeline, now, rejected, notice))
            }
        }
    }

    /// Schedules another attempt, if everything allows one.
    fn schedule(&mut self, pipeline: &Pipeline, now: Timestamp, hint: Hint) -> Scheduled {
        let Some(retry) = &pipeline.retry else { return Scheduled::No };
        let (retries, before) =
            self.more.as_ref().map_or((0, Duration::ZERO), |more| (more.retries, more.delay));
        if retries + 1 >= retry.attempts {
            return Scheduled::No;
        }
        let delay = pipeline.delay(retry, retries, before);
        let delay = hint.retry_after.map_or(delay, |wanted| {
            // The upstream's wish, but no sooner than ours and no later than we would ever wait.
            wanted.clamp(delay, retry.backoff.max)
        });
        let next = now + delay;
        if next >= self.deadline || self.is_too_late(retry, next) {
            return Scheduled::No;
        }
        // An open breaker ends the retries at once, not after a delay for nothing; one that is waited
        // for is waited for as a repetition, which counts and is paid for.
        let open = self.endpoints(pipeline).open_at(next, now);
        if let Some(rejected) = open
            && !retry.on.waits_for_breaker()
        {
            return Scheduled::Rejected(rejected);
        }
        if pipeline.budget.as_ref().is_some_and(|budget| !budget.withdraw(now)) {
            pipeline.counts.refused_by_budget();
            return Scheduled::No;
        }
        self.charged = true;
        self.next = next;
        self.hedge_at = Timestamp::NEVER;
        let more = self.more();
        (more.retries, more.delay) = (retries + 1, delay);
        open.map_or(Scheduled::Yes, Scheduled::Rejected)
    }

    /// Whether no attempt may begin then any more.
    fn is_too_late(&self, retry: &retry::Settings, at: Timestamp) -> bool {
        retry.max_elapsed.is_some_and(|max| at.since(self.begun) > max)
    }

    /// A policy of ours has rejected it. That ends the call, unless it is to be tried again.
    #[cold]
    pub(super) fn turned_away(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        rejection: Rejection,
        notice: Notice<'_>,
    ) -> Action {
        self.refund(pipeline);
        let named = rejection.failure().filter(|kind| pipeline.on().repeats(*kind, false));
        if let Some(failure) = named {
            let retry_after = rejection.retry_after();
            let hint = Hint { failure, retry_after, never_sent: true, again: None };
            let never = matches!(rejection, Rejection::RateLimited { retry_after: None });
            if !never && matches!(self.schedule(pipeline, now, hint), Scheduled::Yes) {
                self.phase = match rejection {
                    Rejection::RateLimited { .. } => Phase::WaitingForRate,
                    _ => Phase::Waiting,
                };
                return Action::Wait;
            }
        }
        self.give_up(pipeline, now, notice);
        Action::Done { end: End::Rejected(rejection), fallback: pipeline.fallback }
    }

    /// No breaker admits it. That ends the call, unless it is to wait for one.
    #[cold]
    pub(super) fn breaker_rejects(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        rejected: Rejected,
        notice: Notice<'_>,
    ) -> Action {
        if let Some(retry) = &pipeline.retry
            && retry.on.waits_for_breaker()
            && let Some(wait) = rejected.retry_after
        {
            // Where all probes are under way that is the end of their lease. They may come back
            // sooner, but nobody is woken then.
            let until = now + wait.max(Duration::from_millis(1));
            let fits = self.deadline != Timestamp::NEVER && until < self.deadline;
            if fits && !self.is_too_late(retry, until) {
                // A repetition that has been paid for waits as such.
                self.phase = Phase::WaitingForBreaker;
                self.next = until;
                return Action::Wait;
            }
        }
        self.give_up(pipeline, now, notice);
        let Rejected { state, retry_after } = rejected;
        let end = End::Rejected(Rejection::BreakerOpen { state, retry_after });
        Action::Done { end, fallback: pipeline.fallback }
    }
}
