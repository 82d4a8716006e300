//! The table of a fault.

use super::check::placed;
use crate::simulate::Effect;
use breakerbox::config::{self, Located, Reader, boolean, duration, integer, number, rate, text};
use std::time::Duration;

config::table! {
    /// Something goes wrong for some time: one of the effects.
    pub(super) struct FaultTable {
        /// When.
        at: Duration = duration(), required "add for example `at = \"60s\"`";
        /// For how long.
        r#for: Duration = duration(), optional "for `flush_cache`: it happens at once";
        /// It comes, and goes, within this time.
        ramp: Duration = duration(), default "0s";
        /// Which service.
        service: String = text(), required "name a service";
        /// Which endpoint of each shard, from 0.
        endpoint: u32 = integer(0..=999), optional "all";
        /// Which shard, from 0.
        shard: u32 = integer(0..=999), optional "all";
        /// Only messages from this client or service: for `latency`, `loss` and `partition`.
        from: String = text(), optional "all";
        /// Requests take so many times as long.
        slow: f64 = number(1.0..=1e6), optional;
        /// Requests take so much longer.
        slow_by: Duration = duration().above_zero(), optional;
        /// There is so much of the capacity left.
        capacity: f64 = rate(), optional;
        /// So many requests fail at once.
        errors: f64 = rate(), optional;
        /// The HTTP status of `errors`.
        status: u16 = integer(400..=599), optional "503";
        /// Requests disappear.
        black_hole: bool = boolean(), optional;
        /// Nothing moves; then it goes on where it was.
        stall: bool = boolean(), optional;
        /// It is not there; what it was doing is lost.
        kill: bool = boolean(), optional;
        /// What it has kept is lost.
        flush_cache: bool = boolean(), optional;
        /// Messages take so much longer, in each direction.
        latency: Duration = duration().above_zero(), optional;
        /// So many messages are lost, in each direction.
        loss: f64 = rate(), optional;
        /// All messages are lost.
        partition: bool = boolean(), optional;
    }
}

/// A fault whose service has not been looked up yet.
#[derive(Clone, Debug)]
pub(super) struct DraftFault {
    pub(super) at: f64,
    pub(super) lasts: f64,
    pub(super) ramp: f64,
    pub(super) service: Located<String>,
    pub(super) endpoint: Option<u32>,
    pub(super) shard: Option<u32>,
    pub(super) from: Option<Located<String>>,
    pub(super) effect: Effect,
}

/// What happens at once has no length, so nothing is during it.
const AT_ONCE: f64 = 0.0;

pub(super) fn fault(table: Located<FaultTable>, reader: &mut Reader) -> Option<DraftFault> {
    let (span, table) = (table.span, table.value);
    let seconds = |it: Duration| it.as_secs_f64();
    let yes = |given: Option<bool>| given.unwrap_or(false);
    let status = table.status.optional()?;
    let mut effects = Vec::new();
    effects.extend(table.slow.optional()?.map(Effect::Slow));
    effects.extend(table.slow_by.optional()?.map(|it| Effect::SlowBy(seconds(it))));
    effects.extend(table.capacity.optional()?.map(Effect::Capacity));
    let errors = table.errors.optional()?;
    effects.extend(errors.map(|share| Effect::Errors { share, status: status.unwrap_or(503) }));
    effects.extend(yes(table.black_hole.optional()?).then_some(Effect::BlackHole));
    effects.extend(yes(table.stall.optional()?).then_some(Effect::Stall));
    effects.extend(yes(table.kill.optional()?).then_some(Effect::Kill));
    effects.extend(yes(table.flush_cache.optional()?).then_some(Effect::FlushCache));
    effects.extend(table.latency.optional()?.map(|it| Effect::Latency(seconds(it))));
    effects.extend(table.loss.optional()?.map(Effect::Loss));
    effects.extend(yes(table.partition.optional()?).then_some(Effect::Loss(1.0)));
    let names = "slow, slow_by, capacity, errors, black_hole, stall, kill, flush_cache, latency, loss and \
                 partition";
    let &[effect] = effects.as_slice() else {
        let message = if effects.is_empty() {
            "the fault does nothing"
        } else {
            "the fault does several things"
        };
        reader.error(span, message, format!("give one of {names}; for more write more faults"));
        return None;
    };
    if status.is_some() && errors.is_none() {
        reader.error(span, "`status` is that of `errors`, and there are none", "leave it out");
        return None;
    }
    let from = placed(table.from)?;
    if let Some(from) = &from
        && !matches!(effect, Effect::Latency(_) | Effect::Loss(_))
    {
        let fix = "leave it out, or make the fault one of `latency`, `loss` or `partition`";
        reader.error(from.span, "`from` is for what happens to messages on their way", fix);
        return None;
    }
    let ramp = seconds(table.ramp.required()?);
    if ramp > 0.0
        && matches!(effect, Effect::BlackHole | Effect::Stall | Effect::Kill | Effect::FlushCache)
    {
        let fix = "leave `ramp` out";
        reader.error(span, "the fault is there or not, so it has no ramp", fix);
        return None;
    }
    let lasts = match (table.r#for.optional()?, effect) {
        (Some(lasts), _) if !lasts.is_zero() => seconds(lasts),
        (None, Effect::FlushCache) => AT_ONCE,
        _ => {
            reader.error(span, "the fault does not last", "add for example `for = \"30s\"`");
            return None;
        }
    };
    if 2.0 * ramp > lasts {
        reader.error(
            span,
            "the fault ends before it is all there",
            "make `for` at least twice `ramp`",
        );
        return None;
    }
    Some(DraftFault {
        at: seconds(table.at.required()?),
        lasts,
        ramp,
        service: placed(table.service)??,
        endpoint: table.endpoint.optional()?,
        shard: table.shard.optional()?,
        from,
        effect,
    })
}
