//! Measures breakerbox beside its peers: one process, the candidates in turn, medians over many
//! rounds, and the floors of the machine in the same run. Quote ratios, not nanoseconds.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml`

mod allocations;
mod candidates;
mod rounds;
mod threads;

use rounds::{Case, measure};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() {
    println!("{:<52} {:>9} {:>8} {:>8}", "case", "ns", "x xadd", "allocs");
    let mut cases: Vec<Case> = candidates::floors();
    cases.extend(candidates::breakers());
    cases.extend(candidates::stacks());
    cases.extend(candidates::rejections());
    cases.extend(candidates::failures());
    let measured = measure(&mut cases);
    let xadd = measured[0].nanos;
    for row in &measured {
        let ratio = row.nanos / xadd;
        println!("{:<52} {:>9.2} {:>8.2} {:>8.2}", row.name, row.nanos, ratio, row.allocations);
    }
    println!();
    threads::print();
}
