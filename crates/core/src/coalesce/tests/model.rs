//! Long random traces against a model that is too simple to be wrong: all calls in one list.

use super::*;
use crate::trials::traces;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Op {
    Join(u64),
    Look(usize),
    GiveUp(usize),
    Finished(usize),
    Lost(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..3_u64).prop_map(Op::Join),
        3 => any::<usize>().prop_map(Op::Look),
        2 => any::<usize>().prop_map(Op::GiveUp),
        2 => any::<usize>().prop_map(Op::Finished),
        2 => any::<usize>().prop_map(Op::Lost),
    ]
}

/// What a call is: in the list in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Leads,
    Follows,
    /// It leads after another one, and does not know it yet.
    Chosen,
    Shares,
    Gone,
}

#[derive(Debug, Default)]
struct Model {
    calls: Vec<(u64, Fate)>,
    woken: Vec<usize>,
}

impl Model {
    fn with<'a>(&'a self, key: u64, fate: Fate) -> impl Iterator<Item = usize> + 'a {
        (0..self.calls.len()).filter(move |call| self.calls[*call] == (key, fate))
    }

    fn join(&mut self, key: u64, most: usize) -> Fate {
        let leads = self.with(key, Fate::Leads).chain(self.with(key, Fate::Chosen)).count();
        assert!(leads <= 1, "one leader");
        let fate = match leads {
            0 => Fate::Leads,
            _ if self.with(key, Fate::Follows).count() < most => Fate::Follows,
            _ => Fate::Gone,
        };
        self.calls.push((key, fate));
        self.woken.push(0);
        fate
    }

    fn finished(&mut self, call: usize) -> usize {
        let followers: Vec<_> = self.with(self.calls[call].0, Fate::Follows).collect();
        for follower in &followers {
            self.calls[*follower].1 = Fate::Shares;
            self.woken[*follower] += 1;
        }
        self.calls[call].1 = Fate::Gone;
        followers.len()
    }

    fn lost(&mut self, call: usize) {
        self.calls[call].1 = Fate::Gone;
        let next = self.with(self.calls[call].0, Fate::Follows).next();
        if let Some(next) = next {
            self.calls[next].1 = Fate::Chosen;
            self.woken[next] += 1;
        }
    }
}

#[derive(Default)]
struct Held {
    leads: Vec<(usize, Lead<u64>)>,
    follows: Vec<(usize, Follows)>,
    bells: Vec<Option<Arc<Bell>>>,
}

fn step(groups: &Calls, model: &mut Model, held: &mut Held, most: u32, op: Op) {
    let any = |of: usize, index: usize| index % of.max(1);
    match op {
        Op::Join(key) => {
            let call = model.calls.len();
            let expected = model.join(key, most as usize);
            let bell = match groups.join(key) {
                Joined::Lead(lead) => {
                    assert_eq!(expected, Fate::Leads);
                    held.leads.push((call, lead));
                    None
                }
                Joined::Follow(ticket) => {
                    assert_eq!(expected, Fate::Follows);
                    let bell = Bell::new();
                    assert!(!groups.listen(&ticket, &bell.clone().into()));
                    held.follows.push((call, Follows { ticket, bell: bell.clone() }));
                    Some(bell)
                }
                Joined::Apart => {
                    assert_eq!(expected, Fate::Gone);
                    None
                }
            };
            held.bells.push(bell);
        }
        Op::Look(index) if !held.follows.is_empty() => {
            let (call, follows) = held.follows.swap_remove(any(held.follows.len(), index));
            let fate = &mut model.calls[call].1;
            match groups.look(follows.ticket) {
                Following::Pending(ticket) => {
                    assert_eq!(*fate, Fate::Follows);
                    held.follows.push((call, Follows { ticket, bell: follows.bell }));
                }
                Following::Shared(result) => {
                    assert_eq!((*fate, result), (Fate::Shares, "result"));
                    *fate = Fate::Gone;
                }
                Following::Lead(lead) => {
                    assert_eq!(*fate, Fate::Chosen);
                    *fate = Fate::Leads;
                    held.leads.push((call, lead));
                }
            }
        }
        Op::GiveUp(index) if !held.follows.is_empty() => {
            let (call, follows) = held.follows.swap_remove(any(held.follows.len(), index));
            match model.calls[call].1 {
                Fate::Chosen => model.lost(call),
                _ => model.calls[call].1 = Fate::Gone,
            }
            groups.give_up(follows.ticket);
        }
        Op::Finished(index) if !held.leads.is_empty() => {
            let (call, lead) = held.leads.swap_remove(any(held.leads.len(), index));
            assert_eq!(groups.finished(lead, "result"), model.finished(call));
        }
        Op::Lost(index) if !held.leads.is_empty() => {
            let (call, lead) = held.leads.swap_remove(any(held.leads.len(), index));
            model.lost(call);
            groups.lost(lead);
        }
        _ => {}
    }
}

fn compare(groups: &Calls, model: &Model, held: &Held) {
    let seen = groups.snapshot();
    let count =
        |fates: &[Fate]| model.calls.iter().filter(|(_, fate)| fates.contains(fate)).count() as u64;
    assert_eq!(seen.waiting, count(&[Fate::Follows]));
    assert_eq!(seen.groups, count(&[Fate::Leads, Fate::Chosen]), "one for each leader");
    for (bell, woken) in held.bells.iter().zip(&model.woken) {
        assert_eq!(bell.as_ref().map_or(0, |bell| bell.rung()), *woken);
    }
}

proptest! {
    #![proptest_config(traces(2000))]

    #[test]
    fn traces_show_what_the_model_shows(
        most in 1..5_u32,
        ops in proptest::collection::vec(op(), 0..200),
    ) {
        let groups = groups(most);
        let (mut model, mut held) = (Model::default(), Held::default());
        for op in ops {
            step(&groups, &mut model, &mut held, most, op);
            compare(&groups, &model, &held);
        }
        // Nobody is left behind: as long as somebody waits, somebody leads, or is to.
        while !(held.leads.is_empty() && held.follows.is_empty()) {
            let op = if held.leads.is_empty() { Op::GiveUp(0) } else { Op::Lost(0) };
            step(&groups, &mut model, &mut held, most, op);
            compare(&groups, &model, &held);
        }
        assert_eq!(groups.snapshot().groups, 0);
    }
}
