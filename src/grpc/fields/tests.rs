use super::*;
use crate::domain::vocabulary::{Purpose, Stage};
use proptest::prelude::*;

#[test]
fn every_field_that_is_wrong_is_named_at_once() {
    let mut fields = Fields::new();
    let name = fields.offer("name", "agencies/police/offers/x");
    let request_id = fields.request_id("123");
    let stage = fields.word::<Stage>("stage", 99);
    let offers = fields.each("offers", [0, 1, 99], |fields, number| {
        fields.within("parcel", |fields| fields.word::<Purpose>("purpose", number))
    });
    let error = fields
        .all((name, request_id, stage, offers))
        .expect_err("five fields are wrong");
    let paths: Vec<_> = error.0.iter().map(|violation| &*violation.path).collect();
    assert_eq!(
        paths,
        [
            "name",
            "request_id",
            "stage",
            "offers[0].parcel.purpose",
            "offers[2].parcel.purpose"
        ]
    );
}

#[test]
fn a_violation_never_repeats_the_value() {
    let mut fields = Fields::new();
    let name = fields.agency("name", "agencies/Maria Lopez");
    let case = fields.case_handle("case_handle", "Maria Lopez");
    let id = fields.request_id("Maria Lopez");
    let error = fields.all((name, case, id)).expect_err("nothing parses");
    assert!(!format!("{error} {error:?}").contains("Maria"));
}

#[test]
fn violations_are_bounded_and_still_refuse() {
    let mut fields = Fields::new();
    let words = fields.each("labels", 0..1000, |fields, _| {
        fields.word::<Purpose>("purpose", 0)
    });
    let error = fields.all((words,)).expect_err("all are wrong");
    assert_eq!(error.0.len(), VIOLATIONS_MAX);
}

#[test]
fn page_sizes_outside_the_bounds_are_refused() {
    let page = |size| Fields::new().page_size(size, 50, 100);
    assert_eq!(page(0), Some(50));
    assert_eq!(page(1), Some(1));
    assert_eq!(page(100), Some(100));
    assert_eq!(page(101), None);
    assert_eq!(page(-1), None);
    assert_eq!(page(i32::MIN), None);
}

#[test]
fn times_outside_the_calendar_are_refused() {
    let parse = |seconds, nanos| {
        Fields::new().time("decide_by", Some(prost_types::Timestamp { seconds, nanos }))
    };
    assert!(parse(0, 0).is_some());
    assert!(parse(253_402_300_799, 0).is_some());
    for (seconds, nanos) in [
        (-1, 0),
        (0, -1),
        (0, 1_000_000_000),
        (253_402_300_800, 0),
        (i64::MAX, 999_999_999),
        (i64::MIN, 0),
    ] {
        assert_eq!(parse(seconds, nanos), None);
    }
    assert_eq!(Fields::new().time("decide_by", None), None);
}

proptest! {
    #[test]
    fn times_travel_both_ways(millis in 0..=Timestamp::MAX.millis()) {
        let at = Timestamp::from_millis(millis).expect("within the calendar");
        prop_assert_eq!(timestamp(time(at)), Some(at));
    }
}
