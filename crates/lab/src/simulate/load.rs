//! How many calls come, over time.

/// A rate that changes over time: between two points it goes in a straight line, after the last it
/// stays.
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    /// Time in seconds and the rate per second from there on; two points of one time are a step.
    points: Vec<(f64, f64)>,
}

impl RateCurve {
    /// Always the same.
    pub fn constant(rate: f64) -> Self {
        Self { points: vec![(0.0, rate)] }
    }

    /// From here on `at` seconds the rate goes to `rate` within `over` seconds. Changes come in their
    /// order.
    pub(super) fn change(&mut self, at: f64, rate: f64, over: f64) {
        let before = self.at(at);
        self.points.push((at, before));
        self.points.push((at + over, rate));
    }

    /// The rate at this time.
    pub fn at(&self, time: f64) -> f64 {
        let after = self.points.partition_point(|(at, _)| *at <= time);
        let Some((start, from)) = after.checked_sub(1).map(|index| self.points[index]) else {
            return self.points.first().map_or(0.0, |(_, rate)| *rate);
        };
        match self.points.get(after) {
            None => from,
            Some((end, to)) => from + (to - from) * (time - start) / (end - start),
        }
    }

    /// The same with every rate so many times as high.
    pub(super) fn times(&self, factor: f64) -> Self {
        Self { points: self.points.iter().map(|(at, rate)| (*at, rate * factor)).collect() }
    }

    /// How many calls come in the first so many seconds, on average.
    pub(super) fn count(&self, seconds: f64) -> f64 {
        let mut sum = 0.0;
        let mut from = 0.0;
        while from < seconds {
            let to = self.next_point(from).unwrap_or(seconds).min(seconds);
            sum += (self.at(from) + self.before(to)) / 2.0 * (to - from);
            from = to;
        }
        sum
    }

    /// The time at which so many more calls have come on average as by `from`; `None`: never.
    pub(super) fn after(&self, from: f64, mut calls: f64) -> Option<f64> {
        let mut from = from;
        loop {
            let rate = self.at(from);
            let Some(to) = self.next_point(from) else {
                return (rate > 0.0).then(|| from + calls / rate);
            };
            let (span, end) = (to - from, self.before(to));
            let within = (rate + end) / 2.0 * span;
            if within >= calls && within > 0.0 {
                let slope = (end - rate) / span;
                return Some(from + solve(rate, slope, calls).min(span));
            }
            (from, calls) = (to, calls - within);
        }
    }

    fn next_point(&self, after: f64) -> Option<f64> {
        self.points.iter().map(|(at, _)| *at).find(|at| *at > after)
    }

    /// The rate just before this time.
    fn before(&self, time: f64) -> f64 {
        let index = self.points.partition_point(|(at, _)| *at < time);
        match (index.checked_sub(1).map(|it| self.points[it]), self.points.get(index)) {
            (Some((start, from)), Some((end, to))) => {
                from + (to - from) * (time - start) / (end - start)
            }
            (Some((_, rate)), None) => rate,
            (None, first) => first.map_or(0.0, |(_, rate)| *rate),
        }
    }
}

/// The `x` at which `rate x + slope x^2 / 2` is `calls`.
fn solve(rate: f64, slope: f64, calls: f64) -> f64 {
    let root = libm::sqrt((rate * rate + 2.0 * slope * calls).max(0.0));
    // The other form of the formula: this one does not divide by the slope.
    2.0 * calls / (rate + root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, two: f64) -> bool {
        (one - two).abs() < 1e-9
    }

    #[test]
    fn a_constant_rate_brings_calls_evenly() {
        let curve = RateCurve::constant(4.0);
        assert_eq!((curve.at(0.0), curve.at(100.0)), (4.0, 4.0));
        assert!(near(curve.after(1.0, 1.0).unwrap(), 1.25));
        assert!(near(curve.count(10.0), 40.0));
        assert_eq!(RateCurve::constant(0.0).after(0.0, 1.0), None);
    }

    #[test]
    fn a_step_a_ramp_and_a_spike() {
        // 10 per second; from 10 s on 20; from 20 s on to 40 within 10 s; at 40 s down to 0 at once.
        let mut curve = RateCurve::constant(10.0);
        curve.change(10.0, 20.0, 0.0);
        curve.change(20.0, 40.0, 10.0);
        curve.change(40.0, 0.0, 0.0);
        assert_eq!(
            [9.9, 10.0, 20.0, 25.0, 30.0, 39.0, 40.0].map(|it| curve.at(it)),
            [10.0, 20.0, 20.0, 30.0, 40.0, 40.0, 0.0]
        );
        // 100 + 200 + 300 + 400, and no more.
        assert!(near(curve.count(50.0), 1000.0), "{}", curve.count(50.0));
        // 5 within the first second left of the first rate, 5 more by the second.
        assert!(near(curve.after(9.5, 10.0).unwrap(), 10.25));
        // From 20 s on 20 x + x^2 = 125 at x = 5.
        assert!(near(curve.after(20.0, 125.0).unwrap(), 25.0));
        assert_eq!(curve.after(39.0, 41.0), None);
    }
}
