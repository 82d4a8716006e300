//! Random numbers that depend on what they are for, not on when they are drawn.

use breakerbox::core::SplitMix64;

/// What a number is drawn for: each purpose has a stream of its own.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    /// When the next call comes.
    Arrival = 1,
    /// How long a user thinks.
    Think,
    /// What a call belongs to.
    Key,
    /// How important it is.
    Priority,
    /// How long a service works on it.
    Work,
    /// Whether a service fails it.
    Error,
    /// How long it takes to get there, and whether it does.
    Request,
    /// The same for the way back.
    Reply,
    /// What the policies of one process draw.
    Policies,
}

/// Two numbers as one that differs for any other two.
pub(super) const fn mix(one: u64, two: u64) -> u64 {
    let mut one = SplitMix64::new(one);
    SplitMix64::new(one.next_u64() ^ two.wrapping_mul(0xD6E8_FEB8_6659_FD93)).next_u64()
}

/// The stream of one purpose of one thing: a call keeps its numbers whatever other calls do, so that two
/// policies can be compared on the same arrivals and the same work.
pub(super) const fn stream(of: u64, purpose: Purpose) -> SplitMix64 {
    SplitMix64::new(mix(of, purpose as u64))
}

/// Above 0, at most 1: its logarithm is finite.
fn unit_above_zero(random: &mut SplitMix64) -> f64 {
    1.0 - random.next_unit()
}

/// Exponential, with a mean of 1. By `libm`, as all that is not exact everywhere.
pub(super) fn exponential(random: &mut SplitMix64) -> f64 {
    -libm::log(unit_above_zero(random))
}

/// Normal, with a mean of 0 and a variance of 1 (Box and Muller, 1958).
pub(super) fn normal(random: &mut SplitMix64) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(unit_above_zero(random)));
    radius * libm::cos(std::f64::consts::TAU * random.next_unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_moments_they_should() {
        let mut random = stream(7, Purpose::Work);
        let count = 200_000;
        let (mut sum, mut normals, mut squares) = (0.0, 0.0, 0.0);
        for _ in 0..count {
            sum += exponential(&mut random);
            let normal = normal(&mut random);
            (normals, squares) = (normals + normal, squares + normal * normal);
        }
        let mean = |sum: f64| sum / f64::from(count);
        // Five standard errors of each.
        assert!((mean(sum) - 1.0).abs() < 0.012, "{}", mean(sum));
        assert!(mean(normals).abs() < 0.012, "{}", mean(normals));
        assert!((mean(squares) - 1.0).abs() < 0.016, "{}", mean(squares));
    }

    #[test]
    fn purposes_and_things_have_streams_of_their_own() {
        let first = |of, purpose| stream(of, purpose).next_u64();
        assert_eq!(first(1, Purpose::Work), first(1, Purpose::Work));
        assert_ne!(first(1, Purpose::Work), first(1, Purpose::Error));
        assert_ne!(first(1, Purpose::Work), first(2, Purpose::Work));
        assert_ne!(mix(1, 2), mix(2, 1));
    }
}
