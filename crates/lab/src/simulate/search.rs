//! Finds the load, or the fault, at which a system stops recovering.

use super::outcome::{TOGETHER, first_after};
use super::{Effect, Fault, Load, Phase, RateCurve, Scenario, simulate};
use breakerbox::core::SettingsError;

/// What is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// How many times the load of all clients.
    Load,
    /// How many times the length of all faults.
    FaultLength,
    /// How many times the size of all faults: what is left of it is brought nearer to all or nothing.
    FaultSize,
}

/// Where a system stops recovering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tipping {
    /// With so many times as much it still recovers; `None`: not even with hardly any.
    pub recovers: Option<f64>,
    /// With so many times as much it does not; `None`: with the most that was tried it does.
    pub stays: Option<f64>,
}

/// The least and the most that is tried.
const RANGE: (f64, f64) = (1.0 / 64.0, 64.0);
/// Bisection ends when the two are within 2 % of each other.
const CLOSE: f64 = 1.02;

/// It recovers to what was usual with the load it has, so long as that is not far less than with once the load.
const USUAL: f64 = 0.95;

/// Finds by bisection the factor at which a scenario stops recovering, by the majority of so many seeds.
///
/// With a load that is too much before anything goes wrong it does not count as recovering: there is nothing
/// to come back to.
///
/// ```
/// use breakerbox_lab::simulate::{NoOtherFiles, Search, read, search};
///
/// // A server for 100 calls per second, a queue of any length, callers who wait for a second.
/// let text = "
/// duration = '60s'
/// good_within = '1s'
/// client.web = { calls = 'api', rate = 50, arrivals = 'even' }
/// service.api = { workers = 1, time = '10ms' }
/// fault = [{ at = '10s', for = '2s', service = 'api', stall = true }]
/// ";
/// let (scenario, _) = read("outage.toml", text, &NoOtherFiles).unwrap();
/// let found = search(&scenario, Search::Load, 1, &mut |_, _| {}).unwrap();
/// // It never recovers from what fills the queue faster than it is emptied: near twice the load.
/// assert!(found.recovers.unwrap() > 1.8 && found.stays.unwrap() < 2.1, "{found:?}");
/// ```
///
/// Tells each factor it has tried, and whether the system recovered.
///
/// # Errors
/// A policy is refused.
pub fn search(
    scenario: &Scenario,
    what: Search,
    seeds: u64,
    tried: &mut dyn FnMut(f64, bool),
) -> Result<Tipping, SettingsError> {
    let mut usual = vec![None; seeds as usize];
    let mut try_one = |factor: f64| -> Result<bool, SettingsError> {
        let scaled = what.times(scenario, factor);
        let mut good = 0;
        for (seed, usual) in (0..).zip(&mut usual) {
            let outcome = simulate(&scaled, seed, &mut |_| {})?;
            let before = outcome.phase("before").and_then(Phase::success).unwrap_or(1.0);
            // The first factor that is tried is 1.
            let usual = *usual.get_or_insert(before);
            good += u64::from(outcome.verdict.is_good() && before >= USUAL * usual);
        }
        let recovers = 2 * good > seeds;
        tried(factor, recovers);
        Ok(recovers)
    };
    let (mut low, mut high) = (None, None);
    if try_one(1.0)? {
        low = Some(1.0)
    } else {
        high = Some(1.0)
    }
    while high.is_none() {
        let next = low.unwrap_or(1.0) * 2.0;
        if next > RANGE.1 {
            return Ok(Tipping { recovers: low, stays: None });
        }
        if try_one(next)? { low = Some(next) } else { high = Some(next) }
    }
    while low.is_none() {
        let next = high.unwrap_or(1.0) / 2.0;
        if next < RANGE.0 {
            return Ok(Tipping { recovers: None, stays: high });
        }
        if try_one(next)? { low = Some(next) } else { high = Some(next) }
    }
    let (mut low, mut high) = (low.unwrap_or(RANGE.0), high.unwrap_or(RANGE.1));
    while high / low > CLOSE {
        let middle = libm::sqrt(low * high);
        if try_one(middle)? { low = middle } else { high = middle }
    }
    Ok(Tipping { recovers: Some(low), stays: Some(high) })
}

