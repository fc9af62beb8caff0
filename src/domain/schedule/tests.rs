use super::*;
use proptest::prelude::*;

/// 2026-06-01T22:30:00Z, the evening of the person who leaves at six.
const EVENING: i64 = 1_780_353_000;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(EVENING + minutes * 60).expect("in range")
}

fn schedule(urgency: Urgency, place_by: i64) -> Schedule {
    Schedule::new(urgency, at(0), Some(at(place_by))).expect("time to ask")
}

/// R7: leaves at 06:00; the first candidate has until 04:30 and is reminded at 04:00, the next until 05:30.
#[test]
fn the_clocks_of_a_person_who_leaves_at_six() {
    let plan = schedule(Urgency::Urgent, 450);
    let first = plan.turn(at(0), None).expect("a turn");
    assert_eq!((first.remind_at, first.decide_by), (at(330), at(360)));
    assert_eq!(first.acknowledge_by, at(120));
    let second = plan.turn(first.decide_by, None).expect("a turn");
    assert_eq!(second.decide_by, at(420));
    assert!(plan.is_last_turn(first.decide_by) && !plan.is_last_turn(at(0)));
    assert_eq!(plan.turn(second.decide_by, None), None);
    assert_eq!(plan.supervisor_by(at(420), Some(at(450))), at(435));
}

#[test]
fn each_urgency_has_its_own_clocks() {
    let minutes = [
        (10, 20, 30, 10),
        (60, 210, 240, 30),
        (240, 1410, 1440, 120),
        (1440, 4080, 4320, 1440),
    ];
    for (&urgency, (acknowledge, remind, decide, supervisor)) in Urgency::ALL.iter().zip(minutes) {
        let plan = Schedule::kept(urgency, None);
        let turn = plan.turn(at(0), None).expect("a turn");
        let expected = Turn {
            acknowledge_by: at(acknowledge),
            remind_at: at(remind),
            decide_by: at(decide),
        };
        assert_eq!(turn, expected);
        assert_eq!(plan.supervisor_by(at(0), None), at(supervisor));
    }
}

#[test]
fn who_leaves_within_the_half_hour_is_told_as_late_as_a_more_urgent_person() {
    // URGENT tells 30 minutes before: too early for somebody who leaves in 25.
    assert_eq!(schedule(Urgency::Urgent, 25).finish, Some(at(20)));
    assert_eq!(schedule(Urgency::Immediate, 7).finish, Some(at(2)));
    assert_eq!(Schedule::new(Urgency::Normal, at(0), Some(at(5))), None);
    assert_eq!(Schedule::new(Urgency::Normal, at(0), Some(at(-60))), None);
}

#[test]
fn a_source_cannot_stretch_the_clock_and_may_cut_it() {
    let plan = Schedule::kept(Urgency::Immediate, None);
    let stretched = plan.turn(at(0), Some(at(10_000))).expect("a turn");
    assert_eq!(stretched.decide_by, at(30));
    let cut = plan.turn(at(0), Some(at(12))).expect("a turn");
    assert_eq!((cut.acknowledge_by, cut.remind_at), (at(4), at(8)));
    assert_eq!(plan.turn(at(0), Some(at(0))), None);
}

#[test]
fn clocks_are_rounded_to_the_minute() {
    let odd = Timestamp::from_millis(EVENING * 1000 + 12_345).expect("in range");
    let turn = Schedule::kept(Urgency::Immediate, None).turn(odd, None);
    assert_eq!(turn.expect("a turn").decide_by.millis() % 60_000, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// R7: turns follow each other to an end, each long enough to be worth asking, none past the time to tell.
    #[test]
    fn turn_after_turn_comes_to_an_end_while_the_person_is_there(
        urgency in prop::sample::select(Urgency::ALL),
        leaves in 6_i64..20_000,
    ) {
        let plan = schedule(urgency, leaves);
        let finish = plan.finish.expect("cut");
        prop_assert!(finish < at(leaves));
        let (mut now, mut turns) = (at(0), 0);
        while let Some(turn) = plan.turn(now, None) {
            prop_assert!(now <= turn.acknowledge_by && turn.acknowledge_by <= turn.remind_at);
            prop_assert!(turn.remind_at <= turn.decide_by && turn.decide_by <= finish);
            let lasted = Duration::from_millis(turn.decide_by.millis().abs_diff(now.millis()));
            let worth = urgency.turn() / 2;
            prop_assert!(lasted >= worth || finish < at(0).plus(worth), "{lasted:?}");
            now = turn.decide_by;
            turns += 1;
            prop_assert!(turns <= 700);
        }
        prop_assert_eq!(now, finish);
    }
}
