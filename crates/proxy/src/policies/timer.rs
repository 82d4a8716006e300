//! What a flight polls: its one timer, and its requests under way.

use std::pin::Pin;
use std::task::{Context, Poll};

use breakerbox::clock::Clock as _;
use breakerbox::core::Timestamp;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::Sleep;

use super::Policies;
use super::flight::Sent;

/// The one timer of a call.
#[derive(Default)]
pub(super) struct Timer {
    due: Timestamp,
    sleep: Option<Pin<Box<Unconstrained<Sleep>>>>,
}

impl Timer {
    /// Ready at `due`, and then to be asked anew.
    pub(super) fn poll_until(
        mut self: Pin<&mut Self>,
        due: Timestamp,
        policies: &Policies,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.sleep.is_none() || self.due != due {
            self.due = due;
            self.sleep = Some(Box::pin(policies.sleep_until(due)));
        }
        let this = self.as_mut().get_mut();
        if let Some(sleep) = &mut this.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
            this.sleep = None;
        }
        Poll::Ready(())
    }
}

pub(super) fn poll_first<F: Future<Output = Sent>>(
    first: &mut Pin<&mut Option<F>>,
    number: u32,
    cx: &mut Context<'_>,
) -> Option<(u32, Sent)> {
    match first.as_mut().as_pin_mut()?.poll(cx) {
        Poll::Ready(sent) => {
            first.set(None);
            Some((number, sent))
        }
        Poll::Pending => None,
    }
}

pub(super) fn poll_others<F: Future<Output = Sent>>(
    others: &mut Vec<(u32, Pin<Box<F>>)>,
    cx: &mut Context<'_>,
) -> Option<(u32, Sent)> {
    for place in 0..others.len() {
        if let Poll::Ready(sent) = others[place].1.as_mut().poll(cx) {
            let (number, _) = others.swap_remove(place);
            return Some((number, sent));
        }
    }
    None
}

impl Policies {
    fn sleep_until(&self, due: Timestamp) -> Unconstrained<Sleep> {
        let tick = self.clock().tick();
        // A coarse clock lags behind by up to a tick: with one more it has arrived as well.
        // However much the task has to do, its time runs out.
        unconstrained(tokio::time::sleep(due.since(self.now()).saturating_add(tick)))
    }
}
