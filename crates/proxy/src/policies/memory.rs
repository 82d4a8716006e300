//! What the gateway remembers over a restart: a file of the states of its breakers.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use breakerbox::State;
use breakerbox::core::breaker::Memory;
use serde_json::{Map, Value, json};

use super::AllPolicies;

/// A file is no longer than this.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

impl AllPolicies {
    /// Writes the states of all breakers to a file, or nothing: the file is replaced as a whole.
    ///
    /// # Errors
    ///
    /// Where the system does not let it be written.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let mut breakers = Map::new();
        for policies in self.iter() {
            let now = policies.now();
            for (name, breaker) in policies.own_breakers() {
                let memory = breaker.export(now);
                if policies.is_worth_keeping(memory.state) {
                    breakers.insert(name.to_owned(), to_json(&memory));
                }
            }
        }
        let saved = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let document = json!({ "saved_at_unix_ms": millis(saved), "breakers": breakers });
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        let mut new = fs::File::create(&beside)?;
        writeln!(new, "{document:#}")?;
        new.sync_all()?;
        drop(new);
        fs::rename(&beside, file)
    }

    /// Takes up the states of a file. Breakers that are not in it stay closed, and those that are no
    /// more are passed over. Returns how many were taken up.
    ///
    /// # Errors
    ///
    /// Why the file cannot be read, in a sentence; a file that is not there is none.
    pub fn restore(&self, file: &Path) -> Result<usize, String> {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        match fs::metadata(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Ok(found) if found.len() > MOST_BYTES => return Err(said(&"it is too long")),
            _ => {}
        }
        let text = fs::read_to_string(file).map_err(|error| said(&error))?;
        let document: Value = serde_json::from_str(&text).map_err(|error| said(&error))?;
        let saved = document["saved_at_unix_ms"].as_u64().map(Duration::from_millis);
        let (Some(saved), Some(breakers)) = (saved, document["breakers"].as_object()) else {
            return Err(said(&"it is no state file of breakerbox"));
        };
        // A clock that was set back has stood still, as far as can be told.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let passed = now.saturating_sub(saved);
        let mut restored = 0;
        for policies in self.iter() {
            for (endpoint, (name, breaker)) in policies.own_breakers().enumerate() {
                let Some(memory) = breakers.get(name).and_then(of_json) else { continue };
                if !policies.is_worth_keeping(memory.state) {
                    continue;
                }
                let memory = memory.after(passed);
                breaker.import(memory, policies.now(), &mut |change| {
                    policies.restored(endpoint, change);
                });
                restored += 1;
            }
        }
        Ok(restored)
    }
}

fn to_json(memory: &Memory) -> Value {
    json!({
        "state": memory.state.name(),
        "left_ms": millis(memory.left),
        "open_for_ms": millis(memory.open_for),
        "growing_ms": millis(memory.growing),
    })
}

fn of_json(value: &Value) -> Option<Memory> {
    let state = State::ALL.into_iter().find(|state| value["state"] == state.name())?;
    let time = |key: &str| Some(Duration::from_millis(value[key].as_u64()?));
    Some(Memory {
        state,
        left: time("left_ms")?,
        open_for: time("open_for_ms")?,
        growing: time("growing_ms")?,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
