//! The rules, worked out by hand.

use super::*;
use crate::coalesce::Snapshot;

#[test]
fn those_who_wait_get_what_the_leader_brings_and_those_who_come_later_do_not() {
    let groups = groups(9);
    let first = lead(&groups, 1);
    let followers = [follow(&groups, 1), follow(&groups, 1)];
    assert_eq!(followers[0].ticket.round(), first.round());
    assert_eq!(groups.finished(first, "a"), 2);
    let second = lead(&groups, 1);
    let late = follow(&groups, 1);
    for follower in followers {
        assert_eq!(follower.bell.rung(), 1);
        assert_ne!(follower.ticket.round(), second.round());
        assert_eq!(follower.shares(&groups), "a");
    }
    assert_eq!(late.bell.rung(), 0);
    assert_eq!(groups.finished(second, "b"), 1);
    assert_eq!(late.shares(&groups), "b");
    let expected = Snapshot { led: 2, shared: 3, ..Snapshot::default() };
    assert_eq!(groups.snapshot(), expected, "nothing is kept");
}

#[test]
fn keys_have_nothing_to_do_with_each_other() {
    let groups = groups(9);
    let leads: Vec<_> = (0..100).map(|key| lead(&groups, key)).collect();
    let followers: Vec<_> = (0..100).map(|key| follow(&groups, key)).collect();
    assert_eq!((groups.snapshot().groups, groups.snapshot().waiting), (100, 100));
    let mut rounds: Vec<_> = leads.iter().map(Lead::round).collect();
    rounds.sort_unstable();
    rounds.dedup();
    assert_eq!(rounds.len(), 100, "no two rounds have one number");
    for (key, (lead, follower)) in leads.into_iter().zip(followers).enumerate() {
        assert_eq!(*lead.key(), key as u64);
        assert_eq!(follower.bell.rung(), 0);
        groups.finished(lead, "done");
        assert_eq!(follower.shares(&groups), "done");
    }
    assert_eq!(groups.snapshot().groups, 0);
}

#[test]
fn the_oldest_follower_leads_when_the_leader_is_lost() {
    let groups = groups(9);
    let first = lead(&groups, 1);
    let round = first.round();
    let [a, b, c] = [1, 1, 1].map(|key| follow(&groups, key));
    groups.lost(first);
    assert_eq!([&a, &b, &c].map(|follows| follows.bell.rung()), [1, 0, 0]);
    // It has not looked yet, and leads all the same: nobody else begins.
    let d = follow(&groups, 1);
    let second = a.leads(&groups);
    assert_eq!((second.round(), *second.key()), (round, 1));
    groups.lost(second);
    assert_eq!([&b, &c, &d].map(|follows| follows.bell.rung()), [1, 0, 0]);
    assert_eq!(groups.finished(b.leads(&groups), "late"), 2);
    assert_eq!((c.bell.rung(), d.bell.rung()), (1, 1));
    assert_eq!((c.shares(&groups), d.shares(&groups)), ("late", "late"));
    let expected = Snapshot { led: 1, handed_over: 2, shared: 2, ..Snapshot::default() };
    assert_eq!(groups.snapshot(), expected);
}

#[test]
fn a_lost_leader_without_followers_leaves_nothing() {
    let groups = groups(9);
    groups.lost(lead(&groups, 1));
    assert_eq!(groups.snapshot().groups, 0);
    groups.finished(lead(&groups, 1), "alone");
    assert_eq!(groups.snapshot().groups, 0);
}

#[test]
fn a_follower_that_gives_up_is_passed_over() {
    let groups = groups(9);
    let leader = lead(&groups, 1);
    let [a, b, c] = [1, 1, 1].map(|key| follow(&groups, key));
    groups.give_up(a.ticket);
    groups.lost(leader);
    assert_eq!((a.bell.rung(), b.bell.rung()), (0, 1));
    // It leads, but nobody is there: the next one.
    groups.give_up(b.ticket);
    assert_eq!(c.bell.rung(), 1);
    groups.give_up(c.ticket);
    assert_eq!((groups.snapshot().groups, groups.snapshot().waiting), (0, 0));
}

#[test]
fn one_that_gives_up_after_the_result_changes_nothing() {
    let groups = groups(9);
    let leader = lead(&groups, 1);
    let gone = follow(&groups, 1);
    groups.finished(leader, "a");
    // Another round has begun, whose first follower has the same number.
    let leader = lead(&groups, 1);
    let stays = follow(&groups, 1);
    groups.give_up(gone.ticket);
    assert_eq!(groups.snapshot().waiting, 1);
    assert_eq!(groups.finished(leader, "b"), 1);
    assert_eq!(stays.shares(&groups), "b");
}

#[test]
fn too_many_run_on_their_own() {
    let groups = groups(2);
    let leader = lead(&groups, 1);
    let waiting = [follow(&groups, 1), follow(&groups, 1)];
    assert!(matches!(groups.join(1), Joined::Apart));
    assert_eq!(groups.snapshot().apart, 1);
    let [gone, stays] = waiting;
    groups.give_up(gone.ticket);
    let follows = follow(&groups, 1);
    assert_eq!(groups.finished(leader, "a"), 2);
    assert_eq!((stays.shares(&groups), follows.shares(&groups)), ("a", "a"));
    assert_eq!(Settings::default().followers, 10_000);
}

#[test]
fn one_that_listens_too_late_is_told_so() {
    let groups = groups(9);
    let leader = lead(&groups, 1);
    let Joined::Follow(ticket) = groups.join(1) else { panic!() };
    groups.finished(leader, "a");
    let bell = Bell::new();
    assert!(groups.listen(&ticket, &bell.clone().into()));
    assert_eq!(bell.rung(), 0);
    assert_eq!(Follows { ticket, bell }.shares(&groups), "a");
}

#[test]
fn the_number_of_followers_is_checked() {
    for followers in [0, 1_000_001] {
        let error = Settings { followers }.check().unwrap_err();
        let expected = format!("`followers` is {followers}; give 1 to 1000000");
        assert_eq!(error.to_string(), expected);
    }
    assert!(Settings { followers: 1 }.check().is_ok());
    assert!(Settings { followers: 1_000_000 }.check().is_ok());
}

#[test]
fn a_leader_whose_result_cannot_be_cloned_is_lost() {
    struct Panics;
    impl Clone for Panics {
        fn clone(&self) -> Self {
            panic!("no copies")
        }
    }
    let groups = Groups::<u64, Panics>::new(Settings { followers: 1 });
    let (Joined::Lead(lead), Joined::Follow(follows)) = (groups.join(1), groups.join(1)) else {
        panic!("the first leads and the second follows");
    };
    let finished = std::panic::AssertUnwindSafe(|| groups.finished(lead, Panics));
    assert!(std::panic::catch_unwind(finished).is_err());
    assert!(matches!(groups.look(follows), Following::Lead(_)), "the follower leads");
}
