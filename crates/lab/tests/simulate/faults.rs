//! What goes wrong, and how it shows.

use crate::{run, scenario};
use breakerbox_lab::simulate::{Outcome, Search, Verdict, report, simulate};

/// 100 calls per second at equal intervals to a service that takes 5 ms of each; trouble from 10 to 20 s.
fn trouble(fault: &str) -> Outcome {
    run(&format!(
        "
        duration = '40s'
        good_within = '1s'
        client.web = {{ calls = 'api', rate = 100, arrivals = 'even', policy.attempt_timeout = '2s' }}
        service.api = {{ workers = 1, time = '5ms', endpoints = 2 }}
        fault = [{{ at = '10s', for = '10s', service = 'api', {fault} }}]
        "
    ))
}

fn success(outcome: &Outcome, phase: &str) -> f64 {
    outcome.phase(phase).expect("the phase is there").success().expect("calls came")
}

#[test]
fn before_all_is_well() {
    let outcome = trouble("kill = true");
    assert_eq!((success(&outcome, "before"), outcome.phase("before").unwrap().offered), (1.0, 999));
}

#[test]
fn an_endpoint_that_is_gone_refuses_at_once() {
    let outcome = trouble("kill = true");
    let during = outcome.phase("during").unwrap();
    assert_eq!((during.good, during.failed, during.latency[1]), (0, 1000, 0.0));
    assert_eq!(outcome.verdict, Verdict::Recovers { after: 0.0 });
    // Of two endpoints one is left.
    let outcome = trouble("endpoint = 0, kill = true");
    assert_eq!(success(&outcome, "during"), 0.5);
}

#[test]
fn errors_cost_nothing() {
    let outcome = trouble("errors = 1.0, status = 500");
    let during = outcome.phase("during").unwrap();
    assert_eq!((during.failed, during.services[0].worked), (1000, 0.0));
    assert!((success(&trouble("errors = 0.3"), "during") - 0.7).abs() < 0.04);
}

#[test]
fn what_disappears_runs_into_the_timeout() {
    let outcome = trouble("black_hole = true");
    let during = outcome.phase("during").unwrap();
    assert_eq!((during.good, during.failed), (0, 1000));
    assert!((during.latency[0] - 2.0).abs() < 0.01);
}

#[test]
fn what_stands_still_goes_on_where_it_was() {
    let outcome = trouble("stall = true");
    let during = outcome.phase("during").unwrap();
    // Those of the last second are answered within one: 500 wait at each endpoint, served at 200 per second.
    assert!(during.good < 100, "{}", during.good);
    assert!(
        matches!(outcome.verdict, Verdict::Recovers { after } if after < 12.0),
        "{}",
        outcome.verdict
    );
}

/// 100 calls per second for a minute, all of which fail from `at` on.
fn all_fail(at: &str, lasts: &str) -> Outcome {
    run(&format!(
        "
        duration = '60s'
        client.web = {{ calls = 'api', rate = 100, arrivals = 'even', policy.attempt_timeout = '1s' }}
        service.api = {{ workers = 4, time = '10ms' }}
        fault = [{{ at = '{at}', for = '{lasts}', service = 'api', errors = 1.0 }}]
        "
    ))
}

#[test]
fn the_last_seconds_are_too_few_to_say() {
    for (at, lasts, watched) in [
        ("57s", "10s", 0.0),
        ("56s", "2s", 2.0),
        ("58s", "1s", 1.0),
        // It lasts to the end, or leaves less than five seconds.
        ("30s", "30s", 0.0),
        ("50s", "90s", 0.0),
        ("30s", "25500ms", 4.0),
    ] {
        let outcome = all_fail(at, lasts);
        assert_eq!(outcome.verdict, Verdict::NotWatched { watched }, "{at} {lasts}");
        assert!(!outcome.verdict.is_good());
        // Timers that run out at the very end do not take the last second away.
        assert_eq!(outcome.seconds.len(), 60);
    }
    let said = all_fail("58s", "1s").verdict.to_string();
    assert_eq!(
        said,
        "not watched long enough: 1 s after the trouble, and it takes 5 s to say; make `duration` longer"
    );
    assert_eq!(all_fail("30s", "25s").verdict, Verdict::Recovers { after: 0.0 });
    let all = [all_fail("58s", "1s"), all_fail("58s", "1s")];
    let said = report::intervals(&all);
    assert!(said.contains("2 seeds; in 2 it was not watched long enough"), "{said}");
}

