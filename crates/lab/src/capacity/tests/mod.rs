//! Numbers worked out by hand.

mod machine;
mod printed;

use std::time::Duration;

use breakerbox::config::Policy;

use super::*;

fn policy(text: &str) -> Policy {
    Policy::parse("policy.toml", text).unwrap().0
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The report on upstreams with these names, policies and endpoints.
fn of(upstreams: &[(&str, &str, usize)]) -> Report {
    let policies: Vec<_> = upstreams.iter().map(|(_, text, _)| policy(text)).collect();
    let upstreams: Vec<_> = upstreams
        .iter()
        .zip(&policies)
        .map(|((name, _, endpoints), policy)| Upstream { name, policy, endpoints: *endpoints })
        .collect();
    report(&upstreams)
}

#[test]
fn attempts_are_those_of_retries_and_hedges() {
    for (text, attempts, hedges) in [
        ("", 1, 0),
        ("breaker = {}", 1, 0),
        ("retry = {}", 3, 0),
        ("retry = { attempts = 1 }", 1, 0),
        ("hedge = { delay = 'p95', max = 2 }", 1, 2),
        ("retry = { attempts = 5 }\nhedge = { delay = '1s' }", 5, 1),
    ] {
        let load = Load::of(&policy(text));
        assert_eq!((load.attempts, load.hedges), (attempts, hedges), "{text}");
        assert_eq!(load.most(), attempts + hedges);
    }
}

#[test]
fn a_budget_holds_what_is_sustained() {
    let load = |text: &str| Load::of(&policy(text));
    // Nothing is repeated, so there is nothing to hold.
    assert_eq!((load("").sustained, load("").stable(), load("").budget), (1.0, 1.0, false));
    // Three attempts, of which the budget pays one in ten.
    let usual = load("retry = {}");
    assert_eq!((usual.sustained, usual.burst, usual.per_second), (1.1, 100, 0.0));
    assert_eq!(usual.stable(), 1.0 / 1.1);
    assert_eq!(usual.stable_without_budget(), 1.0 / 3.0);
    // Half of the calls may be hedged, and time adds two a second.
    let hedged =
        load("hedge = { delay = '1s', budget = { ratio = 0.5, cap = 7.5, min_per_second = 2 } }");
    assert_eq!((hedged.sustained, hedged.burst, hedged.per_second), (1.5, 7, 2.0));
    // A call cannot use more than it asks for, however much there is.
    let rich = load("retry = { attempts = 3, budget = { ratio = 9 } }");
    assert_eq!(rich.sustained, 3.0);
    // What there is at the start is all there ever will be.
    let once = load("retry = { budget = { ratio = 0, start = 4 } }");
    assert_eq!((once.sustained, once.burst), (1.0, 4));
    let none = load("retry = { attempts = 4, budget = false }");
    assert_eq!((none.sustained, none.stable(), none.burst), (4.0, 0.25, 0));
}

/// Of two endpoints, one alone can serve half: 1 / 1.1 of that is 45 %.
#[test]
fn the_others_have_the_part_of_an_endpoint_that_is_down() {
    let load = Load::of(&policy("retry = {}"));
    assert_eq!(load.stable_with_one_down(1), None);
    assert_eq!(load.stable_with_one_down(2), Some(1.0 / 1.1 / 2.0));
    assert_eq!(load.stable_with_one_down(4), Some(1.0 / 1.1 * 3.0 / 4.0));
}

#[test]
fn a_caller_waits_for_its_turn_and_for_every_attempt_with_its_slot_and_pause() {
    let headers = |text: &str| Wait::of(&policy(text)).until_headers();
    assert_eq!(headers(""), None, "for ever");
    assert_eq!(headers("deadline = '5s'"), Some(millis(5000)));
    assert_eq!(headers("attempt_timeout = '2s'"), Some(millis(2000)));
    // 3 x 1 s, and twice the longest pause, which `Retry-After` may ask for.
    assert_eq!(headers("attempt_timeout = '1s'\nretry = {}"), Some(millis(7000)));
    // 500 ms for a turn, 2 x (100 ms in the queue + 1 s), a pause of 200 ms, and 1 s for the hedge.
    let all = "attempt_timeout = '1s'\nrate_limit = { rate = 1, wait = '500ms' }\n\
               bulkhead = { concurrent = 1, queue = 1 }\nhedge = { delay = '10s' }\n\
               retry = { attempts = 2, backoff = { max = '200ms' } }\n";
    assert_eq!(headers(all), Some(millis(3900)));
    assert_eq!(headers(&format!("{all}deadline = '1s'")), Some(millis(1000)));
    // The last one begins to wait for its slot at 300 ms; its turn had come later than that.
    let elapsed = all.replace("attempts = 2", "attempts = 9, max_elapsed = '300ms'");
    assert_eq!(headers(&elapsed), Some(millis(500 + 100 + 2000)));
    let elapsed = all.replace("attempts = 2", "attempts = 9, max_elapsed = '2s'");
    assert_eq!(headers(&elapsed), Some(millis(2000 + 100 + 2000)));
}

/// Three attempts of a second each are three seconds, unless the deadline or `on` is against it.
#[test]
fn attempts_that_hang_run_at_once_for_as_long_as_they_can() {
    let seconds = |text: &str| of(&[("a", text, 1)]).upstreams[0].seconds_that_hang();
    let retry = "retry = { attempts = 3, budget = false }\n";
    assert_eq!(seconds(retry), None);
    assert_eq!(seconds(&format!("{retry}attempt_timeout = '1s'")), Some(3.0));
    // One runs, to the deadline.
    assert_eq!(seconds(&format!("{retry}deadline = '1s'")), Some(1.0));
    assert_eq!(seconds(&format!("{retry}deadline = '1s'\nattempt_timeout = '4s'")), Some(1.0));
    // The third begins before the deadline, and ends with it.
    let four = retry.replace('3', "4");
    assert_eq!(seconds(&format!("{four}deadline = '2s'\nattempt_timeout = '800ms'")), Some(2.0));
    // Only a 503 is repeated, and there is none.
    let only = "retry = { attempts = 3, budget = false, on = ['503'] }\nattempt_timeout = '1s'";
    assert_eq!(seconds(only), Some(1.0));
    // Nothing of the budget is needed then.
    assert_eq!(seconds("retry = { on = ['503'] }\nattempt_timeout = '1s'"), Some(1.0));
    assert_eq!(seconds("retry = {}\nattempt_timeout = '1s'\ndeadline = '9s'"), Some(1.1));
    // Hedges run beside: two at once to the deadline; and one of a second each beside three.
    let hedge = "hedge = { delay = '10ms', budget = false }\n";
    assert_eq!(seconds(&format!("{hedge}deadline = '2s'")), Some(4.0));
    let both = format!("{retry}hedge = {{ delay = '10ms' }}\nattempt_timeout = '1s'\n");
    assert_eq!(seconds(&both), Some(4.0));
    assert_eq!(seconds(&format!("{both}deadline = '1500ms'")), Some(3.0));
}

#[test]
fn slots_and_queues_are_enough_up_to_some_latency() {
    let concurrency = |text: &str| Concurrency::of(&policy(text));
    let limit = |text: &str| concurrency(text).limit;
    assert_eq!(limit(""), None);
    assert_eq!(limit("bulkhead = { concurrent = 8 }"), Some(8));
    assert_eq!(limit("adaptive_limit = { max = 50 }"), Some(50));
    assert_eq!(limit("bulkhead = { concurrent = 8 }\nadaptive_limit = { max = 50 }"), Some(8));
    // Ten at once, 2 s each, are 5 a second; the deadline ends them after 1 s.
    let ten = "bulkhead = { concurrent = 10, queue = 40 }\nattempt_timeout = '2s'\n";
    assert_eq!(concurrency(ten).filled_by, Some(5.0));
    assert_eq!(concurrency(&format!("{ten}deadline = '1s'")).filled_by, Some(10.0));
    // Four rounds of ten fit into 100 ms if each takes 25 ms.
    assert_eq!(concurrency(ten).queue_is_served, Some(millis(25)));
    assert_eq!(concurrency("bulkhead = { concurrent = 10 }").queue_is_served, None);
}

#[test]
fn a_rate_limit_lets_in_so_many_calls_and_more_attempts() {
    let rate = |text: &str| Concurrency::of(&policy(text)).rate;
    // 50 calls a second, each of which adds a tenth: 55 attempts, and 11 slots are enough for 200 ms.
    let limited =
        "rate_limit = { rate = 100, per = '2s' }\nretry = {}\nbulkhead = { concurrent = 11 }\n";
    let expected = RateLimited {
        calls: 50.0,
        sustained: 50.0 * 1.1,
        most: 150.0,
        slots_are_enough: Some(Duration::from_secs_f64(11.0 / (50.0 * 1.1))),
    };
    assert_eq!(rate(limited), Some(expected));
    let more = limited.replace("retry = {}", "retry = { budget = { min_per_second = 5 } }");
    assert_eq!(rate(&more).unwrap().sustained, 50.0 * 1.1 + 5.0);
    let few =
        rate("rate_limit = { rate = 1 }\nretry = { budget = { min_per_second = 5 } }").unwrap();
    assert_eq!((few.sustained, few.most, few.slots_are_enough), (3.0, 3.0, None));
    assert_eq!(rate("rate_limit = { rate = 1, key = 'client_ip' }"), None, "how many clients?");
}

#[test]
fn calls_go_on_from_one_upstream_to_the_next() {
    let to = |name: &str| format!("fallback = {{ upstream = '{name}' }}\nretry = {{}}");
    let (b, c) = (to("b"), to("c"));
    let report = of(&[("a", &b, 1), ("b", &c, 1), ("c", "", 1), ("d", &c, 1), ("e", "", 1)]);
    let from: Vec<_> = report.upstreams.iter().map(|it| it.comes_from.join(" ")).collect();
    assert_eq!(from, ["", "a", "a b d", "", ""]);
    let most: Vec<_> = report.upstreams.iter().map(UpstreamReport::most_with_all).collect();
    assert_eq!(most, [3 + 3 + 1, 3 + 1, 1, 3 + 1, 1]);
    assert_eq!(report.upstreams[0].goes_on_to, [("b".to_owned(), 3), ("c".to_owned(), 1)]);
}

/// The file's check refuses it; whoever gives policies of its own has no check.
#[test]
fn a_circle_and_an_unknown_upstream_come_to_an_end() {
    let to = |name: &str| format!("fallback = {{ upstream = '{name}' }}");
    let (a, b, c) = (to("a"), to("b"), to("c"));
    let report = of(&[("a", &b, 1), ("b", &c, 1), ("c", &b, 1), ("d", &a, 1), ("e", &to("x"), 1)]);
    let on: Vec<_> = report
        .upstreams
        .iter()
        .map(|it| it.goes_on_to.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(on, ["b c", "c", "b", "a b c", ""]);
    let itself = of(&[("a", &a, 1)]);
    assert!(itself.upstreams[0].goes_on_to.is_empty() && itself.upstreams[0].comes_from.is_empty());
}

#[test]
fn a_caller_may_wait_for_all_of_them() {
    let first = "deadline = '5s'\nfallback = { upstream = 'b' }";
    let wait = |second: &str| of(&[("a", first, 1), ("b", second, 1)]).upstreams[0].wait_with_all;
    assert_eq!(wait("attempt_timeout = '1s'\ndeadline = '30s'"), Some(millis(6000)));
    assert_eq!(wait(""), None);
}
