//! Clients, services and networks where nothing is left to chance.

use crate::run;
use breakerbox_lab::simulate::{Outcome, Verdict};

/// Good answers of the whole run, and their median latency in milliseconds.
fn good(outcome: &Outcome) -> (u64, f64) {
    let phase = &outcome.phases[0];
    (phase.good, (phase.good_latency[0] * 1e4).round() / 10.0)
}

#[test]
fn calls_at_equal_intervals() {
    // One each 10 ms, the first at 10 ms; the last one before the end at 9.99 s.
    let outcome = run("
        duration = '10s'
        client.web = { calls = 'api', rate = 100, arrivals = 'even' }
        service.api = { workers = 1, time = '7ms' }
    ");
    assert_eq!((outcome.calls, good(&outcome)), (999, (999, 7.0)));
}

#[test]
fn the_network_takes_its_time_in_both_directions() {
    let outcome = run("
        duration = '10s'
        client.web = { calls = 'api', rate = 100, arrivals = 'even', latency = '20ms' }
        service.api = { workers = 1, time = '7ms' }
    ");
    assert_eq!(good(&outcome), (999, 47.0));
}

#[test]
fn messages_are_lost_in_both_directions() {
    // 90 % of 90 % come back; the rest runs into the timeout.
    let outcome = run("
        duration = '100s'
        client.web = { calls = 'api', rate = 100, loss = 0.1, policy.attempt_timeout = '1s' }
        service.api = { workers = 10, time = '7ms' }
    ");
    let share = outcome.phases[0].success().unwrap();
    assert!((share - 0.81).abs() < 0.015, "{share}");
}

#[test]
fn a_service_waits_for_those_it_calls() {
    // 5 ms of its own, then two calls one after the other of 10 ms and one of 30 ms.
    let calls = "[{ service = 'user', times = 2 }, { service = 'post' }]";
    let text = |parallel: bool| {
        format!(
            "
            duration = '10s'
            client.web = {{ calls = 'api', rate = 10, arrivals = 'even' }}
            service.api = {{ workers = 9, time = '5ms', calls = {calls}, parallel = {parallel} }}
            service.user = {{ workers = 9, time = '10ms' }}
            service.post = {{ workers = 9, time = '30ms' }}
            "
        )
    };
    assert_eq!(good(&run(&text(false))), (99, 55.0));
    // All at once take as long as the longest.
    assert_eq!(good(&run(&text(true))), (99, 35.0));
}

#[test]
fn a_call_that_fails_fails_what_it_was_for() {
    let outcome = run("
        duration = '10s'
        client.web = { calls = 'api', rate = 10, arrivals = 'even' }
        service.api = { workers = 9, time = '5ms', calls = [{ service = 'user' }, { service = 'post' }] }
        service.user = { workers = 9, time = '10ms', errors = 1.0 }
        service.post = { workers = 9, time = '30ms' }
    ");
    let phase = &outcome.phases[0];
    // The second call is not made any more.
    let requests: Vec<_> =
        phase.services.iter().map(|it| (it.name.as_str(), it.requests)).collect();
    assert_eq!((phase.failed, requests), (99, vec![("api", 99), ("post", 0), ("user", 99)]));
}

#[test]
fn a_full_queue_turns_away_and_that_costs_work() {
    // 20 ms of work for each, one comes each 10 ms: every other one is turned away, and two wait.
    let text = |cost: &str| {
        format!(
            "
            duration = '10s'
            warmup = '1s'
            client.web = {{ calls = 'api', rate = 100, arrivals = 'even' }}
            service.api = {{ workers = 1, time = '20ms', queue = 2, rejection_cost = '{cost}' }}
            "
        )
    };
    let outcome = run(&text("0s"));
    assert_eq!((outcome.phases[0].good, outcome.phases[0].failed), (450, 450));
    assert_eq!(outcome.phases[0].services[0].turned_away, 450);
    // With 5 ms each a request takes s = 20 ms + 5 ms x (100 s - 1), which is 30 ms: 300 in 9 s.
    let outcome = run(&text("5ms"));
    assert!((290..310).contains(&outcome.phases[0].good), "{}", outcome.phases[0].good);
    // With 10 ms turning away alone takes all there is: hardly anything gets done.
    assert!(run(&text("10ms")).phases[0].good < 50);
}

#[test]
fn first_come_or_last_come() {
    // Twice as many come as can be served, and users wait 100 ms.
    let text = |order: &str| {
        format!(
            "
            duration = '20s'
            warmup = '5s'
            client.web = {{ calls = 'api', rate = 200, arrivals = 'even', give_up = '100ms' }}
            service.api = {{ workers = 1, time = '10ms', order = '{order}' }}
            "
        )
    };
    // Who comes first has waited too long when the turn comes; who comes last has not waited at all.
    assert_eq!(good(&run(&text("fifo"))), (0, 0.0));
    let (count, latency) = good(&run(&text("lifo")));
    assert!((1490..=1510).contains(&count) && latency <= 15.0, "{count} {latency}");
}

#[test]
fn work_that_nobody_waits_for_goes_on_unless_it_is_cancelled() {
    // 150 ms of work, and the caller waits 100 ms.
    let text = |cancels: bool| {
        format!(
            "
            duration = '10s'
            client.web = {{ calls = 'api', rate = 5, arrivals = 'even', policy.attempt_timeout = '100ms' }}
            service.api = {{ workers = 1, time = '150ms', cancels = {cancels} }}
            "
        )
    };
    let worked = |cancels| {
        let outcome = run(&text(cancels));
        let service = &outcome.phases[0].services[0];
        assert_eq!((outcome.phases[0].good, service.worked == service.wasted), (0, true));
        (service.worked * 1000.0).round()
    };
    // The last one's work would end at 9.95 s.
    assert_eq!((worked(false), worked(true)), (49.0 * 150.0, 49.0 * 100.0));
}

#[test]
fn a_deadline_that_goes_along_stops_what_would_be_too_late() {
    // Each needs 100 ms, one comes each 125 ms, callers have 300 ms; for 10 s nothing moves.
    let text = |deadlines: bool| {
        format!(
            "
            duration = '60s'
            client.web = {{ calls = 'api', rate = 8, arrivals = 'even', policy.deadline = '300ms' }}
            service.api = {{ workers = 1, time = '100ms', deadlines = {deadlines} }}
            fault = [{{ at = '10s', for = '10s', service = 'api', stall = true }}]
            "
        )
    };
    // 80 wait then; of each 125 ms 25 are left for them: 40 s.
    let Verdict::DoesNotRecover { .. } = run(&text(false)).verdict else { panic!("too soon") };
    // With their deadlines they are thrown away.
    assert_eq!(run(&text(true)).verdict, Verdict::Recovers { after: 0.0 });
}

#[test]
fn keys_have_their_shard_and_breakers_theirs() {
    // One of five shards is down. With a breaker for each shard that is all that is lost.
    let text = |policy: &str| {
        format!(
            "
            duration = '60s'
            warmup = '20s'
            client.web = {{ calls = 'api', rate = 200, keys = {{ count = 1000 }}, policy.breaker = {policy} }}
            service.api = {{ shards = 5, workers = 10, time = '5ms' }}
            fault = [{{ at = '1s', for = '59s', service = 'api', shard = 2, kill = true }}]
            "
        )
    };
    let one = run(&text("{ failure_rate = 0.1, window = '2s' }"));
    let each = run(&text("{ failure_rate = 0.1, window = '2s', key = 'header:key' }"));
    let share = |outcome: &Outcome| outcome.phase("during").unwrap().success().unwrap();
    assert!(share(&one) < 0.25, "{}", share(&one));
    assert!((share(&each) - 0.8).abs() < 0.02, "{}", share(&each));
}

#[test]
fn processes_have_policies_of_their_own() {
    // A limit of one each 100 ms. To one process calls come each 10 ms, to one of four each 40 ms: of
    // those every third is in time.
    let text = |processes: u32| {
        format!(
            "
            duration = '20s'
            warmup = '5s'
            client.web = {{ calls = 'api', rate = 100, arrivals = 'even', processes = {processes}, \
             policy.rate_limit = {{ rate = 10, burst = 1 }} }}
            service.api = {{ workers = 10, time = '5ms' }}
            "
        )
    };
    assert_eq!([1, 4].map(|processes| run(&text(processes)).phases[0].good), [150, 500]);
}

#[test]
fn the_service_s_own_policies_hold_for_all_callers() {
    let outcome = run("
        duration = '20s'
        warmup = '5s'
        client.web = { calls = 'api', rate = 100, arrivals = 'even', processes = 4 }
        service.api = { workers = 10, time = '5ms', policy.rate_limit = { rate = 50, burst = 1 } }
    ");
    let phase = &outcome.phases[0];
    assert_eq!((phase.good, phase.failed, phase.services[0].rejected), (750, 750, 750));
}

#[test]
fn important_calls_go_first() {
    // Half as many again as can be served; those that matter are a fifth of it.
    let outcome = run("
        duration = '60s'
        warmup = '20s'
        good_within = '1s'
        client.buy = { calls = 'api', rate = 30, priorities = [{ urgency = 0, share = 1.0 }] }
        client.look = { calls = 'api', rate = 120, priorities = [{ urgency = 6, share = 1.0 }] }
        [service.api]
        workers = 10
        time = { exponential = '100ms' }
        policy.bulkhead = { concurrent = 10, queue = 20, queue_timeout = '500ms' }
        policy.shed = {}
    ");
    let clients = &outcome.phases[0].clients;
    let share = |number: usize| clients[number].good as f64 / clients[number].offered as f64;
    assert_eq!([&clients[0].name, &clients[1].name], ["buy", "look"]);
    assert!(share(0) > 0.97 && share(1) < 0.65, "{} {}", share(0), share(1));
}

#[test]
fn a_call_that_nothing_ends_is_said_to_be_so() {
    let outcome = run("
        duration = '10s'
        client.web = { calls = 'api', rate = 10, arrivals = 'even' }
        service.api = { workers = 1, time = '5ms' }
        fault = [{ at = '5s', for = '1s', service = 'api', black_hole = true }]
    ");
    // Those from 5.0 s to 5.9 s.
    assert_eq!((outcome.calls, outcome.unfinished), (99, 10));
}
