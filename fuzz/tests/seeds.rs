//! Every kept seed, and with them every input that was ever found to break something, goes through
//! its target without a fault.

mod kept;

fn run_all(target: &str, run: fn(&[u8])) {
    for (path, seed) in kept::seeds(target) {
        // Shown where it fails.
        println!("{}", path.display());
        run(&seed);
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