#[test]
fn what_goes_wrong_in_the_warm_up_only_is_judged_after_it() {
    let text = |retry: &str| {
        format!(
            "
            duration = '60s'
            warmup = '20s'
            good_within = '1s'
            client.web = {{ calls = 'api', rate = 80, policy = {{ attempt_timeout = '1s'{retry} }} }}
            service.api = {{ workers = 1, time = {{ exponential = '10ms' }} }}
            fault = [{{ at = '1s', for = '4s', service = 'api', stall = true }}]
            "
        )
    };
    let storm = run(&text(", retry = { attempts = 4, budget = false }"));
    assert_eq!(storm.verdict, Verdict::DoesNotRecover { watched: 40.0 });
    let names: Vec<_> = storm.phases.iter().map(|it| (it.name, it.from, it.to)).collect();
    assert_eq!(names, [("after", 20.0, 60.0)]);
}

#[test]
fn times_of_a_verdict_are_whole_seconds() {
    // 20.3 + 2.1 is 22.400000000000002, 20.1 + 2.9 is 23.000000000000004 in binary.
    for (at, lasts) in [("20300ms", "2100ms"), ("20100ms", "2900ms"), ("20s", "2500ms")] {
        assert_eq!(all_fail(at, lasts).verdict, Verdict::Recovers { after: 0.0 }, "{at} {lasts}");
    }
}

#[test]
fn slowness_and_lost_capacity() {
    // Twice as slow is fast enough; three times as long by a share of the capacity likewise.
    assert_eq!(trouble("slow = 2.0").verdict, Verdict::Unaffected);
    assert_eq!(trouble("capacity = 0.5").verdict, Verdict::Unaffected);
    assert!(success(&trouble("slow = 8.0"), "during") < 0.4);
    assert!(success(&trouble("capacity = 0.125"), "during") < 0.4);
    let outcome = trouble("slow_by = '10ms'");
    assert!((outcome.phase("during").unwrap().latency[0] - 0.015).abs() < 0.001);
}

#[test]
fn a_ramp_comes_and_goes() {
    let outcome = trouble("latency = '400ms', ramp = '5s'");
    let during = outcome.phase("during").unwrap();
    // Both directions: 800 ms in the middle, half of that on average.
    assert!((during.latency[0] - 0.405).abs() < 0.02, "{:?}", during.latency);
    // It is all there for a moment only.
    assert!((0.75..0.81).contains(&during.latency[2]), "{:?}", during.latency);
}

