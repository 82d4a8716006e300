//! The table.

use crate::case::Group;
use crate::goals::Figures;
use crate::instructions::{self, Counts};
use crate::rounds::{Measured, measure};
use crate::{floors, memory, threads};
use std::io;

/// Measures everything and prints it.
pub fn print(mut groups: Vec<Group>) -> io::Result<()> {
    let counts = if instructions::can_count() {
        instructions::count(&groups, &[])?
    } else {
        println!("skipped: valgrind is not installed, so instructions are not counted\n");
        Counts::new()
    };
    let rows = measure(&mut groups);
    let all = rows.iter().flatten();
    let xadd = all.clone().find(|row| row.name == floors::XADD).map_or(f64::NAN, |row| row.nanos);
    println!(
        "{:<58} {:>9} {:>8} {:>7} {:>8} {:>8}",
        "", "ns", "x xadd", "allocs", "bytes", "instr."
    );
    for (group, rows) in groups.iter().zip(&rows) {
        println!("\n{}", group.title);
        for row in rows {
            let count = counts.get(&(group.title.to_owned(), row.name.clone()));
            print_row(row, xadd, count.copied());
        }
    }

    let threads = threads::measure();
    println!(
        "\n{:<58} {:>9} {:>8} {:>7}",
        "two threads on the same", "one, ns", "two, ns", "ratio"
    );
    for row in &threads {
        println!("  {:<56} {:>9.2} {:>8.2} {:>7.2}", row.name, row.one, row.two, row.two / row.one);
    }
    let (breakers, keys) = (memory::breakers(), memory::keys());
    for (title, rows) in [("an idle breaker", &breakers), ("each of 100,000 keys", &keys)] {
        println!("\n{title:<58} {:>9}", "bytes");
        for row in rows {
            println!("  {:<56} {:>9.0}", row.name, row.bytes);
        }
    }
    Figures { rows: &rows, threads: &threads, breakers: &breakers, keys: &keys }.print_goals();
    Ok(())
}

fn print_row(row: &Measured, xadd: f64, instructions: Option<f64>) {
    let Measured { name, nanos, allocations, bytes } = row;
    let ratio = nanos / xadd;
    let instructions = instructions.map_or("-".to_owned(), |count| format!("{count:.1}"));
    println!(
        "  {name:<56} {nanos:>9.2} {ratio:>8.2} {allocations:>7.2} {bytes:>8.0} {instructions:>8}"
    );
}
