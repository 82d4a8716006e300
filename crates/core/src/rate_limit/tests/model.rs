//! Long random traces: never more than the limit, in order, and nothing lost.

use super::super::*;
use crate::SplitMix64;
use crate::trials::traces;
use proptest::prelude::*;
use std::collections::VecDeque;

/// A bucket of tokens, too simple to be wrong: it counts in nanoseconds.
struct Bucket {
    /// Time that has been given out beyond the present.
    paid: u64,
    interval: u64,
    burst: u64,
    waiting: VecDeque<(u64, u64)>,
}

impl Bucket {
    /// When a call of this weight may go, and takes it.
    fn take(&mut self, now: u64, weight: u64) -> u64 {
        self.paid = self.paid.max(now) + weight * self.interval;
        self.paid.saturating_sub(self.burst * self.interval).max(now)
    }
}

proptest! {
    #![proptest_config(traces(256))]

    #[test]
    fn it_does_what_a_bucket_of_tokens_does(
        seed: u64,
        rate in 1_u32..2000,
        burst in 1_u32..20,
        wait_millis in 0_u64..500,
    ) {
        let mut random = SplitMix64::new(seed);
        let wait = (wait_millis > 0).then(|| Duration::from_millis(wait_millis));
        let settings = Settings { burst: Some(burst), wait, ..Settings::new(f64::from(rate)) };
        let limit = RateLimit::new(settings.check().unwrap(), Timestamp::ZERO);
        let interval = settings.interval();
        let mut model =
            Bucket { paid: 0, interval, burst: u64::from(burst), waiting: VecDeque::new() };
        let mut tickets: VecDeque<(u64, Ticket)> = VecDeque::new();
        let (mut now, mut number) = (0_u64, 0_u64);
        let mut admitted: Vec<(u64, u64)> = Vec::new();
        for _ in 0..300 {
            now += random.next_u64() % (3 * interval);
            let at = Timestamp::from_nanos(now);
            // Whoever's turn has come takes it, in order.
            while let Some((id, ticket)) = tickets.pop_front() {
                match limit.look(ticket, at) {
                    Ok(()) => {
                        let (expected, weight) = model.waiting.pop_front().unwrap();
                        prop_assert!(expected <= now, "{expected} {now} {id}");
                        admitted.push((expected, weight));
                    }
                    Err(ticket) => {
                        prop_assert_eq!(limit.due(&ticket).as_nanos(), model.waiting[0].0);
                        tickets.push_front((id, ticket));
                        break;
                    }
                }
            }
            if random.next_u64().is_multiple_of(5) && !tickets.is_empty() {
                let place = (random.next_u64() % tickets.len() as u64) as usize;
                let (_, ticket) = tickets.remove(place).unwrap();
                limit.give_up(ticket, at);
                let (_, weight) = model.waiting.remove(place).unwrap();
                for behind in model.waiting.iter_mut().skip(place) {
                    behind.0 = behind.0.saturating_sub(weight * interval).max(now.min(behind.0));
                }
                model.paid = model.paid.saturating_sub(weight * interval);
                continue;
            }
            let weight = 1 + random.next_u64() % u64::from(burst);
            let before = model.paid;
            let due = model.take(now, weight);
            let waits = wait.is_some_and(|wait| due - now <= wait.as_nanos() as u64);
            number += 1;
            match limit.ask(at, None, weight as u32, Timestamp::NEVER) {
                Asked::Allowed => {
                    prop_assert_eq!(due, now);
                    admitted.push((now, weight));
                }
                Asked::Wait(ticket) => {
                    prop_assert!(waits && due > now);
                    prop_assert_eq!(limit.due(&ticket).as_nanos(), due);
                    tickets.push_back((number, ticket));
                    model.waiting.push_back((due, weight));
                }
                Asked::Limited { retry_after } => {
                    prop_assert!(due > now && !waits);
                    prop_assert_eq!(retry_after.unwrap().as_nanos() as u64, due - now);
                    model.paid = before;
                }
            }
        }
        // In no stretch of time more than the burst and what the rate gives.
        admitted.sort_unstable();
        for (first, (start, _)) in admitted.iter().enumerate() {
            let mut weight = 0;
            for (time, own) in &admitted[first..] {
                weight += own;
                let most = u64::from(burst) + (time - start) / interval;
                prop_assert!(weight <= most, "{weight} of {most} from {start} to {time}");
            }
        }
    }
}
