//! The report: the numbers of all upstreams, and as sentences.

use std::fmt;
use std::time::Duration;

use super::words::{about, count, list, number, percent};
use super::{Concurrency, Load, Upstream, Wait, comes_from, goes_on_to};

/// What the policies of some upstreams allow at worst. Displayed as a table for people, which ends with
/// no newline.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each upstream, in the order given.
    pub upstreams: Vec<UpstreamReport>,
}

/// What the policy of one upstream allows at worst, with what comes and goes by fallbacks.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamReport {
    /// Its name.
    pub name: String,
    /// How many endpoints it has.
    pub endpoints: usize,
    /// What it gets to do.
    pub load: Load,
    /// How long a caller waits.
    pub wait: Wait,
    /// How much runs at once.
    pub concurrency: Concurrency,
    /// Upstreams whose calls may come here when those do not answer.
    pub comes_from: Vec<String>,
    /// Upstreams that a call goes on to when this one does not answer, with the attempts it may make
    /// there.
    pub goes_on_to: Vec<(String, u32)>,
    /// How long a caller waits until an answer begins, if none of them answers. `None`: for ever.
    pub wait_with_all: Option<Duration>,
}

impl UpstreamReport {
    /// Attempts of one call, wherever it goes on to.
    pub fn most_with_all(&self) -> u32 {
        self.goes_on_to.iter().fold(self.load.most(), |sum, (_, attempts)| sum + attempts)
    }

    /// How long the attempts of one call run, added up, while the upstream does not answer at all; with so
    /// many such calls a second so many attempts run at once (Little's law). `None`: for ever.
    pub fn seconds_that_hang(&self) -> Option<f64> {
        let longest = self.concurrency.longest?.as_secs_f64();
        // Attempts that cannot begin need nothing of the budget.
        let hedges = f64::from(self.load.hedges);
        let begin = f64::from(self.wait.attempts_that_hang) + hedges;
        let one_by_one = self.load.sustained.min(begin) * longest;
        // At one time there are one of the retries and all hedges, and none after the deadline.
        let at_once = self.wait.deadline.map(|deadline| deadline.as_secs_f64() * (1.0 + hedges));
        Some(at_once.map_or(one_by_one, |at_once| at_once.min(one_by_one)))
    }
}

/// Works out what the policies of these upstreams allow.
pub fn report(upstreams: &[Upstream<'_>]) -> Report {
    let of = |upstream: &Upstream<'_>| {
        let Upstream { name, policy, endpoints } = *upstream;
        let (wait, chain) = (Wait::of(policy), goes_on_to(upstreams, name));
        let waits = chain.iter().map(|next| Wait::of(next.policy).until_headers());
        UpstreamReport {
            name: name.to_owned(),
            endpoints,
            load: Load::of(policy),
            concurrency: Concurrency::of(policy),
            comes_from: comes_from(upstreams, name).into_iter().map(str::to_owned).collect(),
            // Each has a deadline of its own, which begins anew.
            wait_with_all: waits
                .fold(wait.until_headers(), |sum, next| Some(sum?.saturating_add(next?))),
            goes_on_to: chain
                .iter()
                .map(|next| (next.name.to_owned(), next.policy.most_attempts()))
                .collect(),
            wait,
        }
    };
    Report { upstreams: upstreams.iter().map(of).collect() }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.upstreams.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
        write!(f, "capacity")?;
        for upstream in &self.upstreams {
            let mut name = upstream.name.as_str();
            for sentence in upstream.sentences() {
                write!(f, "\n  {name:width$}  {sentence}")?;
                name = "";
            }
        }
        Ok(())
    }
}

impl UpstreamReport {
    fn sentences(&self) -> Vec<String> {
        let all = [
            Some(self.attempts()),
            self.budget(),
            self.fewer_endpoints(),
            self.failovers_to(),
            self.failovers_from(),
            Some(self.waiting()),
            self.hanging(),
            Some(self.slots()),
            self.queue(),
            self.rate(),
        ];
        all.into_iter().flatten().collect()
    }

    fn attempts(&self) -> String {
        let Load { attempts, hedges, budget, sustained, per_second, .. } = self.load;
        let stable = percent(self.load.stable());
        if self.load.most() == 1 {
            return format!("1 attempt per call: stable up to {stable} of what it can serve");
        }
        let by_retry = (attempts > 1).then(|| format!("{attempts} by retry"));
        let by_hedge = (hedges > 0).then(|| format!("{hedges} by hedge"));
        let by: Vec<_> = [by_retry, by_hedge].into_iter().flatten().collect();
        let held = match budget {
            true if per_second > 0.0 => {
                let more = number(per_second);
                format!("{sustained:.2} sustained by the budget and {more} a second more")
            }
            true => format!("{sustained:.2} sustained by the budget"),
            false => "and no budget".to_owned(),
        };
        let taken_off = if per_second > 0.0 { " without those" } else { "" };
        format!(
            "at most {} attempts per call ({}), {held}: stable up to {stable} of what it can serve{taken_off}",
            self.load.most(),
            by.join(", "),
        )
    }

