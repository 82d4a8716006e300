//! The report as it is read.

use std::time::Duration;

use super::super::words;
use super::{millis, of};

#[test]
fn what_is_printed() {
    let posts = "deadline = '5s'\nattempt_timeout = '1s'\nretry = {}\nhedge = { delay = 'p95' }\n\
                 bulkhead = { concurrent = 64, queue = 128 }\nfallback = { upstream = 'archive' }";
    let archive = "attempt_timeout = '2s'\nretry = { attempts = 2, budget = { min_per_second = 5 } }\n\
                   rate_limit = { rate = 40 }\nbulkhead = { concurrent = 4 }";
    assert_eq!(
        of(&[("posts", posts, 2), ("archive", archive, 1)]).to_string(),
        "\
capacity
  posts    at most 4 attempts per call (3 by retry, 1 by hedge), 1.10 sustained by the budget: \
         stable up to 91 % of what it can serve
           a full budget allows 100 more at once, no budget would leave 25 %
           with one of its 2 endpoints down: stable up to 45 %
           without an answer a call goes on to archive (2): at most 6 attempts in all
           a caller waits at most 5s (deadline); with archive 11s for an answer to begin
           at most 64 attempts at once: 64 a second that hang fill that
           128 more may wait 100ms: the last has its turn in time if attempts take no more than 50ms
  archive  at most 2 attempts per call (2 by retry), 1.10 sustained by the budget and 5 a second \
         more: stable up to 91 % of what it can serve without those
           a full budget allows 100 more at once, no budget would leave 50 %; calls that are \
         answered or rejected here fill it too
           calls to posts may come here on top of its own: at most 2 attempts for each
           a caller waits at most 6s for an answer to begin (2 attempts of 2s and 1 pause of 2s), \
         and no deadline ends it
           at most 4 attempts at once: 2 a second that hang fill that
           the rate limit lets in 40 calls a second: at most 49 attempts sustained, 80 where more \
         calls come; its slots are enough while they take 81.6ms on average"
    );
}

#[test]
fn what_is_printed_of_the_rest() {
    let lines = |text: &str| of(&[("a", text, 1)]).to_string();
    assert_eq!(
        lines(""),
        "\
capacity
  a  1 attempt per call: stable up to 100 % of what it can serve
     a caller may wait for ever: there is neither `deadline` nor `attempt_timeout`
     nothing limits how many attempts run at once"
    );
    assert_eq!(
        lines(
            "attempt_timeout = '10s'\ndeadline = '4s'\nretry = { budget = false }\ncoalesce = true"
        ),
        "\
capacity
  a  at most 3 attempts per call (3 by retry), and no budget: stable up to 33 % of what it can serve
     a caller waits at most 4s (deadline)
     while it does not answer at all, 1 of the 3 attempts by retry can begin
     nothing limits how many attempts run at once: of 100 calls a second that hang, 400"
    );
    let said = lines("attempt_timeout = '1s'\ncoalesce = true\nretry = { max_elapsed = '500ms' }");
    let wait = "a caller waits at most 1.5s for an answer to begin (the last attempt begins within \
                max_elapsed), and no deadline ends it; first perhaps for equal calls";
    assert!(said.contains(wait), "{said}");
    let said =
        lines("attempt_timeout = '1s'\ndeadline = '9s'\nbulkhead = { concurrent = 1, queue = 1 }");
    let wait = "a caller waits at most 1.1s for an answer to begin (1 attempt of 1s and 1 wait of \
                100ms in the queue), 9s for its end (deadline)";
    assert!(said.contains(wait), "{said}");
}

#[test]
fn numbers_are_short_and_never_too_large() {
    let shown: Vec<_> =
        [21.333, 64.0, 330.000_000_01, 1234.9, 0.0416, 1.999].map(words::number).into();
    assert_eq!(shown, ["21.3", "64", "330", "1234", "0.041", "1.99"]);
    let about = |nanos| words::about(Duration::from_nanos(nanos));
    assert_eq!(about(581_818_181), millis(581));
    assert_eq!(about(12), Duration::from_nanos(12));
    assert_eq!(about(0), Duration::ZERO);
    assert_eq!(words::list(&["a", "b", "c"]), "a, b and c");
    assert_eq!(words::list(&["a"]), "a");
}
