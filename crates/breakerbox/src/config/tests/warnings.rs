//! What a policy is warned of, each with its exact words, and what comes close and is not.

use super::super::*;
use super::summary;

fn warned(text: &str) -> Vec<String> {
    summary(text, &policy())
}

#[test]
fn retries_and_hedges_without_a_budget() {
    assert_eq!(
        warned("retry = { attempts = 3, budget = false }"),
        [
            "1:34 warning: `budget` is false, so an upstream that fails gets up to 3 times its load; \
          leave `budget` out for the usual one, which allows one tenth more"
        ]
    );
    assert_eq!(
        warned("[retry]\nattempts = 2\nbudget = false\n[hedge]\ndelay = 'p95'\nmax = 2"),
        [
            "3:10 warning: `budget` is false, so an upstream that fails gets up to 4 times its load; \
          leave `budget` out for the usual one, which allows one tenth more"
        ]
    );
    assert_eq!(
        warned("hedge = { delay = '1s', budget = false }"),
        ["1:34 warning: `budget` is false, so an upstream that is slow gets up to 2 times its \
          load; leave `budget` out for the usual one, which allows one tenth more"]
    );
    for good in [
        "retry = {}",
        "retry = { budget = { ratio = 1 } }",
        "retry = { attempts = 1, budget = false }",
        "hedge = { delay = 'p95' }",
    ] {
        assert_eq!(warned(good), [""; 0], "{good}");
    }
}

#[test]
fn attempts_that_never_begin_where_those_before_them_hang() {
    assert_eq!(
        warned("deadline = '5s'\nattempt_timeout = '3s'\nretry = { attempts = 3 }"),
        [
            "2:19 warning: of the 3 attempts only 2 can begin before the `deadline` of 5s, where each \
          runs into `attempt_timeout`; make `attempt_timeout` shorter, or `deadline` longer: 3 x 3s \
          are 9s, without the pauses"
        ]
    );
    assert_eq!(
        warned("deadline = '5s'\nattempt_timeout = '5s'\nretry = { attempts = 2 }"),
        ["2:19 warning: of the 2 attempts only the first can begin before the `deadline` of 5s, \
          where each runs into `attempt_timeout`; make `attempt_timeout` shorter, or `deadline` \
          longer: 2 x 5s are 10s, without the pauses"]
    );
}

/// The second of two attempts begins after 1 s and a pause, if that is before the deadline.
#[test]
fn an_attempt_may_begin_until_just_before_the_deadline() {
    let deadline = |deadline: &str, backoff: &str| {
        let backoff = format!("backoff = {{ initial = '100ms', jitter = '{backoff}' }}");
        let retry = format!("retry = {{ attempts = 2, {backoff} }}");
        warned(&format!("attempt_timeout = '1s'\ndeadline = '{deadline}'\n{retry}")).len()
    };
    for (jitter, too_short, enough) in [
        ("full", "1s", "1.001s"),
        ("equal", "1050ms", "1051ms"),
        ("none", "1100ms", "1101ms"),
        ("decorrelated", "1100ms", "1101ms"),
    ] {
        assert_eq!((deadline(too_short, jitter), deadline(enough, jitter)), (1, 0), "{jitter}");
    }
}

#[test]
fn attempts_that_are_few_on_purpose_or_for_another_reason() {
    let with = |retry: &str| {
        warned(&format!("deadline = '5s'\nattempt_timeout = '3s'\nretry = {{ {retry} }}"))
    };
    for retry in [
        "attempts = 2",
        "attempts = 3, max_elapsed = '4s'",
        // No attempt follows one that has timed out.
        "attempts = 3, on = ['connect', 503]",
    ] {
        assert_eq!(with(retry), [""; 0], "{retry}");
    }
    assert_eq!(warned("deadline = '5s'\nretry = {}"), [""; 0], "nobody knows how long they take");
    let beyond = warned("deadline = '1s'\nattempt_timeout = '2s'\nretry = {}");
    assert!(beyond.len() == 1 && beyond[0].contains("can never run out"), "{beyond:?}");
}

#[test]
fn methods_that_may_do_more_when_done_twice() {
    assert_eq!(
        warned("retry = { methods = ['GET', 'post', 'PATCH'] }"),
        [
            "1:29 warning: POST is repeated, though it may have been done the first time; take it \
             out, unless the service sees to it that what comes twice is done once",
            "1:37 warning: PATCH is repeated, though it may have been done the first time; take \
             it out, unless the service sees to it that what comes twice is done once",
        ]
    );
    for good in [
        "retry = { methods = ['GET', 'PUT', 'DELETE', 'PURGE'] }",
        "retry = { methods = ['POST'], attempts = 1 }",
        // None of these has been worked on.
        "retry = { methods = ['POST'], on = ['connect', 'refused_stream', 429, \
         'resource_exhausted', 'bulkhead_full'] }",
    ] {
        assert_eq!(warned(good), [""; 0], "{good}");
    }
    for on in ["timeout", "reset", "failure", "5xx", "unavailable"] {
        let text = format!("retry = {{ methods = ['POST'], on = ['{on}'] }}");
        assert_eq!(warned(&text).len(), 1, "{on}");
    }
}

/// Two slots serve 200 calls of 1 ms in 100 ms.
#[test]
fn a_queue_longer_than_can_be_served() {
    let queue = |queue: &str| warned(&format!("bulkhead = {{ concurrent = 2, queue = {queue} }}"));
    assert_eq!(queue("200"), [""; 0]);
    assert_eq!(
        queue("400"),
        [
            "1:38 warning: `queue` is longer than can be served in time: the last of 400 has its turn \
          within 100ms only if no call takes longer than 500µs; make it shorter: 2 slots serve 200 \
          calls of 1ms within 100ms, and fewer that take longer"
        ]
    );
    assert_eq!(queue("400, queue_timeout = '200ms'"), [""; 0]);
    // Whatever its timeout, there nobody waits longer than 100 ms.
    assert_eq!(queue("400, queue_timeout = '1s', order = 'adaptive_lifo'").len(), 1);
}

/// 4,000 calls of 1 ms in a second need 4 slots.
#[test]
fn a_bulkhead_smaller_than_the_rate_needs() {
    let limit =
        |rest: &str| warned(&format!("rate_limit = {{ {rest} }}\nbulkhead = {{ concurrent = 4 }}"));
    assert_eq!(limit("rate = 4000"), [""; 0]);
    assert_eq!(
        limit("rate = 8000"),
        [
            "2:27 warning: `concurrent` is too small for the `rate_limit`: 4 slots serve 8000 calls a \
          second only if none takes longer than 500µs on average; make it at least `rate` x the \
          time of a call, which for 1ms is 8, or lower `rate`"
        ]
    );
    assert_eq!(limit("rate = 8000, per = '2s'"), [""; 0]);
    assert_eq!(limit("rate = 8000, key = 'client_ip'"), [""; 0], "all clients together: unknown");
    assert_eq!(limit("rate = 8000 }\ncache = { ttl = '1s'"), [""; 0], "most need no slot");
}
