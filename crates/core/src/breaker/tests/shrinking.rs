//! The driver under a property test, which cuts a failing trace down to what matters.

use super::driver::{Jump, Op, Pair};
use super::sweep::Draw;
use crate::Outcome;
use crate::breaker::Control;
use crate::trials::traces;
use proptest::prelude::*;

fn jump() -> impl Strategy<Value = Jump> {
    let near = -1_i8..=1;
    prop_oneof![
        4 => (0..200_u32).prop_map(Jump::Nanos),
        1 => (0..50_000_000_u32).prop_map(Jump::Nanos),
        3 => near.clone().prop_map(Jump::Due),
        4 => (1..12_u8, near.clone()).prop_map(|(many, near)| Jump::Buckets(many, near)),
        2 => near.prop_map(Jump::SlowCall),
        1 => (0..4_u8).prop_map(Jump::Idle),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
    ];
    prop_oneof![
        20 => Just(Op::Admit),
        1 => Just(Op::AdmitClosed),
        20 => (any::<u8>(), outcome).prop_map(|(index, outcome)| Op::Finish(index, outcome)),
        3 => any::<u8>().prop_map(Op::Cancel),
        3 => any::<u8>().prop_map(Op::ResponseStarted),
        1 => any::<u8>().prop_map(Op::Start),
        1 => proptest::sample::select(&Control::ALL[..]).prop_map(Op::Control),
        1 => Just(Op::Settle),
        12 => jump().prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(traces(500))]

    #[test]
    fn short_traces_show_what_the_model_shows(
        seed in 0..10_000_u64,
        ops in proptest::collection::vec(op(), 0..200),
    ) {
        let plan = Draw::new(seed).plan();
        let mut pair = Pair::new(plan.clone(), seed, true);
        for op in ops {
            if let Err(difference) = pair.step(op) {
                return Err(TestCaseError::fail(format!("{difference}\n{plan:?}")));
            }
        }
    }
}
