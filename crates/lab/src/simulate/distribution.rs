//! How long something takes, when that differs from time to time.

use super::random::{exponential, normal};
use breakerbox::core::SplitMix64;
use std::sync::Arc;

/// How long something takes. All durations are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always as long.
    Constant(f64),
    /// Mostly short and sometimes long, as where waiting has no memory.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Its logarithm is normal: the usual shape of latencies, with a long tail.
    LogNormal {
        /// Half are shorter.
        median: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// One of two, each of them constant: a cache that hits or misses.
    Bimodal {
        /// The usual one.
        usual: f64,
        /// The other one.
        rare: f64,
        /// How often it is the other one.
        share: f64,
    },
    /// A tail that is heavier (`shape` below 1) or lighter (above 1) than the exponential one.
    Weibull {
        /// The scale: 63 % are shorter.
        scale: f64,
        /// The shape.
        shape: f64,
    },
    /// One of those that were measured, each as likely.
    Trace(Arc<[f64]>),
}

impl Distribution {
    /// A duration in seconds.
    pub(super) fn sample(&self, random: &mut SplitMix64) -> f64 {
        match self {
            Self::Constant(always) => *always,
            Self::Exponential { mean } => mean * exponential(random),
            Self::LogNormal { median, sigma } => median * libm::exp(sigma * normal(random)),
            Self::Bimodal { usual, rare, share } => {
                if random.next_unit() < *share {
                    *rare
                } else {
                    *usual
                }
            }
            Self::Weibull { scale, shape } => scale * libm::pow(exponential(random), 1.0 / shape),
            Self::Trace(values) => {
                let place = (random.next_unit() * values.len() as f64) as usize;
                values.get(place).copied().unwrap_or(0.0)
            }
        }
    }

    /// The mean, in seconds.
    ///
    /// ```
    /// use breakerbox_lab::simulate::Distribution;
    ///
    /// let cache = Distribution::Bimodal { usual: 0.001, rare: 0.101, share: 0.1 };
    /// assert!((cache.mean() - 0.011).abs() < 1e-12);
    /// ```
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(always) => *always,
            Self::Exponential { mean } => *mean,
            Self::LogNormal { median, sigma } => median * libm::exp(sigma * sigma / 2.0),
            Self::Bimodal { usual, rare, share } => usual * (1.0 - share) + rare * share,
            Self::Weibull { scale, shape } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Self::Trace(values) => values.iter().sum::<f64>() / values.len().max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_the_mean_that_is_said() {
        let all = [
            Distribution::Constant(0.25),
            Distribution::Exponential { mean: 0.25 },
            Distribution::LogNormal { median: 0.2, sigma: 0.5 },
            Distribution::Bimodal { usual: 0.1, rare: 0.9, share: 0.2 },
            Distribution::Weibull { scale: 0.3, shape: 1.5 },
            Distribution::Weibull { scale: 0.3, shape: 0.8 },
            Distribution::Trace([0.1, 0.2, 0.6].into()),
        ];
        for distribution in all {
            let mut random = SplitMix64::new(3);
            let count = 200_000;
            let sum: f64 = (0..count).map(|_| distribution.sample(&mut random)).sum();
            let (mean, said) = (sum / f64::from(count), distribution.mean());
            assert!((mean / said - 1.0).abs() < 0.02, "{distribution:?}: {mean}");
        }
    }
}
