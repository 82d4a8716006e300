//! Instructions of a call, counted by valgrind's callgrind: they do not depend on what else the machine
//! does.
//!
//! The program runs itself under callgrind. There each case makes a round of calls and then one of twice
//! as many, each in [`counted_round`], at whose end callgrind writes down what it has counted. The
//! difference is what the calls took, without what stands around them.

use crate::case::{Case, Group};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

/// The command that the program gives itself.
pub const COMMAND: &str = "count-instructions";

const CALLS: u64 = 1_000;
/// The smallest of so many differences counts: now and then a window moves on within a round.
const TIMES: usize = 3;

/// The name by which callgrind knows the function that makes a round.
const ROUND: &str = concat!(module_path!(), "::counted_round");

/// The instructions of a call, by the title of the group and the name of the case.
pub type Counts = HashMap<(String, String), f64>;

/// Whether valgrind is there.
pub fn can_count() -> bool {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    valgrind.status().is_ok_and(|status| status.success())
}

/// Counts the instructions of every case; of those that `names` lists, if it lists any.
pub fn count(groups: &[Group], names: &[String]) -> io::Result<Counts> {
    let folder = env::temp_dir().join(format!("breakerbox-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let counted = run(&folder, names).and_then(|()| read(&folder, groups, names));
    fs::remove_dir_all(&folder)?;
    counted
}

fn run(folder: &Path, names: &[String]) -> io::Result<()> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet", "--collect-atstart=no"]);
    valgrind.arg(format!("--toggle-collect={ROUND}")).arg(format!("--dump-after={ROUND}"));
    valgrind.arg(format!("--callgrind-out-file={}", folder.join("out").display()));
    valgrind.arg(env::current_exe()?).arg(COMMAND).args(names);
    let output = valgrind.stdout(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("valgrind failed: {}", said.trim())))
}

/// Callgrind numbers what it writes, `out.1`, `out.2`, ..., in the order of the rounds.
fn read(folder: &Path, groups: &[Group], names: &[String]) -> io::Result<Counts> {
    let mut number = 0;
    let mut next = || {
        number += 1;
        total(&folder.join(format!("out.{number}")))
    };
    let mut counts = Counts::new();
    for (title, case) in chosen(groups, names) {
        let mut least = f64::MAX;
        for _ in 0..TIMES {
            let (once, twice) = (next()?, next()?);
            least = least.min((twice - once) / CALLS as f64);
        }
        counts.insert((title.to_owned(), case.to_owned()), least);
    }
    Ok(counts)
}

fn chosen<'a>(
    groups: &'a [Group],
    names: &'a [String],
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let all = groups
        .iter()
        .flat_map(|group| group.cases.iter().map(|case| (group.title, case.name.as_str())));
    all.filter(|(title, name)| is_chosen(names, title, name))
}

fn is_chosen(names: &[String], title: &str, name: &str) -> bool {
    names.is_empty() || names.contains(&full_name(title, name))
}

/// A case's name with that of its group.
pub fn full_name(title: &str, name: &str) -> String {
    format!("{title} / {name}")
}

/// What one file of callgrind's adds up to.
fn total(path: &Path) -> io::Result<f64> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines();
    let mut totals = lines.filter_map(|line| line.strip_prefix("totals: "));
    let total = totals.next_back().and_then(|total| total.trim().parse().ok());
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    total.ok_or_else(|| io::Error::other(format!("no totals in callgrind's file {name}")))
}

/// What runs under callgrind.
pub fn be_counted(mut groups: Vec<Group>, names: &[String]) {
    for group in &mut groups {
        for case in &mut group.cases {
            if is_chosen(names, group.title, &case.name) {
                case.run(CALLS);
                for _ in 0..TIMES {
                    counted_round(case, CALLS);
                    counted_round(case, 2 * CALLS);
                }
            }
        }
    }
}

/// Found by its name.
#[inline(never)]
fn counted_round(case: &mut Case, calls: u64) {
    case.run(calls);
}