#[test]
fn a_partition_of_one_client() {
    let outcome = run("
        duration = '40s'
        client.one = { calls = 'api', rate = 100, arrivals = 'even', policy.attempt_timeout = '1s' }
        client.two = { calls = 'api', rate = 100, arrivals = 'even', policy.attempt_timeout = '1s' }
        service.api = { workers = 2, time = '5ms' }
        fault = [{ at = '10s', for = '10s', service = 'api', from = 'one', partition = true }]
    ");
    assert_eq!(success(&outcome, "during"), 0.5);
}

#[test]
fn a_cache_that_is_lost_is_missed() {
    // With the cache one call in many comes to the database; without it all do, and it is too slow.
    let lost = scenario("
        duration = '60s'
        warmup = '20s'
        client.web = { calls = 'api', rate = 200, keys = { count = 200, zipf = 1.0 }, policy.attempt_timeout = '1s' }
        service.api = { workers = 500, time = '1ms', cache = { entries = 200, ttl = '1h', hit = '1ms' }, \
         calls = [{ service = 'database', policy.attempt_timeout = '500ms' }] }
        service.database = { workers = 2, time = '50ms', queue = 10 }
        fault = [{ at = '30s', service = 'api', flush_cache = true }]
    ");
    let outcome = simulate(&lost, 0, &mut |_| {}).expect("good policies");
    let requests = |phase: &str| {
        let phase = outcome.phase(phase).unwrap();
        phase.services.iter().find(|it| it.name == "database").unwrap().requests
    };
    assert!(requests("before") < 20 && requests("after") >= 200, "{outcome:?}");
    // It is lost at once, so there is nothing during it.
    let names: Vec<_> = outcome.phases.iter().map(|it| (it.name, it.from, it.to)).collect();
    assert_eq!(names, [("before", 20.0, 30.0), ("after", 30.0, 60.0)]);
    assert!(report::table(&outcome).contains("20 to 30 s  30 to 60 s\n"));
    let found = [Search::FaultLength, Search::FaultSize].map(|it| it.refusal(&lost).is_some());
    assert_eq!(found, [true, true]);
    assert_eq!(Search::Load.refusal(&lost), None);
}

#[test]
fn a_short_time_has_its_figures_and_what_has_none_has_a_dash() {
    let outcome = all_fail("20s", "500ms");
    let table = report::table(&outcome);
    assert!(table.contains("20 to 20.5 s  20.5 to 60 s"), "{table}");
    // Errors come at once: that takes no time, which is not the same as no value.
    let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
    let cells = |name| row(name).trim_start_matches(name).split("  ").map(str::trim);
    let cells = |name| cells(name).filter(|it| !it.is_empty()).collect::<Vec<_>>();
    assert_eq!(cells("latency p50"), ["10 ms", "0 ms", "10 ms"]);
    assert_eq!(cells("of good answers p50"), ["10 ms", "-", "10 ms"]);
    let during = &report::json(&outcome)["phases"][1];
    assert_eq!(during["latency"]["p50"], 0.0);
    assert_eq!(during["good_latency"]["p50"], serde_json::Value::Null);
    // In a millisecond no call comes: no column has a figure that stands on nothing.
    let outcomes = [all_fail("20001ms", "1ms"), all_fail("20001ms", "1ms")];
    let table = report::intervals(&outcomes);
    let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
    for name in ["good answers  ", "attempts per call", "latency p50", "work for nothing"] {
        assert_eq!(row(name).split_whitespace().filter(|it| *it == "-").count(), 1, "{table}");
    }
}

#[test]
fn who_gives_up_after_10_s_waits_10_s() {
    let outcome = run("
        duration = '60s'
        client.web = { calls = 'api', rate = 10, arrivals = 'even', give_up = '10s' }
        service.api = { workers = 4, time = '10ms' }
        fault = [{ at = '20s', for = '10s', service = 'api', black_hole = true }]
    ");
    let table = report::table(&outcome);
    let row = table.lines().find(|line| line.starts_with("latency p50")).unwrap();
    assert!(row.contains("  10.00 s  "), "{table}");
}

#[test]
fn a_spike_is_trouble_too() {
    let outcome = run("
        duration = '60s'
        good_within = '500ms'
        client.web = { calls = 'api', rate = [{ rate = 50 }, { at = '10s', rate = 300, for = '5s' }], policy.attempt_timeout = '1s' }
        service.api = { workers = 1, time = '10ms' }
    ");
    let during = outcome.phase("during").unwrap();
    assert_eq!((during.from, during.to), (10.0, 15.0));
    assert!(during.success().unwrap() < 0.5);
    // 1,000 too many are worked off at 50 per second: 20 s.
    assert!(
        matches!(outcome.verdict, Verdict::Recovers { after } if (18.0..24.0).contains(&after)),
        "{}",
        outcome.verdict
    );
}

#[test]
fn a_storm_of_retries_keeps_itself_alive_and_a_budget_ends_it() {
    let text = |budget: &str| {
        format!(
            "
            duration = '120s'
            good_within = '1s'
            client.web = {{ calls = 'api', rate = 80, policy.attempt_timeout = '1s', \
             policy.retry = {{ attempts = 4, backoff = {{ initial = '10ms', max = '100ms' }}, {budget} }} }}
            service.api = {{ workers = 1, time = {{ exponential = '10ms' }} }}
            fault = [{{ at = '20s', for = '10s', service = 'api', stall = true }}]
            "
        )
    };
    let storm = run(&text("budget = false"));
    assert!(!storm.verdict.is_good(), "{}", storm.verdict);
    assert!(storm.phase("after").unwrap().attempts().unwrap() > 3.5);
    let calm = run(&text("budget = { ratio = 0.1, start = 10 }"));
    assert!(calm.verdict.is_good(), "{}", calm.verdict);
}

/// Users without a timeout, some of whom meet a black hole.
fn users_meet_a_black_hole(give_up: &str, share: &str) -> Outcome {
    run(&format!(
        "
        duration = '60s'
        client.people = {{ users = 20, think = '100ms', calls = 'api' {give_up} }}
        service.api = {{ workers = 40, time = '10ms', endpoints = 4 }}
        fault = [{{ at = '20s', for = '10s', service = 'api', black_hole = true {share} }}]
        "
    ))
}

#[test]
fn users_who_wait_for_ever_have_not_recovered() {
    for share in ["", ", endpoint = 0"] {
        let outcome = users_meet_a_black_hole("", share);
        assert!(outcome.unfinished > 0);
        assert_eq!(outcome.verdict, Verdict::DoesNotRecover { watched: 30.0 }, "{share}");
        let outcome = users_meet_a_black_hole(", give_up = '1s'", share);
        assert_eq!(outcome.verdict, Verdict::Recovers { after: 0.0 }, "{share}");
    }
    // They are back when they have given up.
    let outcome = users_meet_a_black_hole(", give_up = '20s'", "");
    assert!(matches!(outcome.verdict, Verdict::Recovers { after } if (5.0..20.0).contains(&after)));
}
