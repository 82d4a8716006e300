//! Threads that meet in one cell, in every order.

use super::super::*;
use crate::interleavings::model;
use loom::thread;

fn limit(burst: u32, wait: Option<Duration>) -> Arc<RateLimit> {
    let settings = Settings { burst: Some(burst), wait, ..Settings::new(1.0) };
    Arc::new(RateLimit::new(settings, Timestamp::ZERO))
}

fn ask(limit: &RateLimit) -> Asked {
    limit.ask(Timestamp::ZERO, None, 1, Timestamp::NEVER)
}

#[test]
fn loom_rate_limit_two_ask_for_the_last_one() {
    model("two ask for the last one", || {
        let limit = limit(1, None);
        let other = Arc::clone(&limit);
        let thread = thread::spawn(move || matches!(ask(&other), Asked::Allowed));
        let mine = matches!(ask(&limit), Asked::Allowed);
        let theirs = thread.join().unwrap();
        assert!(mine ^ theirs);
    });
}

#[test]
fn loom_rate_limit_one_gives_up_while_another_comes() {
    model("one gives up while another comes", || {
        let limit = limit(1, Some(Duration::from_secs(9)));
        assert!(matches!(ask(&limit), Asked::Allowed));
        let Asked::Wait(first) = ask(&limit) else { panic!() };
        let other = Arc::clone(&limit);
        let thread = thread::spawn(move || match ask(&other) {
            Asked::Wait(second) => second,
            asked => panic!("{asked:?}"),
        });
        limit.give_up(first, Timestamp::ZERO);
        let second = thread.join().unwrap();
        // Whichever came first, the second one's turn is the first there is.
        assert_eq!(limit.due(&second), Timestamp::ZERO + Duration::from_secs(1));
        limit.give_up(second, Timestamp::ZERO);
        let Asked::Wait(third) = ask(&limit) else { panic!() };
        assert_eq!(limit.due(&third), Timestamp::ZERO + Duration::from_secs(1));
        limit.give_up(third, Timestamp::ZERO);
    });
}

#[test]
fn loom_rate_limit_who_moves_up_learns_of_it() {
    use std::sync::atomic::{AtomicBool, Ordering};
    struct Woken(AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    model("who moves up learns of it", || {
        let limit = limit(1, Some(Duration::from_secs(9)));
        assert!(matches!(ask(&limit), Asked::Allowed));
        let Asked::Wait(first) = ask(&limit) else { panic!() };
        let Asked::Wait(second) = ask(&limit) else { panic!() };
        let other = Arc::clone(&limit);
        let thread = thread::spawn(move || other.give_up(first, Timestamp::ZERO));
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let moved = limit.listen(&second, &Waker::from(Arc::clone(&woken)));
        thread.join().unwrap();
        assert!(moved || woken.0.load(Ordering::Relaxed));
        limit.give_up(second, Timestamp::ZERO);
    });
}
