//! What a policy hardly means: warnings about one that is otherwise good.

use std::time::Duration;

use breakerbox_core::retry::Failure;

use super::node::Node;
use super::policy::Policy;
use super::reader::Reader;

/// Hardly any call over a network is faster. Where numbers fit together only for faster ones, they
/// were not meant.
pub(super) const FASTEST: Duration = Duration::from_millis(1);

/// Warns of what shows only where the tables of a policy are seen together.
pub(super) fn warn(policy: &Policy, node: Node<'_>, reader: &mut Reader) {
    warn_of_no_budget(policy, node, reader);
    warn_of_attempts_that_never_begin(policy, node, reader);
    warn_of_a_small_bulkhead(policy, node, reader);
}

/// Without a budget, retries and hedges multiply the load of an upstream just when it has too much.
fn warn_of_no_budget(policy: &Policy, node: Node<'_>, reader: &mut Reader) {
    let most = policy.most_attempts();
    if most == 1 || policy.budget().is_some() {
        return;
    }
    let (key, trouble) = match policy.retry {
        Some(_) => ("retry.budget", "fails"),
        None => ("hedge.budget", "is slow"),
    };
    reader.warning(
        node.find(key),
        format!(
            "`budget` is false, so an upstream that {trouble} gets up to {most} times its load"
        ),
        "leave `budget` out for the usual one, which allows one tenth more",
    );
}

/// What fails at once is repeated all the same, so this is no error.
fn warn_of_attempts_that_never_begin(policy: &Policy, node: Node<'_>, reader: &mut Reader) {
    let (Some(retry), Some(timeout), Some(deadline)) =
        (&policy.retry, policy.attempt_timeout, policy.deadline)
    else {
        return;
    };
    let (attempts, begin) = (retry.settings.attempts, policy.attempts_that_hang());
    // A timeout longer than the deadline has its own warning; with `max_elapsed` it is as it was meant.
    if begin == attempts
        || timeout > deadline
        || retry.settings.max_elapsed.is_some()
        || !retry.settings.on.repeats(Failure::Timeout, true)
    {
        return;
    }
    let all = timeout.saturating_mul(attempts);
    let only = if begin == 1 { "only the first" } else { &format!("only {begin}") };
    reader.warning(
        node.find("attempt_timeout"),
        format!(
            "of the {attempts} attempts {only} can begin before the `deadline` of {deadline:?}, where each \
             runs into `attempt_timeout`"
        ),
        format!(
            "make `attempt_timeout` shorter, or `deadline` longer: {attempts} x {timeout:?} are {all:?}, \
             without the pauses"
        ),
    );
}

/// How long calls take is not in the file, so only what would need calls that hardly exist is told.
fn warn_of_a_small_bulkhead(policy: &Policy, node: Node<'_>, reader: &mut Reader) {
    let (Some(bulkhead), Some(limit)) = (&policy.bulkhead, &policy.rate_limit) else { return };
    // A limit for each key says nothing of all together; an answer that is there already needs no slot.
    if limit.key.is_some() || policy.cache.is_some() || policy.coalesce.is_some() {
        return;
    }
    let per_second = limit.settings.rate / limit.settings.per.as_secs_f64();
    // Little: as many run at once as begin per second, times the seconds that each takes.
    let needed = per_second * FASTEST.as_secs_f64();
    let slots = f64::from(bulkhead.concurrent);
    if needed <= slots {
        return;
    }
    let longest = Duration::from_nanos((slots / per_second * 1e9) as u64);
    reader.warning(
        node.find("bulkhead.concurrent"),
        format!(
            "`concurrent` is too small for the `rate_limit`: {slots} slots serve {per_second:.0} calls a \
             second only if none takes longer than {longest:?} on average"
        ),
        format!(
            "make it at least `rate` x the time of a call, which for {FASTEST:?} is {:.0}, or lower `rate`",
            needed.ceil()
        ),
    );
}