impl Search {
    /// Why a scenario cannot be searched in this way, and the fix; `None`: it can be.
    ///
    /// ```
    /// use breakerbox_lab::simulate::{NoOtherFiles, Search, read};
    ///
    /// let text = "
    /// duration = '60s'
    /// client.web = { calls = 'api', rate = 50 }
    /// service.api = { workers = 1, time = '10ms' }
    /// fault = [{ at = '10s', for = '2s', service = 'api', stall = true }]
    /// ";
    /// let (scenario, _) = read("outage.toml", text, &NoOtherFiles).unwrap();
    /// assert_eq!(Search::FaultLength.refusal(&scenario), None);
    /// let why = Search::FaultSize.refusal(&scenario).unwrap();
    /// assert!(why.starts_with("no `fault` of the scenario has a size that can change"), "{why}");
    /// ```
    pub fn refusal(self, scenario: &Scenario) -> Option<String> {
        let Some((_, end)) = scenario.trouble() else {
            let why = "nothing goes wrong in the scenario: give it a `fault` to search with";
            return Some(why.into());
        };
        if self != Self::Load && scenario.faults.is_empty() {
            return Some("the scenario has no `fault` to make longer and larger".into());
        }
        if first_after(end) + TOGETHER > scenario.duration as usize {
            return Some(format!(
                "the run ends less than {TOGETHER} s after the trouble, so nobody sees whether it recovers: \
                 make `duration` longer"
            ));
        }
        let any = |of: fn(&Fault) -> bool| scenario.faults.iter().any(of);
        match self {
            Self::FaultLength if !any(Fault::has_length) => Some(
                "no `fault` of the scenario has a length that can change: a cache is lost at once; search \
                 with `--search load`"
                    .into(),
            ),
            Self::FaultSize if !any(Fault::has_size) => Some(
                "no `fault` of the scenario has a size that can change: it is there or not, or it is all \
                 there already"
                    .into(),
            ),
            _ => None,
        }
    }

    /// A scenario with so many times as much of it.
    pub fn times(self, scenario: &Scenario, factor: f64) -> Scenario {
        let mut scaled = scenario.clone();
        match self {
            Self::Load => {
                for client in &mut scaled.clients {
                    match &mut client.load {
                        Load::Open { rate, .. } => *rate = RateCurve::times(rate, factor),
                        Load::Closed { users, .. } => {
                            *users = (f64::from(*users) * factor + 0.5).max(1.0) as u32;
                        }
                        // What was measured is repeated at another speed.
                        Load::Trace(times) => {
                            *times = times.iter().map(|at| at / factor).collect();
                        }
                    }
                }
            }
            Self::FaultLength => {
                // It is watched as long as before after its end.
                let (_, end) = scenario.trouble().unwrap_or_default();
                for fault in scaled.faults.iter_mut().filter(|fault| fault.has_length()) {
                    fault.lasts *= factor;
                    fault.ramp *= factor;
                }
                let (_, new_end) =
                    scaled.faults.iter().fold((0.0, 0.0_f64), |(from, to), fault| {
                        (from, to.max(fault.at + fault.lasts))
                    });
                scaled.duration = scenario.duration.max(new_end + scenario.duration - end);
            }
            Self::FaultSize => {
                for fault in &mut scaled.faults {
                    fault.effect = fault.effect.times(factor);
                }
            }
        }
        scaled
    }
}

impl Fault {
    fn has_length(&self) -> bool {
        self.effect != Effect::FlushCache
    }

    /// All errors, for instance, are as many as there can be.
    fn has_size(&self) -> bool {
        self.effect.times(2.0) != self.effect
    }
}

impl Effect {
    fn times(self, factor: f64) -> Self {
        // Of what is at most all: twice as much of a half leaves a quarter.
        let share = |part: f64| 1.0 - libm::pow(1.0 - part, factor);
        match self {
            Self::Slow(times) => Self::Slow(1.0 + (times - 1.0) * factor),
            Self::SlowBy(seconds) => Self::SlowBy(seconds * factor),
            Self::Latency(seconds) => Self::Latency(seconds * factor),
            Self::Capacity(left) => Self::Capacity(libm::pow(left, factor)),
            Self::Errors { share: part, status } => Self::Errors { share: share(part), status },
            Self::Loss(part) => Self::Loss(share(part)),
            Self::BlackHole | Self::Stall | Self::Kill | Self::FlushCache => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{NoOtherFiles, read};

    #[test]
    fn what_was_down_before_has_not_recovered() {
        // A service for 100 calls per second. With more nobody is answered in time, fault or no fault.
        let text = "
            duration = '60s'
            warmup = '10s'
            good_within = '1s'
            client.web = { calls = 'api', rate = 50, arrivals = 'even' }
            service.api = { workers = 1, time = '10ms' }
            fault = [{ at = '30s', for = '1s', service = 'api', errors = 0.5 }]
        ";
        let (scenario, _) = read("outage.toml", text, &NoOtherFiles).unwrap();
        let found = search(&scenario, Search::Load, 1, &mut |_, _| {}).unwrap();
        assert!(found.recovers.unwrap() > 1.9 && found.stays.unwrap() < 2.1, "{found:?}");
    }
}
