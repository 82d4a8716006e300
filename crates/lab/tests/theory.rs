//! The simulator against queueing theory: twenty fixed seeds each, the theoretical value inside the 99 %
//! interval of their mean, and that interval at most 2 % of the value to each side.

use breakerbox_lab::simulate::{NoOtherFiles, Phase, read, simulate};

const SEEDS: u64 = 20;
/// The 99.5 % quantile of Student's distribution with 19 degrees of freedom.
const STUDENT: f64 = 2.861;

/// What `of` is in the only phase of the scenario, for each seed.
fn samples(text: &str, of: impl Fn(&Phase) -> f64 + Sync) -> Vec<f64> {
    let (scenario, warnings) = read("theory.toml", text, &NoOtherFiles).expect("a good file");
    assert!(warnings.is_empty());
    let one = |seed| of(&simulate(&scenario, seed, &mut |_| {}).expect("good policies").phases[0]);
    std::thread::scope(|scope| {
        let halves = [0..SEEDS / 2, SEEDS / 2..SEEDS];
        let one = &one;
        let threads = halves.map(|seeds| scope.spawn(move || seeds.map(one).collect::<Vec<_>>()));
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn assert_mean(samples: &[f64], theory: f64) {
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let variance = samples.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = STUDENT * (variance / count).sqrt();
    println!(
        "theory {theory:.6}, simulated {mean:.6} +- {half:.6} ({:.2} %)",
        100.0 * half / theory
    );
    assert!((mean - theory).abs() <= half, "{mean} +- {half} is not {theory}");
    assert!(half <= 0.02 * theory, "+- {half} is more than 2 % of {theory}");
}

/// How long a call took on average (Little: what is there at once is the rate times how long it stays).
fn mean_time(phase: &Phase) -> f64 {
    phase.waiting * phase.seconds() / phase.offered as f64
}

fn failed(phase: &Phase) -> f64 {
    phase.failed as f64 / phase.offered as f64
}

/// The probability that all of `servers` are busy where nobody waits (Erlang, 1917).
fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b))
}

/// The same where those who come then wait.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let b = erlang_b(servers, load);
    let used = load / f64::from(servers);
    b / (1.0 - used * (1.0 - b))
}

#[test]
fn one_server_exponential_times() {
    // M/M/1 at 70 %: waiting takes rho / (1 - rho) times the work, 10 ms x 7 / 3.
    let text = "
        duration = '4100s'
        warmup = '100s'
        client.web = { calls = 'api', rate = 70 }
        service.api = { workers = 1, time = { exponential = '10ms' } }
    ";
    let waits = samples(text, |phase| mean_time(phase) - 0.010);
    assert_mean(&waits, 0.010 * 0.7 / 0.3);
}

#[test]
fn several_servers_exponential_times() {
    // M/M/8 with a load of 6: waiting takes C / (c - a) times the work.
    let text = "
        duration = '5600s'
        warmup = '100s'
        client.web = { calls = 'api', rate = 120 }
        service.api = { workers = 8, time = { exponential = '50ms' } }
    ";
    let waits = samples(text, |phase| mean_time(phase) - 0.050);
    assert_mean(&waits, 0.050 * erlang_c(8, 6.0) / (8.0 - 6.0));
}

#[test]
fn one_server_constant_times() {
    // M/D/1 at 70 %: half of what it takes with exponential times (Pollaczek and Khinchine).
    let text = "
        duration = '2100s'
        warmup = '100s'
        client.web = { calls = 'api', rate = 70 }
        service.api = { workers = 1, time = '10ms' }
    ";
    let waits = samples(text, |phase| mean_time(phase) - 0.010);
    assert_mean(&waits, 0.010 * 0.7 / 0.3 / 2.0);
}

#[test]
fn several_servers_nobody_waits() {
    // M/M/10/10 with a load of 8 erlang: B = 0.1217 of the calls are lost.
    let text = "
        duration = '1000s'
        warmup = '10s'
        client.web = { calls = 'api', rate = 80 }
        service.api = { workers = 10, queue = 0, time = { exponential = '100ms' } }
    ";
    let lost = samples(text, failed);
    assert!((erlang_b(10, 8.0) - 0.1217).abs() < 0.0001);
    assert_mean(&lost, erlang_b(10, 8.0));
}

#[test]
fn the_loss_does_not_depend_on_the_shape_of_the_times() {
    // Erlang's formula holds for any distribution with the same mean (Sevastyanov, 1957).
    let text = "
        duration = '1000s'
        warmup = '10s'
        client.web = { calls = 'api', rate = 80 }
        service.api = { workers = 10, queue = 0, time = { bimodal = { usual = '50ms', rare = '550ms', share = 0.1 } } }
    ";
    assert_mean(&samples(text, failed), erlang_b(10, 8.0));
}

#[test]
fn one_server_with_little_room() {
    // M/M/1/K with K = 5 at 90 %: (1 - rho) rho^K / (1 - rho^(K + 1)) are lost.
    let text = "
        duration = '2000s'
        warmup = '10s'
        client.web = { calls = 'api', rate = 90 }
        service.api = { workers = 1, queue = 4, time = { exponential = '10ms' } }
    ";
    let rho: f64 = 0.9;
    assert_mean(&samples(text, failed), (1.0 - rho) * rho.powi(5) / (1.0 - rho.powi(6)));
}

#[test]
fn shared_cores_do_not_care_about_the_shape_of_the_times() {
    // M/G/1 with processor sharing: a call takes 1 / (1 - rho) times its work, whatever the shape.
    let text = "
        duration = '4100s'
        warmup = '100s'
        client.web = { calls = 'api', rate = 60 }
        service.api = { cores = 1, time = { bimodal = { usual = '5ms', rare = '55ms', share = 0.1 } } }
    ";
    assert_mean(&samples(text, mean_time), 0.010 / 0.4);
}

#[test]
fn users_who_think() {
    // M/M/1 with 20 users of whom each thinks 1 s (the machine repairman): the throughput follows from
    // the probability that nobody is there.
    let text = "
        duration = '2100s'
        warmup = '100s'
        client.web = { calls = 'api', users = 20, think = { exponential = '1s' } }
        service.api = { workers = 1, time = { exponential = '50ms' } }
    ";
    let mut weight = 1.0;
    let mut sum = 1.0;
    for waiting in 0..20 {
        weight *= f64::from(20 - waiting) * 0.05;
        sum += weight;
    }
    let throughput = samples(text, |phase| phase.offered as f64 / phase.seconds());
    assert_mean(&throughput, (1.0 - 1.0 / sum) / 0.050);
}
