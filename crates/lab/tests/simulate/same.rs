//! The same file and seed give the same bytes; other policies meet the same calls and the same work.

use crate::{run, scenario};
use breakerbox_lab::simulate::{report, simulate};

const TEXT: &str = "
    duration = '60s'
    warmup = '5s'
    good_within = '500ms'
    seed = 42
    [client.web]
    calls = 'api'
    processes = 3
    rate = [{ rate = 100 }, { at = '40s', rate = 150, over = '5s' }]
    keys = { count = 100, zipf = 0.9 }
    priorities = [{ urgency = 1, share = 0.5 }, { urgency = 5, share = 0.5 }]
    latency = { lognormal = { median = '2ms', p99 = '10ms' } }
    loss = 0.001
    give_up = '2s'
    policy.attempt_timeout = '300ms'
    policy.retry = { attempts = 3 }
    policy.hedge = { delay = 'p95' }
    policy.breaker = { open_for = { initial = '1s', max = '8s', jitter = true } }
    policy.throttle = {}
    [service.api]
    endpoints = 2
    workers = 8
    time = { weibull = { scale = '20ms', shape = 0.8 } }
    slowdown = { contention = 0.01 }
    queue = 100
    policy.bulkhead = { concurrent = 20, queue = 50, order = 'adaptive_lifo' }
    policy.adaptive_limit = { algorithm = 'vegas' }
    policy.shed = {}
    calls = [{ service = 'database', times = 2, policy.attempt_timeout = '200ms' }]
    [service.database]
    cores = 4
    time = { lognormal = { median = '4ms', p99 = '40ms' } }
    [[fault]]
    at = '20s'
    for = '10s'
    ramp = '2s'
    service = 'database'
    slow = 20.0
";

/// FNV-1a, the same everywhere.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Every figure of every second, and all of the rest.
fn everything(text: &str, seed: u64) -> String {
    let outcome = simulate(&scenario(text), seed, &mut |_| {}).expect("good policies");
    let json = report::json(&outcome).to_string();
    json + &report::csv(&[("run".to_owned(), outcome)])
}

#[test]
fn the_same_bytes_on_every_machine() {
    let one = everything(TEXT, 0);
    assert_eq!(one, everything(TEXT, 0));
    assert_ne!(one, everything(TEXT, 1));
    // From another machine. It changes with everything that changes what a policy does: then look whether
    // that was meant, and take the new number.
    assert_eq!(hash(&one), GOLDEN, "{}", &one[..one.len().min(2000)]);
}

const GOLDEN: u64 = 2_814_756_853_651_562_413;

#[test]
fn another_policy_meets_the_same_calls_and_the_same_work() {
    // Where nothing fails and nobody waits, policies make no difference, to the microsecond.
    let text = |policy: &str| {
        format!(
            "
            duration = '30s'
            client.web = {{ calls = 'api', rate = 50, policy = {{ {policy} }} }}
            service.api = {{ workers = 1000, time = {{ exponential = '10ms' }} }}
            "
        )
    };
    let plain = run(&text(""));
    let protected = run(&text(
        "attempt_timeout = '10s', retry = {}, breaker = {}, bulkhead = { concurrent = 500 }",
    ));
    assert_eq!(plain.seconds, protected.seconds);
}

#[test]
fn pictures_and_pages_are_well_formed() {
    let scenario = scenario(TEXT);
    let outcome = simulate(&scenario, 0, &mut |_| {}).expect("good policies");
    let runs = [("a <b> & \"c\"".to_owned(), outcome.clone()), ("other".to_owned(), outcome)];
    let svg = report::svg("an outage & its <end>", &scenario, &runs);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;") && !svg.contains("NaN"), "{svg}");
    // Every element that is opened is closed.
    let opened = svg.matches('<').count() - svg.matches("</").count();
    assert_eq!(opened, svg.matches("/>").count() + svg.matches("</").count());
    let html = report::html("an outage", &scenario, TEXT, &runs);
    assert!(html.contains("<svg ") && html.contains("p95") && !html.contains("http://example"));
    assert_eq!(report::csv(&runs).lines().count(), 1 + 2 * 60);
    assert_eq!(report::spark(&runs[0].1, 80).lines().count(), 5);
    assert!(report::spark(&runs[0].1, 80).lines().all(|line| line.chars().count() <= 80));
}
