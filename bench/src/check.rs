//! The instructions that some of our own cases took when they were last accepted, and the check that they
//! have not become more.

use crate::case::Group;
use crate::instructions::{self, Counts, full_name};
use std::{env, fs, io};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.toml");
/// More than this many times the accepted count fails.
const MOST: f64 = 1.05;

const HEAD: &str = "\
# Instructions of a call, as callgrind counts them. `check-instructions` fails where one takes more than
# 5 % more. After a change that is worth its instructions:
#     cargo run --release --manifest-path bench/Cargo.toml -- accept-instructions
";

/// Compares with what has been accepted. `Ok(false)` where a case takes more.
pub fn check(groups: &[Group]) -> io::Result<bool> {
    let accepted = accepted()?;
    let names: Vec<String> = accepted.iter().map(|(name, _)| name.clone()).collect();
    if !can_count() {
        return Ok(env::var_os("BREAKERBOX_REQUIRE_ALL").is_none());
    }
    let counts = counts(groups, &names)?;
    let mut good = true;
    println!("{:<88} {:>9} {:>9} {:>8}", "instructions of a call", "accepted", "now", "change");
    for (name, before) in &accepted {
        let Some((_, now)) = counts.iter().find(|(counted, _)| counted == name) else {
            println!("{name:<88} {before:>9.1} {:>9}  there is no such case", "-");
            good = false;
            continue;
        };
        let more = *now > before * MOST;
        let change = (now / before - 1.0) * 100.0;
        let verdict = if more { "  too many" } else { "" };
        println!("{name:<88} {before:>9.1} {now:>9.1} {change:>+7.1}%{verdict}");
        good &= !more;
    }
    if !good {
        println!(
            "\na call takes over 5 % more instructions than accepted, or is gone. If that is meant:\n  \
             cargo run --release --manifest-path bench/Cargo.toml -- accept-instructions"
        );
    }
    Ok(good)
}

/// Writes down the counts of today, of the cases that are in the file.
pub fn accept(groups: &[Group]) -> io::Result<bool> {
    if !can_count() {
        return Ok(false);
    }
    let names: Vec<String> = accepted()?.into_iter().map(|(name, _)| name).collect();
    let counts = counts(groups, &names)?;
    let lines = counts.iter().map(|(name, count)| format!("\"{name}\" = {count:.1}\n"));
    fs::write(FILE, HEAD.to_owned() + &lines.collect::<String>())?;
    println!("accepted the instructions of {} cases", counts.len());
    Ok(true)
}

fn can_count() -> bool {
    let can = instructions::can_count();
    if !can {
        println!("skipped: valgrind is not installed");
    }
    can
}

fn counts(groups: &[Group], names: &[String]) -> io::Result<Vec<(String, f64)>> {
    let counts: Counts = instructions::count(groups, names)?;
    let all = groups.iter().flat_map(|group| {
        group.cases.iter().map(|case| (group.title.to_owned(), case.name.clone()))
    });
    let found = all.filter_map(|(title, name)| {
        let full = full_name(&title, &name);
        counts.get(&(title, name)).map(|count| (full, *count))
    });
    Ok(found.collect())
}

/// The lines of the file, `"group / case" = count`.
fn accepted() -> io::Result<Vec<(String, f64)>> {
    let text = fs::read_to_string(FILE)?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|line| {
        let (name, count) = line.rsplit_once(" = ")?;
        let name = name.strip_prefix('"')?.strip_suffix('"')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    });
    rows.map(|row| row.ok_or_else(|| io::Error::other("instructions.toml: a line is no count")))
        .collect()
}
