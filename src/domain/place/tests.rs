use super::*;
use proptest::prelude::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + minutes * 60).expect("in range")
}

#[test]
fn a_group_takes_all_places_or_none() {
    let mut pool = Pool::new(4, 1).expect("a pool");
    assert_eq!(pool.hold(4), Err(PlaceError::NoPlaces));
    assert_eq!(pool.available(), 3);
    assert_eq!(pool.hold(3), Ok(()));
    assert_eq!(pool.take(1), Err(PlaceError::NoPlaces));
    assert_eq!(pool.take_held(3), Ok(()));
    assert_eq!(pool.occupy(3), Ok(()));
    assert_eq!(pool.leave(3), Ok(()));
    assert_eq!((pool.preparing(), pool.available()), (3, 0));
    assert_eq!(pool.finish(4), Err(PlaceError::NotThere));
    assert_eq!(pool.finish(3), Ok(()));
    assert_eq!(pool.available(), 3);
}

#[test]
fn numbers_out_of_range_change_nothing() {
    let mut pool = Pool::new(100, 0).expect("a pool");
    for places in [0, OFFER_PLACES_MAX + 1, u32::MAX] {
        assert_eq!(pool.hold(places), Err(PlaceError::OutOfRange));
        assert_eq!(pool.take(places), Err(PlaceError::OutOfRange));
    }
    assert_eq!(pool.release(u32::MAX), Err(PlaceError::NotThere));
    assert_eq!(
        pool.resize(POOL_PLACES_MAX + 1, 0),
        Err(PlaceError::OutOfRange)
    );
    assert_eq!(Pool::new(1, 2), Err(PlaceError::TooSmall));
    assert_eq!(
        Pool::restore(10, [u32::MAX, u32::MAX, 3, 0], 0),
        Err(PlaceError::TooSmall)
    );
    assert_eq!(pool, Pool::new(100, 0).expect("a pool"));
}

#[test]
fn a_hold_ends_after_two_hours_or_when_the_decision_is_due() {
    assert_eq!(hold_until(at(0), at(30)), at(30));
    assert_eq!(hold_until(at(0), at(600)), at(120));
    // A waiting list outlives its time to decide.
    assert_eq!(hold_until(at(60), at(30)), at(180));
}

#[derive(Debug, Clone)]
enum Op {
    Hold(u32),
    Release(u32),
    Take(u32),
    TakeHeld(u32),
    ReleaseTaken(u32),
    Occupy(u32),
    Leave(u32),
    Finish(u32),
    Resize(u32, u32),
}

fn any_op() -> impl Strategy<Value = Op> {
    let n = || prop_oneof![0..8u32, Just(65), Just(u32::MAX)];
    prop_oneof![
        n().prop_map(Op::Hold),
        n().prop_map(Op::Release),
        n().prop_map(Op::Take),
        n().prop_map(Op::TakeHeld),
        n().prop_map(Op::ReleaseTaken),
        n().prop_map(Op::Occupy),
        n().prop_map(Op::Leave),
        n().prop_map(Op::Finish),
        (n(), n()).prop_map(|(total, closed)| Op::Resize(total, closed)),
    ]
}

proptest! {
    /// Invariant 7: 0 ≤ holds ≤ places at every point.
    #[test]
    fn any_sequence_keeps_the_sum_and_a_refusal_changes_nothing(
        total in 0..20u32,
        ops in prop::collection::vec(any_op(), 0..60),
    ) {
        let mut pool = Pool::new(total, 0).expect("in range");
        for op in ops {
            let before = pool;
            let done = match op {
                Op::Hold(n) => pool.hold(n),
                Op::Release(n) => pool.release(n),
                Op::Take(n) => pool.take(n),
                Op::TakeHeld(n) => pool.take_held(n),
                Op::ReleaseTaken(n) => pool.release_taken(n),
                Op::Occupy(n) => pool.occupy(n),
                Op::Leave(n) => pool.leave(n),
                Op::Finish(n) => pool.finish(n),
                Op::Resize(total, closed) => pool.resize(total, closed),
            };
            if done.is_err() {
                prop_assert_eq!(pool, before);
            }
            let used = [pool.held(), pool.taken(), pool.occupied(), pool.preparing(), pool.closed()];
            let used: u64 = used.into_iter().map(u64::from).sum();
            prop_assert!(used <= u64::from(pool.total()));
            prop_assert_eq!(used + u64::from(pool.available()), u64::from(pool.total()));
        }
    }
}
