//! Against a budget that is filled at every step, whatever happens in it, and knows fractions. (Planted and
//! found: time that counts on though it has been added, a cap that refunds may pass, a step that loses
//! what was left over of its time.)

use crate::Timestamp;
use crate::retry::{Budget, BudgetSettings};
use crate::trials::traces;
use proptest::prelude::*;

/// One repetition, in billionths of millionths.
const ONE: u128 = 1_000_000_000_000_000;
/// The machine counts in millionths, and what is less than one of them waits: it may be so far off.
const OFF: u128 = 2_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Op {
    Deposit,
    Withdraw,
    Refund,
    Look,
    /// Nanoseconds.
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => Just(Op::Deposit),
        8 => Just(Op::Withdraw),
        2 => Just(Op::Refund),
        2 => Just(Op::Look),
        4 => (0..2_000u64).prop_map(Op::Pass),
        4 => (0..3_000_000_000u64).prop_map(Op::Pass),
    ]
}

/// What there is, and what it grows by.
struct Model {
    tokens: u128,
    cap: u128,
    ratio: u128,
    /// In a nanosecond.
    by_time: u128,
}

impl Model {
    fn new(settings: BudgetSettings) -> Self {
        let millionths = |repetitions: f64| (repetitions * 1e6).round() as u128;
        let exact = |repetitions| millionths(repetitions) * (ONE / 1_000_000);
        let cap = exact(settings.cap);
        Self {
            tokens: exact(settings.start).min(cap),
            cap,
            ratio: exact(settings.ratio),
            // A millionth in a second is a billionth of one in a nanosecond.
            by_time: millionths(settings.min_per_second),
        }
    }

    fn add(&mut self, tokens: u128) {
        self.tokens = (self.tokens + tokens).min(self.cap);
    }
}

proptest! {
    #![proptest_config(traces(512))]

    #[test]
    fn it_holds_what_the_model_holds(
        ops in prop::collection::vec(op(), 1..400),
        ratio in prop_oneof![Just(0.0), Just(0.1), 0.0..3.0f64],
        start in 0.0..20.0f64,
        cap in prop_oneof![Just(0.5), 1.0..20.0f64],
        min_per_second in prop_oneof![Just(0.0), 0.0..1e-5f64, 0.0..5.0f64],
    ) {
        let settings = BudgetSettings { ratio, start, cap, min_per_second };
        let mut at = 7;
        let mut model = Model::new(settings);
        let budget = Budget::new(settings, Timestamp::from_nanos(at));
        for op in ops {
            let now = Timestamp::from_nanos(at);
            match op {
                Op::Deposit => {
                    budget.deposit();
                    model.add(model.ratio);
                }
                Op::Refund => {
                    budget.refund();
                    model.add(ONE);
                }
                Op::Withdraw => {
                    let given = budget.withdraw(now);
                    // Where it is about fractions of a millionth the machine may see it either way.
                    if model.tokens.abs_diff(ONE) > OFF {
                        prop_assert_eq!(given, model.tokens >= ONE, "{} left", model.tokens);
                    }
                    if given {
                        model.tokens = model.tokens.saturating_sub(ONE);
                    }
                }
                Op::Look => prop_assert_eq!(budget.left(now), budget.left(now)),
                Op::Pass(nanos) => {
                    at += nanos;
                    model.add(model.by_time * u128::from(nanos));
                }
            }
            let left = budget.left(Timestamp::from_nanos(at));
            let exact = model.tokens as f64 / ONE as f64;
            prop_assert!((left - exact).abs() < 2.5e-6, "{left}, not {exact}");
            prop_assert!(left <= cap + 1e-6);
        }
    }
}
