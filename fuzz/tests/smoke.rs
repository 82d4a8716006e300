//! Inputs like the kept seeds, changed at random, go through each target without a fault.
//!
//! The same ones in every run, unless another number is given to begin with; `fuzz/smoke` does this with
//! an eye on what the code does, and for as long as it is told.
//!
//! ```text
//! FUZZ_SEED=7 FUZZ_TIMES=100 cargo test --release --manifest-path fuzz/Cargo.toml --no-default-features --test smoke
//! ```

mod kept;

use breakerbox_core::SplitMix64;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

const LONGEST: usize = 4096;

/// Runs so many inputs, `FUZZ_TIMES` times that where it is given.
fn run_changed(target: &str, inputs: u64, run: fn(&[u8])) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let (first, times) = (number("FUZZ_SEED").unwrap_or(0), number("FUZZ_TIMES").unwrap_or(1));
    let seeds: Vec<_> = kept::seeds(target).into_iter().map(|(_, seed)| seed).collect();
    for seed in first..first + inputs * times {
        let input = changed(&seeds, &mut SplitMix64::new(seed));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            println!("FUZZ_SEED={seed}, {target}: {}", input.escape_ascii());
            resume_unwind(panic);
        }
    }
}

/// A number below `end`; 0 where there is none.
fn below(random: &mut SplitMix64, end: usize) -> usize {
    if end == 0 { 0 } else { (random.next_u64() % end as u64) as usize }
}

/// Some bytes of an input, not many as a rule.
fn some(random: &mut SplitMix64, input: &[u8]) -> Vec<u8> {
    let begin = below(random, input.len());
    let most = 1 << below(random, 9);
    let end = input.len().min(begin + 1 + below(random, most));
    input[begin.min(end)..end].to_vec()
}

/// One of the seeds, changed in up to eight places.
fn changed(seeds: &[Vec<u8>], random: &mut SplitMix64) -> Vec<u8> {
    let mut input = seeds[below(random, seeds.len())].clone();
    for _ in 0..=below(random, 8) {
        let at = below(random, input.len() + 1);
        let other = &seeds[below(random, seeds.len())];
        match random.next_u64() % 8 {
            0 if at < input.len() => input[at] ^= 1 << (random.next_u64() % 8),
            1 if at < input.len() => input[at] = random.next_u64() as u8,
            2 => {
                let gone = some(random, &input).len();
                input.drain(at..input.len().min(at + gone));
            }
            3 => {
                let again = some(random, &input);
                input.splice(at..at, again);
            }
            4 => {
                let foreign = some(random, other);
                input.splice(at..at, foreign);
            }
            5 => {
                let foreign = some(random, other);
                let end = input.len().min(at + foreign.len());
                input.splice(at..end, foreign);
            }
            6 => input.truncate(at),
            _ => {
                const TELLING: [&[u8]; 12] = [
                    b"\0",
                    b"\r\n",
                    b"\n",
                    b"\xff",
                    b"0",
                    b"-1",
                    b"1e308",
                    b"18446744073709551616",
                    b"nan",
                    b"'",
                    b"]",
                    b"99999999999y",
                ];
                let telling = TELLING[below(random, TELLING.len())];
                input.splice(at..at, telling.iter().copied());
            }
        }
    }
    input.truncate(LONGEST);
    input
}

macro_rules! targets {
    ($($target:ident $inputs:literal)*) => {$(
        #[test]
        fn $target() {
            run_changed(stringify!($target), $inputs, breakerbox_fuzz::$target::run);
        }
    )*};
}

// About a second each, in an unoptimized build on a busy machine.
targets! { file 2_000 policy_test 1_000 headers 40_000 state 3_000 http 600 machine 1_000 }
