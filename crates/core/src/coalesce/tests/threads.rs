//! Threads that lead, follow, are lost and give up at random: nobody is left behind.

use super::*;
use crate::SplitMix64;
use crate::trials::FEWER;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many calls lead at this moment, for each key.
type Leading = [AtomicU64; 3];

fn begins(leading: &Leading, lead: &Lead<u64>) {
    let leads = &leading[*lead.key() as usize];
    assert_eq!(leads.fetch_add(1, Ordering::SeqCst), 0, "one leader at a time");
}

fn ends(groups: &Calls, leading: &Leading, lead: Lead<u64>, draw: u64) {
    leading[*lead.key() as usize].fetch_sub(1, Ordering::SeqCst);
    if draw & 1 == 0 {
        groups.lost(lead);
    } else {
        groups.finished(lead, "result");
    }
}

fn at_random(groups: &Calls, leading: &Leading, seed: u64) {
    let mut random = SplitMix64::new(seed);
    let mut leads: Vec<Lead<u64>> = Vec::new();
    let mut waiting: Vec<Follows> = Vec::new();
    for _ in 0..100_000 / FEWER {
        let draw = random.next_u64();
        let index = |of: usize| (draw >> 32) as usize % of;
        match draw & 7 {
            0..3 => match groups.join((draw >> 3) % 3) {
                Joined::Lead(lead) => {
                    begins(leading, &lead);
                    leads.push(lead);
                }
                Joined::Follow(ticket) => {
                    let bell = Bell::new();
                    groups.listen(&ticket, &bell.clone().into());
                    waiting.push(Follows { ticket, bell });
                }
                Joined::Apart => {}
            },
            3..5 if !leads.is_empty() => {
                ends(groups, leading, leads.swap_remove(index(leads.len())), draw >> 8);
            }
            5 if !waiting.is_empty() => {
                groups.give_up(waiting.swap_remove(index(waiting.len())).ticket);
            }
            6.. if !waiting.is_empty() => {
                let Follows { ticket, bell } = waiting.swap_remove(index(waiting.len()));
                match groups.look(ticket) {
                    Following::Pending(ticket) => waiting.push(Follows { ticket, bell }),
                    Following::Shared(result) => assert_eq!(result, "result"),
                    Following::Lead(lead) => {
                        begins(leading, &lead);
                        leads.push(lead);
                    }
                }
            }
            _ => {}
        }
    }
    leads.into_iter().for_each(|lead| ends(groups, leading, lead, 0));
    waiting.into_iter().for_each(|follows| groups.give_up(follows.ticket));
}

#[test]
fn nobody_is_left_behind_when_many_threads_have_ended() {
    const SOME: u64 = 100 / FEWER as u64;
    let groups = groups(5);
    let leading = Leading::default();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (groups, leading) = (&groups, &leading);
            scope.spawn(move || at_random(groups, leading, seed));
        }
    });
    let seen = groups.snapshot();
    assert_eq!((seen.groups, seen.waiting), (0, 0));
    let (led, shared, handed_over) = (seen.led, seen.shared, seen.handed_over);
    assert!(led > 10 * SOME && shared > 10 * SOME && handed_over > SOME, "{seen:?}");
}
