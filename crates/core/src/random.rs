//! Repeatable random numbers: the seed comes from outside.

/// A SplitMix64 generator (Steele, Lea and Flood, 2014): small, fast, and the same numbers for the
/// same seed on every machine. For jitter and sampling, not for secrets.
///
/// ```
/// use breakerbox_core::SplitMix64;
///
/// let mut one = SplitMix64::new(7);
/// let mut two = SplitMix64::new(7);
/// assert_eq!(one.next_u64(), two.next_u64());
/// assert!((0.0..1.0).contains(&one.next_unit()));
/// ```
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator that starts from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next number in `0.0..1.0`.
    pub fn next_unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}
