//! What breakers remember over a restart: any state file, and any memory in the library.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use breakerbox::breaker::Memory;
use breakerbox::{Control, Pipeline, Settings, State};
use breakerbox_proxy::Config;
use breakerbox_proxy::policies::AllPolicies;
use serde_json::Value;

/// Between writing and reading there is not more time than this, even on a busy machine.
const TAKES: u64 = 5_000;

/// The gateway whose file it is: a fixed and a growing open duration.
const GATEWAY: &str = "
    listener = [{ listen = '127.0.0.1:0', routes = [{ prefix = '/', upstream = 'a' }] }]
    [upstream.a]
    endpoints = ['http://127.0.0.1:1', 'http://127.0.0.1:2']
    policy.breaker = { open_for = '30s' }
    [upstream.b]
    endpoints = ['http://127.0.0.1:3']
    policy.breaker = { open_for = { initial = '5s', factor = 2, max = '1h', jitter = true } }
";

static CONFIG: LazyLock<Config> =
    LazyLock::new(|| Config::parse("breakerbox.toml", GATEWAY).expect("a good file").0);

/// Files of our own, in memory where there is such a folder.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let folder = parent.join(format!("breakerbox-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
});

/// Takes the bytes as a state file of the gateway, and as the memory of a pipeline.
pub fn run(input: &[u8]) {
    state_file(input);
    let mut input = Unstructured::new(input);
    while let Ok(memory) = memory(&mut input) {
        pipeline(memory, input.arbitrary().unwrap_or_default());
        if input.is_empty() {
            break;
        }
    }
}

/// Breakers that have taken up what a file says write it the same, and so do those that read this.
fn state_file(input: &[u8]) {
    let (given, written) = (FOLDER.join("given"), FOLDER.join("written"));
    fs::write(&given, input).expect("it can be written");
    let first = policies();
    let Ok(restored) = first.restore(&given) else { return };
    first.save(&written).expect("it can be written");
    let before = read(&written);
    let second = policies();
    assert_eq!(second.restore(&written), Ok(3), "ours can be read");
    second.save(&given).expect("it can be written");
    let after = read(&given);
    let (before, after) = (&before["breakers"], &after["breakers"]);
    let names = before.as_object().expect("an object of breakers");
    assert!(restored <= names.len());
    for (name, before) in names {
        same(before, &after[name]);
    }
}

fn policies() -> AllPolicies {
    AllPolicies::new(&CONFIG).expect("a good file")
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("it was written")).expect("it is JSON")
}

/// The same but for the time that has passed.
fn same(before: &Value, after: &Value) {
    let number = |of: &Value, key: &str| of[key].as_u64().expect("a number of milliseconds");
    let left = (number(before, "left_ms"), number(after, "left_ms"));
    assert!(left.1 <= left.0 && left.0 - left.1 <= TAKES, "{before} {after}");
    // An open circuit whose time comes meanwhile is half-open.
    let over = before["state"] == "open" && after["state"] == "half_open" && left.1 == 0;
    assert!(over || before["state"] == after["state"], "{before} {after}");
    assert_eq!(before["open_for_ms"], after["open_for_ms"], "{before} {after}");
    let grew = (number(before, "growing_ms"), number(after, "growing_ms"));
    assert_eq!(grew.0, grew.1, "{before} {after}");
}

fn memory(input: &mut Unstructured<'_>) -> arbitrary::Result<Memory> {
    Ok(Memory {
        state: *input.choose(&State::ALL)?,
        left: Duration::arbitrary(input)?,
        open_for: Duration::arbitrary(input)?,
        growing: Duration::arbitrary(input)?,
    })
}

/// The same in the library, whatever the breaker was before.
fn pipeline(given: Memory, isolated: bool) {
    let build =
        || Pipeline::builder("fuzz").breaker(Settings::default()).build().expect("good settings");
    let first = build();
    if isolated {
        first.control(Control::Isolate);
    }
    assert!(first.import(given));
    let before = first.export().expect("it has a breaker");
    let second = build();
    assert!(second.import(before));
    let after = second.export().expect("it has a breaker");
    assert!(before.left <= given.left && after.left <= before.left);
    assert!(before.left - after.left <= Duration::from_millis(TAKES));
    let over = before.state == State::Open && after.state == State::HalfOpen;
    assert!(over || before.state == after.state, "{given:?} {before:?} {after:?}");
    assert_eq!(before.open_for, after.open_for);
    assert_eq!(before.growing, after.growing);
}
