//! Models of coalescing: every interleaving of two or three threads, with at most two preemptions.

use super::*;
use crate::interleavings::model;
use loom::thread;

fn check_empty(groups: &Calls) {
    let seen = groups.snapshot();
    assert_eq!((seen.groups, seen.waiting), (0, 0));
}

/// Planted: `give_up` that looked for a verdict before it took the lock. Found: the follower behind
/// waited without a leader.
#[test]
fn a_leader_is_lost_while_its_follower_gives_up() {
    model("lost, give up", || {
        let groups = Arc::new(groups(9));
        let leader = lead(&groups, 1);
        let (gone, stays) = (follow(&groups, 1), follow(&groups, 1));
        let other = groups.clone();
        let gives_up = thread::spawn(move || other.give_up(gone.ticket));
        groups.lost(leader);
        gives_up.join().unwrap();
        assert_eq!(stays.bell.rung(), 1);
        groups.finished(stays.leads(&groups), "a");
        check_empty(&groups);
    });
}

#[test]
fn whoever_joins_at_the_end_shares_or_leads_anew() {
    model("finished, join", || {
        let groups = Arc::new(groups(9));
        let leader = lead(&groups, 1);
        let other = groups.clone();
        let finishes = thread::spawn(move || other.finished(leader, "a"));
        let joined = groups.join(1);
        match joined {
            Joined::Lead(lead) => {
                assert_eq!(finishes.join().unwrap(), 0);
                groups.lost(lead);
            }
            Joined::Follow(ticket) => {
                let bell = Bell::new();
                let decided = groups.listen(&ticket, &bell.clone().into());
                assert_eq!(finishes.join().unwrap(), 1);
                assert_eq!(bell.rung(), usize::from(!decided));
                assert_eq!(Follows { ticket, bell }.shares(&groups), "a");
            }
            Joined::Apart => panic!("there was room"),
        }
        check_empty(&groups);
    });
}

#[test]
fn whoever_joins_a_lost_leader_leads() {
    model("lost, join", || {
        let groups = Arc::new(groups(9));
        let leader = lead(&groups, 1);
        let other = groups.clone();
        let loses = thread::spawn(move || other.lost(leader));
        match groups.join(1) {
            Joined::Lead(lead) => {
                loses.join().unwrap();
                groups.lost(lead);
            }
            Joined::Follow(ticket) => {
                let bell = Bell::new();
                let decided = groups.listen(&ticket, &bell.clone().into());
                loses.join().unwrap();
                assert_eq!(bell.rung(), usize::from(!decided));
                groups.lost(Follows { ticket, bell }.leads(&groups));
            }
            Joined::Apart => panic!("there was room"),
        }
        check_empty(&groups);
    });
}

#[test]
fn a_follower_gives_up_at_the_end() {
    model("finished, give up", || {
        let groups = Arc::new(groups(9));
        let leader = lead(&groups, 1);
        let (gone, stays) = (follow(&groups, 1), follow(&groups, 1));
        let other = groups.clone();
        let gives_up = thread::spawn(move || other.give_up(gone.ticket));
        let shared = groups.finished(leader, "a");
        gives_up.join().unwrap();
        assert!(gone.bell.rung() <= 1 && (1..=2).contains(&shared));
        assert_eq!(stays.bell.rung(), 1);
        assert_eq!(stays.shares(&groups), "a");
        check_empty(&groups);
    });
}

/// The follower looks by itself, of its own accord, while the leader is lost: it leads or waits, and
/// is woken if it waits.
#[test]
fn a_follower_looks_while_the_leader_is_lost() {
    model("lost, look", || {
        let groups = Arc::new(groups(9));
        let leader = lead(&groups, 1);
        let Joined::Follow(ticket) = groups.join(1) else { panic!() };
        let other = groups.clone();
        let loses = thread::spawn(move || other.lost(leader));
        let bell = Bell::new();
        let decided = groups.listen(&ticket, &bell.clone().into());
        match groups.look(ticket) {
            Following::Lead(lead) => {
                loses.join().unwrap();
                groups.lost(lead);
            }
            Following::Pending(ticket) => {
                assert!(!decided);
                loses.join().unwrap();
                assert_eq!(bell.rung(), 1);
                groups.lost(Follows { ticket, bell }.leads(&groups));
            }
            Following::Shared(_) => panic!("nothing was shared"),
        }
        check_empty(&groups);
    });
}
