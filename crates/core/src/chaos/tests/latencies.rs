//! Delays, to the nanosecond and to the bit.

use crate::SplitMix64;
use crate::chaos::Latency;
use crate::chaos::latency::exponential;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Worked out with another program that follows IEEE 754; the true values beside them.
#[test]
fn the_exponential_distribution_has_the_same_bits_everywhere() {
    for (random, bits) in [
        (u64::MAX, 0.0_f64.to_bits()),                       // -ln(1)
        (u64::MAX >> 1, 0x3fe6_2e42_fefa_39ef),              // ln 2 = 0.6931471805599453
        (1 << 63, 0x3fe6_2e42_fefa_39ed), // -ln(1/2 + 2^-53) = 0.6931471805599451
        ((3 << 62) - 1, 0x3fd2_6962_1134_db92), // ln 4/3 = 0.2876820724517809
        (1 << 62, 0x3ff6_2e42_fefa_39ed), // -ln(1/4 + 2^-53) = 1.3862943611198901
        (1 << 40, 0x4030_a2b2_3f33_ab73), // 16.63553233157604
        (0, 0x4042_5e4f_7b27_37fa),       // 53 ln 2 = 36.7368005696771
        (0x9e37_79b9_7f4a_7c15, 0x3fde_cc2c_aec5_1608), // 0.48121182505960336
        (12_345_678_901_234_567_890, 0x3fd9_b384_0297_38d7), // 0.40158176663397915
    ] {
        let found = exponential(random);
        assert_eq!(found.to_bits(), bits, "{random:#x}: {found}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "a hundred thousand drawings")]
fn the_exponential_distribution_is_one() {
    let mut random = SplitMix64::new(5);
    let drawn: Vec<f64> = (0..100_000).map(|_| exponential(random.next_u64())).collect();
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
    assert!((0.99..1.01).contains(&mean), "{mean}");
    for (limit, beyond) in [(0.1, 0.904_837), (1.0, 0.367_879), (3.0, 0.049_787)] {
        let found = drawn.iter().filter(|drawn| **drawn > limit).count() as f64 / 100_000.0;
        assert!((found - beyond).abs() < 0.005, "beyond {limit}: {found}, not {beyond}");
    }
}

#[test]
fn an_exponential_delay_is_whole_nanoseconds_and_at_most_ten_means() {
    let latency = Latency::Exponential { mean: SECOND };
    assert_eq!(latency.delay(u64::MAX), Duration::ZERO);
    assert_eq!(latency.delay(u64::MAX >> 1), Duration::from_nanos(693_147_180));
    assert_eq!(latency.delay((3 << 62) - 1), Duration::from_nanos(287_682_072));
    assert_eq!(latency.delay(1 << 62), Duration::from_nanos(1_386_294_361));
    // 16.6 and 36.7 means.
    assert_eq!(latency.delay(1 << 40), 10 * SECOND);
    assert_eq!(latency.delay(0), 10 * SECOND);
}

#[test]
fn a_uniform_delay_has_both_its_ends() {
    let four = Latency::Uniform { min: Duration::from_nanos(5), max: Duration::from_nanos(8) };
    let quarter = 1_u64 << 62;
    for (random, nanos) in [
        (0, 5),
        (quarter - 1, 5),
        (quarter, 6),
        (2 * quarter - 1, 6),
        (2 * quarter, 7),
        (3 * quarter, 8),
        (u64::MAX, 8),
    ] {
        assert_eq!(four.delay(random), Duration::from_nanos(nanos), "{random:#x}");
    }
    let one = Latency::Uniform { min: SECOND, max: SECOND };
    assert_eq!((one.delay(0), one.delay(u64::MAX)), (SECOND, SECOND));
    assert_eq!(Latency::Fixed(SECOND).delay(9), SECOND);
}

#[test]
fn no_duration_is_too_much() {
    let longest = Duration::from_nanos(u64::MAX);
    for random in [0, 1, 1 << 63, u64::MAX] {
        let to_the_end = Latency::Uniform { min: Duration::ZERO, max: Duration::MAX };
        assert!(to_the_end.delay(random) <= longest);
        let beyond = Latency::Uniform { min: Duration::MAX, max: Duration::MAX };
        assert_eq!(beyond.delay(random), longest);
        let crossed = Latency::Uniform { min: Duration::MAX, max: Duration::ZERO };
        assert_eq!(crossed.delay(random), longest);
        assert!(Latency::Exponential { mean: Duration::MAX }.delay(random) <= longest);
        let nothing = Latency::Exponential { mean: Duration::ZERO };
        assert_eq!(nothing.delay(random), Duration::ZERO);
    }
}
