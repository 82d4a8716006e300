//! Every kept seed, and with them every input that was ever found to break something, goes through
//! its target without a fault.

use std::fs;
use std::path::Path;

fn run_all(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut seeds: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
    for seed in seeds {
        // Shown where it fails.
        println!("{}", seed.display());
        run(&fs::read(&seed).unwrap());
    }
}

macro_rules! targets {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            run_all(stringify!($target), breakerbox_fuzz::$target::run);
        }
    )*};
}

targets! { file policy_test headers state http machine }
