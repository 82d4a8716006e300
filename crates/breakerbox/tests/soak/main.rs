//! Millions of calls that end in every way, through all policies at once, while the weather changes and
//! somebody forces states: at the end every account adds up, and nothing is left over.
//!
//! `SOAK_SECONDS` says for how long (5).

mod accounts;
mod calls;
mod pipelines;
mod tally;

use breakerbox::Control;
use breakerbox::core::SplitMix64;
use calls::Weather;
use pipelines::Soaked;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Callers at once, in front of each pipeline.
const CALLERS: u64 = 48;
/// How much more memory there may be at the end than after a third of the time.
const MORE_KIB: u64 = 8 * 1024;

#[test]
fn millions_of_calls_that_end_in_every_way_leave_nothing_behind() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs_f64(seconds.unwrap_or(5.0));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_time().build().expect("a runtime");
    let all = [pipelines::plain(), pipelines::keyed(), pipelines::shared()].map(Arc::new);
    let (after_a_third, at_the_end) = runtime.block_on(soak(&all, time));

    // Nobody is left who could still change anything.
    let patience = Instant::now() + Duration::from_secs(10);
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(Instant::now() < patience, "tasks are left over");
        std::thread::yield_now();
    }
    println!("{after_a_third} KiB, then {at_the_end} KiB");
    for soaked in &all {
        accounts::check(soaked);
        // What the weather has done to the throttle passes as well.
        soaked.pipeline.control(Control::Reset);
        soaked.pipeline.set_chaos(false);
        let patience = Instant::now() + Duration::from_secs(10);
        while runtime.block_on(soaked.pipeline.call(async || Ok::<_, ()>(7))) != Ok(7) {
            assert!(Instant::now() < patience, "{} does not recover", soaked.name);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let more = at_the_end.saturating_sub(after_a_third);
    assert!(more < MORE_KIB, "{after_a_third} KiB, then {at_the_end} KiB");
}

/// Lets everybody call for so long. The memory in use after a third of the time, and at the end.
async fn soak(all: &[Arc<Soaked>; 3], time: Duration) -> (u64, u64) {
    let (began, weather) = (Instant::now(), Arc::new(Weather::default()));
    let mut callers = tokio::task::JoinSet::new();
    for (number, soaked) in (1..).zip(all) {
        for caller in 0..CALLERS {
            let (soaked, weather) = (Arc::clone(soaked), Arc::clone(&weather));
            callers.spawn(calls::caller(soaked, weather, number * 1000 + caller, began + time));
        }
    }
    let mut random = SplitMix64::new(7);
    let mut after_a_third = None;
    while began.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let dice = random.next_u64();
        if dice.is_multiple_of(8) {
            weather.change(dice / 8);
        }
        if let Some(soaked) = all.get((dice >> 32) as usize % 12) {
            disturb(soaked, dice >> 40).await;
        }
        if began.elapsed() > time / 3 {
            after_a_third.get_or_insert_with(resident_kib);
        }
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller catches what it lets panic");
    }
    (after_a_third.unwrap_or_default(), resident_kib())
}

/// Forces a state for a moment, or switches chaos where that disturbs no account.
async fn disturb(soaked: &Soaked, dice: u64) {
    if soaked.switches_chaos && dice.is_multiple_of(4) {
        soaked.pipeline.set_chaos(dice.is_multiple_of(8));
        return;
    }
    let control = Control::ALL[dice as usize % Control::ALL.len()];
    soaked.pipeline.control(control);
    if matches!(control, Control::Isolate | Control::Disable | Control::MetricsOnly) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        soaked.pipeline.control(Control::Reset);
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