    fn budget(&self) -> Option<String> {
        let Load { budget, burst, filled_by_others, .. } = self.load;
        let others = if filled_by_others {
            "; calls that are answered or rejected here fill it too"
        } else {
            ""
        };
        let without = percent(self.load.stable_without_budget());
        budget.then(|| {
            format!(
                "a full budget allows {burst} more at once, no budget would leave {without}{others}"
            )
        })
    }

    fn fewer_endpoints(&self) -> Option<String> {
        let left = percent(self.load.stable_with_one_down(self.endpoints)?);
        Some(format!("with one of its {} endpoints down: stable up to {left}", self.endpoints))
    }

    fn failovers_to(&self) -> Option<String> {
        if self.goes_on_to.is_empty() {
            return None;
        }
        let each = |(name, attempts): &(String, u32)| format!("{name} ({attempts})");
        let others: Vec<_> = self.goes_on_to.iter().map(each).collect();
        Some(format!(
            "without an answer a call goes on to {}: at most {} in all",
            others.join(", then "),
            count(self.most_with_all(), "attempt")
        ))
    }

    fn failovers_from(&self) -> Option<String> {
        (!self.comes_from.is_empty()).then(|| {
            format!(
                "calls to {} may come here on top of its own: at most {} for each",
                list(&self.comes_from),
                count(self.load.most(), "attempt")
            )
        })
    }

    fn waiting(&self) -> String {
        let Wait { deadline, for_equal_calls, .. } = self.wait;
        let Some(headers) = self.wait.until_headers() else {
            return "a caller may wait for ever: there is neither `deadline` nor `attempt_timeout`"
                .into();
        };
        let own = match deadline {
            Some(deadline) if deadline == headers => {
                format!("a caller waits at most {deadline:?} (deadline)")
            }
            Some(deadline) => format!(
                "a caller waits at most {headers:?} for an answer to begin ({}), {deadline:?} for its end \
                 (deadline)",
                self.what_it_waits_for()
            ),
            None => format!(
                "a caller waits at most {headers:?} for an answer to begin ({}), and no deadline ends it",
                self.what_it_waits_for()
            ),
        };
        let equal = if for_equal_calls { "; first perhaps for equal calls" } else { "" };
        let others: Vec<_> = self.goes_on_to.iter().map(|(name, _)| name.as_str()).collect();
        let with_others = match self.wait_with_all {
            _ if others.is_empty() => String::new(),
            Some(all) => format!("; with {} {all:?} for an answer to begin", list(&others)),
            None => format!("; with {} perhaps for ever", list(&others)),
        };
        format!("{own}{equal}{with_others}")
    }

    /// What the time until an answer begins is made of, where that is not the deadline.
    fn what_it_waits_for(&self) -> String {
        if self.wait.by_max_elapsed() == self.wait.until_headers() {
            return "the last attempt begins within max_elapsed".to_owned();
        }
        let Some(parts) = &self.wait.parts else { return String::new() };
        let part = |times: u32, what: &str, each: Duration, rest: &str| {
            (times > 0 && each > Duration::ZERO)
                .then(|| format!("{} of {each:?}{rest}", count(times, what)))
        };
        let parts = [
            part(1, "wait", parts.turn, " for its turn"),
            part(parts.attempts + parts.hedges, "attempt", parts.attempt_timeout, ""),
            part(parts.attempts, "wait", parts.queue, " in the queue"),
            part(parts.attempts - 1, "pause", parts.pause, ""),
        ];
        list(&parts.into_iter().flatten().collect::<Vec<_>>())
    }

    fn hanging(&self) -> Option<String> {
        let (begin, attempts) = (self.wait.attempts_that_hang, self.load.attempts);
        (begin < attempts).then(|| {
            format!("while it does not answer at all, {begin} of the {attempts} attempts by retry can begin")
        })
    }

    fn slots(&self) -> String {
        let Concurrency { limit, filled_by, .. } = self.concurrency;
        let Some(limit) = limit else {
            let example = self.seconds_that_hang().map(|seconds| {
                format!(": of 100 calls a second that hang, {}", number(100.0 * seconds))
            });
            return format!(
                "nothing limits how many attempts run at once{}",
                example.unwrap_or_default()
            );
        };
        let filled = filled_by.map(|it| format!(": {} a second that hang fill that", number(it)));
        format!("at most {} at once{}", count(limit, "attempt"), filled.unwrap_or_default())
    }

    fn queue(&self) -> Option<String> {
        let Concurrency { queue, queue_wait, queue_is_served, .. } = self.concurrency;
        let served = about(queue_is_served?);
        Some(format!(
            "{queue} more may wait {queue_wait:?}: the last has its turn in time if attempts take no \
             more than {served:?}"
        ))
    }

    fn rate(&self) -> Option<String> {
        let rate = self.concurrency.rate?;
        let (calls, sustained, most) =
            (number(rate.calls), number(rate.sustained), number(rate.most));
        let attempts = if sustained == most {
            format!("{most} attempts")
        } else {
            format!("{sustained} attempts sustained, {most} where more calls come")
        };
        let enough = rate
            .slots_are_enough
            .map(|it| format!("; its slots are enough while they take {:?} on average", about(it)));
        Some(format!(
            "the rate limit lets in {calls} calls a second: at most {attempts}{}",
            enough.unwrap_or_default()
        ))
    }
}
