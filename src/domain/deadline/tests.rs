use super::*;

const NOW: i64 = 1_700_000_040;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_seconds(NOW + minutes * 60).expect("in range")
}

#[test]
fn each_urgency_has_its_own_clocks() {
    let minutes = [(10, 30), (60, 240), (240, 1440), (1440, 4320)];
    for (&urgency, (acknowledge, decide)) in Urgency::ALL.iter().zip(minutes) {
        let due = decide_by(urgency, at(0), None, None);
        assert_eq!(due, at(decide).coarse(CLOCK_STEP));
        let acknowledged = acknowledge_by(urgency, at(0), due);
        assert_eq!(acknowledged, at(acknowledge).coarse(CLOCK_STEP));
    }
}

#[test]
fn the_clock_is_cut_by_when_the_person_leaves() {
    let due = decide_by(Urgency::Urgent, at(0), Some(at(300)), Some(at(90)));
    assert_eq!(due, at(90).coarse(CLOCK_STEP));
    assert_eq!(acknowledge_by(Urgency::Urgent, at(0), due), due);
}

#[test]
fn a_source_cannot_stretch_the_clock() {
    let due = decide_by(Urgency::Immediate, at(0), Some(at(10_000)), None);
    assert_eq!(due, at(30).coarse(CLOCK_STEP));
}

#[test]
fn a_time_already_past_is_due_at_once() {
    let due = decide_by(Urgency::Normal, at(0), Some(at(-60)), None);
    assert_eq!(due, at(0).coarse(CLOCK_STEP));
}

#[test]
fn clocks_are_rounded_to_the_minute() {
    let odd = Timestamp::from_millis(NOW * 1000 + 12_345).expect("in range");
    let due = decide_by(Urgency::Immediate, odd, None, None);
    assert_eq!(due.millis() % 60_000, 0);
}
