use super::*;
use proptest::prelude::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).expect("in range")
}

fn span(days: &[Weekday], from: &str, until: &str) -> Span {
    Span::new(days.to_vec(), from.parse().unwrap(), until.parse().unwrap()).unwrap()
}

fn belgrade(spans: Vec<Span>) -> OpeningHours {
    let offset = "+01:00".parse().unwrap();
    OpeningHours::new(spans, offset, SummerTime::Europe, "Europe/Belgrade".into()).unwrap()
}

/// 2026-11-21 is a Saturday; 21:00 UTC.
const SATURDAY: i64 = 1_795_294_800;

#[test]
fn without_spans_it_is_always_open() {
    assert_eq!(OpeningHours::always().opens(at(SATURDAY)), at(SATURDAY));
}

#[test]
fn a_night_runs_into_the_next_day_and_the_week_into_the_next() {
    let hours = belgrade(vec![span(&[Weekday::Sunday], "20:00", "06:00")]);
    assert_eq!(hours.local(at(SATURDAY)), "SA 22:00");
    // Sunday 20:00 in Belgrade is 19:00 UTC.
    assert_eq!(hours.opens(at(SATURDAY)), at(SATURDAY + 22 * 3600));
    let monday_early = at(SATURDAY + 31 * 3600);
    assert_eq!(hours.local(monday_early), "MO 05:00");
    assert_eq!(hours.opens(monday_early), monday_early);
    let monday = at(SATURDAY + 32 * 3600);
    assert_eq!(hours.opens(monday), at(SATURDAY + (22 + 168) * 3600));
}

#[test]
fn clocks_change_on_the_last_sundays_of_march_and_october() {
    let hours = belgrade(Vec::new());
    for (seconds, shown) in [
        (1_774_745_999, "SU 01:59"), // 2026-03-29 00:59:59 UTC
        (1_774_746_000, "SU 03:00"),
        (1_792_889_999, "SU 02:59"), // 2026-10-25 00:59:59 UTC
        (1_792_890_000, "SU 02:00"),
    ] {
        assert_eq!(hours.local(at(seconds)), shown, "{seconds}");
    }
}

#[test]
fn what_is_not_a_span_is_refused() {
    for wrong in ["", "8:00", "24:01", "12:60", "-1:00", "12:00:00", "0x:00"] {
        assert_eq!(wrong.parse::<Clock>(), Err(HoursError::Time), "{wrong}");
    }
    for wrong in ["", "01:00", "+1:00", "+15:00", "Z", "é1:00"] {
        assert_eq!(wrong.parse::<Offset>(), Err(HoursError::Offset), "{wrong}");
    }
    let [eight, midnight]: [Clock; 2] = ["08:00", "24:00"].map(|text| text.parse().unwrap());
    assert_eq!(
        Span::new(Vec::new(), eight, midnight),
        Err(HoursError::Days)
    );
    let twice = vec![Weekday::Monday, Weekday::Monday];
    assert_eq!(Span::new(twice, eight, midnight), Err(HoursError::Days));
    assert_eq!(
        Span::new(vec![Weekday::Monday], eight, eight),
        Err(HoursError::Empty)
    );
    let zone = OpeningHours::new(Vec::new(), Offset(0), SummerTime::None, "a zone".into());
    assert_eq!(zone, Err(HoursError::Zone));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_opens_within_a_week_and_is_open_then(
        now in 0i64..4_000_000_000,
        day in prop::sample::select(Weekday::ALL),
        from in 0u16..1440,
        until in 0u16..1440,
        offset in -840i16..=840,
    ) {
        prop_assume!(from != until);
        let span = Span::new(vec![day], Clock(from), Clock(until)).unwrap();
        let hours = OpeningHours::new(vec![span], Offset(offset), SummerTime::None, String::new());
        let hours = hours.unwrap();
        let opens = hours.opens(at(now));
        prop_assert!(opens >= at(now) && opens < at(now + 7 * 86_400 + 60));
        prop_assert_eq!(hours.opens(opens), opens);
        let text = Offset(offset).to_string();
        prop_assert_eq!(text.parse::<Offset>(), Ok(Offset(offset)));
    }
}
