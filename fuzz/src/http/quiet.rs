//! Whether threads of this process have nothing more to do.

use std::fs;
use std::time::{Duration, Instant};

/// Lets others have the processor: one that only yields it gets it back at once.
pub(super) fn pause() {
    std::thread::sleep(Duration::from_micros(20));
}

/// Threads by their names.
pub(super) struct Threads(Vec<String>);

impl Threads {
    pub(super) fn find(names: &[&str]) -> Self {
        let all = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let folders = all.filter_map(|entry| {
            let folder = entry.path().to_str()?.to_owned();
            let name = fs::read_to_string(format!("{folder}/comm")).ok()?;
            names.contains(&name.trim()).then_some(folder)
        });
        Self(folders.collect())
    }

    /// Waits until all of them sleep and nothing is on its way between them: what is written on loopback
    /// wakes its reader before the writer goes on, so that at every time at least one of them is awake
    /// until all is done. False if that takes longer than `most`.
    pub(super) fn await_quiet(&self, most: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < most {
            let before = self.look();
            if before.is_some() && before == self.look() {
                return true;
            }
            pause();
        }
        false
    }

    /// How often each has been put to sleep, if all of them sleep.
    fn look(&self) -> Option<Vec<String>> {
        let look = |folder: &String| {
            let status = fs::read_to_string(format!("{folder}/status")).ok()?;
            let sleeps = status.lines().any(|it| it.starts_with("State:") && it.contains("S ("));
            let switches = status.lines().filter(|it| it.contains("ctxt_switches:"));
            sleeps.then(|| switches.collect::<String>())
        };
        self.0.iter().map(look).collect()
    }
}
