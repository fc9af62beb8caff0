use super::*;
use crate::domain::directory::Interpreter;
use proptest::prelude::*;

fn id(text: &str) -> AgencyId {
    text.parse().expect("an id")
}

fn tags(texts: &[&str]) -> Vec<Tag> {
    let tags = texts.iter().map(|text| text.parse());
    tags.map(|tag| tag.expect("a tag")).collect()
}

fn languages(texts: &[&str]) -> Vec<Language> {
    let languages = texts.iter().map(|text| text.parse());
    languages
        .map(|language| language.expect("a language"))
        .collect()
}

const fn member(age: u8, gender: PlacementGender) -> Member {
    Member {
        age_from: age,
        age_to: age,
        gender,
    }
}

const WOMAN: PlacementGender = PlacementGender::Woman;
const MAN: PlacementGender = PlacementGender::Man;

/// Samira of scenario B: Arabic, a woman interpreter, no police, no registration.
fn samira() -> Needs {
    Needs {
        purpose: Purpose::SafeAccommodation,
        group: vec![member(31, WOMAN)],
        settings: Vec::new(),
        languages: languages(&["ar"]),
        interpreter_gender: Some(WOMAN),
        accessibility: Vec::new(),
        areas: tags(&["BELGRADE"]),
        now: now(),
        place_by: None,
        leaves_soon: false,
        excluded: Vec::new(),
        refused_reports: vec![ReportsTo::Police],
        refused_requirements: vec![Requirement::AsylumRegistration],
    }
}

fn house(name: &str) -> Candidate {
    Candidate {
        agency: id(name),
        parent: None,
        facts: AgencyFacts {
            purposes: vec![Purpose::SafeAccommodation],
            settings: tags(&["FAMILY_ROOM"]),
            languages: languages(&["sr"]),
            interpreters: vec![Interpreter {
                language: "ar".parse().expect("a language"),
                gender: WOMAN,
            }],
            areas: tags(&["BELGRADE"]),
            ..AgencyFacts::default()
        },
        duties_stated: true,
        capacity: declared(DeclaredCapacity::Places),
    }
}

/// 2026-11-21, a Saturday, 01:40 UTC.
fn now() -> Timestamp {
    Timestamp::from_seconds(1_795_225_200).expect("in range")
}

fn declared(capacity: DeclaredCapacity) -> Option<Declared> {
    let at = now().minus(Duration::from_secs(600));
    Some(Declared { capacity, at })
}

/// The town of the scenarios, as far as beds go.
fn town() -> Vec<Candidate> {
    let mut house1 = house("house1");
    house1.facts.genders = vec![WOMAN];
    house1.facts.boys_up_to = Some(12);
    house1.capacity = declared(DeclaredCapacity::Few);
    let house2 = house("house2");
    let mut camp = house("camp");
    camp.parent = Some(id("state"));
    camp.facts.reports_to = vec![ReportsTo::Police];
    camp.facts.requires = vec![Requirement::AsylumRegistration];
    vec![house1, house2, camp]
}

fn fitting(ranking: &Ranking) -> Vec<&str> {
    ranking.fit.iter().map(|one| one.agency.as_str()).collect()
}

#[test]
fn who_has_a_duty_that_the_person_refused_is_set_apart_with_it() {
    let ranking = rank(&samira(), &town());
    assert_eq!(fitting(&ranking), ["house2", "house1"]);
    let [apart] = &ranking.apart[..] else {
        panic!("one apart: {ranking:?}")
    };
    assert_eq!(apart.agency, id("camp"));
    let words: Vec<_> = apart.duties.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "reports to the police",
            "requires registration as an asylum seeker"
        ]
    );
}

#[test]
fn whoever_refuses_nothing_sees_the_duties_weigh_and_be_told() {
    let mut needs = samira();
    needs.refused_reports.clear();
    needs.refused_requirements.clear();
    let ranking = rank(&needs, &town());
    assert_eq!(fitting(&ranking), ["house2", "camp", "house1"]);
    let camp = &ranking.fit[1];
    assert!(camp.reasons.contains(&"reports to the police".to_owned()));
    assert!(ranking.fit[0].score > camp.score);
}

#[test]
fn an_excluded_authority_takes_its_units_along_and_leaves_no_trace() {
    let mut needs = samira();
    needs.excluded = vec![id("state"), id("house2")];
    let ranking = rank(&needs, &town());
    assert_eq!(fitting(&ranking), ["house1"]);
    assert!(ranking.apart.is_empty() && ranking.unfit.is_empty());
}

#[test]
fn a_group_is_judged_as_a_whole() {
    // Scenario C: Karim, Laila, Omid and Zahra.
    let mut needs = samira();
    needs.interpreter_gender = None;
    needs.group = vec![
        member(41, MAN),
        member(36, WOMAN),
        member(15, MAN),
        member(9, WOMAN),
    ];
    let ranking = rank(&needs, &town());
    assert_eq!(fitting(&ranking), ["house2"]);
    assert_eq!(ranking.unfit[0].agency, id("house1"));
    assert_eq!(
        ranking.unfit[0].why,
        ["takes boys up to 12: 2 may be older"]
    );
    // Laila with Zahra and a small boy may come.
    needs.group = vec![member(36, WOMAN), member(9, WOMAN), member(12, MAN)];
    assert_eq!(fitting(&rank(&needs, &town())), ["house2", "house1"]);
    // In doubt about his age he is not placed as a small boy.
    needs.group[2].age_to = 14;
    assert_eq!(fitting(&rank(&needs, &town())), ["house2"]);
}

#[test]
fn every_obstacle_is_explained() {
    let mut candidate = house("house3");
    candidate.capacity = declared(DeclaredCapacity::Waitlist);
    (candidate.facts.age_from, candidate.facts.age_to) = (12, 17);
    candidate.facts.genders = vec![MAN];
    let needs = Needs {
        settings: tags(&["SINGLE_ROOM"]),
        languages: languages(&["ar", "fr"]),
        interpreter_gender: Some(MAN),
        accessibility: tags(&["STEP_FREE"]),
        areas: tags(&["SID"]),
        leaves_soon: true,
        ..samira()
    };
    let ranking = rank(&needs, &[candidate]);
    assert_eq!(
        ranking.unfit[0].why,
        [
            "has a waiting list, and the person leaves soon",
            "takes nobody over 17: 1 may be older",
            "is meant for others: 1 of the group not taken",
            "has none of the settings that suit",
            "does not serve the area",
            "is not accessible: STEP_FREE",
            "has no man interpreter for ar",
            "does not understand fr",
        ]
    );
    let doctor = Needs {
        purpose: Purpose::MedicalCare,
        ..samira()
    };
    let ranking = rank(&doctor, &[house("house1")]);
    assert_eq!(ranking.unfit[0].why, ["does not offer MEDICAL_CARE"]);
}

#[test]
fn a_man_and_a_woman_who_need_the_same_are_ranked_the_same() {
    let mut needs = samira();
    let houses = [house("house1"), house("house2")];
    let woman = rank(&needs, &houses);
    needs.group = vec![member(31, MAN)];
    assert_eq!(rank(&needs, &houses), woman);
}

#[test]
fn an_old_word_about_places_counts_as_none_and_is_shown_with_its_age() {
    let mut old = house("house1");
    let at = now().minus(Duration::from_secs(14 * 3600));
    let capacity = DeclaredCapacity::None;
    old.capacity = Some(Declared { capacity, at });
    let mut silent = house("house2");
    silent.capacity = None;
    let ranking = rank(&samira(), &[silent, old, house("house3")]);
    assert_eq!(fitting(&ranking), ["house3", "house1", "house2"]);
    assert_eq!(
        ranking.fit[0].reasons[0],
        "says that it has places (10 min ago)"
    );
    let told = "says that it has no places, but 14 hours ago: too old to count";
    assert_eq!(ranking.fit[1].reasons[0], told);
}

#[test]
fn whoever_is_closed_ranks_lower_and_is_no_answer_for_tonight_when_it_opens_too_late() {
    use crate::domain::hours::{OpeningHours, Span};
    use crate::domain::vocabulary::{SummerTime, Weekday};
    let [eight, six] = ["08:00", "18:00"].map(|text| text.parse().expect("a time"));
    let span = Span::new(Weekday::ALL.to_vec(), eight, six).expect("a span");
    let offset = "+01:00".parse().expect("an offset");
    let open = OpeningHours::new(vec![span], offset, SummerTime::Europe, String::new());
    let mut closed = house("house1");
    closed.facts.open = open.expect("hours");
    let mut silent = house("house2");
    silent.capacity = None;
    let houses = [closed, silent, house("house3")];
    let ranking = rank(&samira(), &houses);
    assert_eq!(fitting(&ranking), ["house3", "house1", "house2"]);
    let reason = "takes nobody in now: opens SA 08:00 its time".to_owned();
    assert!(ranking.fit[1].reasons.contains(&reason), "{ranking:?}");
    // IMMEDIATE: an open door counts for more, and whoever opens too late is no candidate.
    let mut needs = samira();
    needs.place_by = Some(now().plus(Duration::from_secs(8 * 3600)));
    assert_eq!(
        fitting(&rank(&needs, &houses)),
        ["house3", "house2", "house1"]
    );
    needs.place_by = Some(now().plus(Duration::from_secs(30 * 60)));
    let ranking = rank(&needs, &houses);
    assert_eq!(fitting(&ranking), ["house3", "house2"]);
    let why = "takes nobody in before SA 08:00 its time, and the place is needed sooner";
    assert_eq!(ranking.unfit[0].why, [why]);
}

/// R11.
#[test]
fn in_doubt_about_age_a_person_is_matched_as_a_child() {
    let mut children = house("home");
    (children.facts.age_from, children.facts.age_to) = (12, 17);
    let mut adults = house("hostel");
    adults.facts.age_from = 18;
    let houses = [children, adults, house("house2")];
    let mut needs = samira();
    needs.group = vec![Member {
        age_from: 16,
        age_to: 20,
        gender: MAN,
    }];
    let ranking = rank(&needs, &houses);
    assert_eq!(fitting(&ranking), ["home", "house2"]);
    assert_eq!(
        ranking.unfit[0].why,
        ["takes nobody under 18: 1 may be younger"]
    );
    let told = |one: &Ranked| {
        one.reasons
            .iter()
            .any(|reason| reason.contains("as a child"))
    };
    assert!(ranking.fit.iter().all(told));
    needs.group[0].age_from = 18;
    assert_eq!(fitting(&rank(&needs, &houses)), ["hostel", "house2"]);
}

/// R2: silence about duties is not taken for none.
#[test]
fn whoever_has_not_said_its_duties_is_set_apart_from_who_refused_any() {
    let mut silent = house("house1");
    silent.duties_stated = false;
    let ranking = rank(&samira(), &[silent.clone(), house("house2")]);
    assert_eq!(fitting(&ranking), ["house2"]);
    assert_eq!(ranking.apart[0].duties, [Duty::Unstated]);
    let mut needs = samira();
    needs.refused_reports.clear();
    needs.refused_requirements.clear();
    let ranking = rank(&needs, &[silent, house("house2")]);
    assert_eq!(fitting(&ranking), ["house2", "house1"]);
    assert!(ranking.fit[1].reasons.contains(&Duty::Unstated.to_string()));
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let capacity = prop::option::of(prop::sample::select(DeclaredCapacity::ALL));
    let reports = prop::collection::vec(prop::sample::select(ReportsTo::ALL), 0..3);
    let requires = prop::collection::vec(prop::sample::select(Requirement::ALL), 0..3);
    let boys = prop::option::of(0u8..18);
    ("[a-d][0-9]", capacity, reports, requires, boys).prop_map(
        |(name, capacity, reports_to, requires, boys_up_to)| {
            let mut candidate = house(&name);
            candidate.capacity = capacity.and_then(declared);
            candidate.facts.reports_to = reports_to;
            candidate.facts.requires = requires;
            candidate.facts.boys_up_to = boys_up_to;
            candidate
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_ranking_does_not_depend_on_the_order_of_candidates(
        candidates in prop::collection::btree_map("[a-d][0-9]", any_candidate(), 0..8),
        age in 0u8..60,
    ) {
        let needs = Needs { group: vec![member(age, MAN)], ..samira() };
        let mut candidates: Vec<_> = candidates
            .into_iter()
            .map(|(name, candidate)| Candidate { agency: id(&name), ..candidate })
            .collect();
        let ranking = rank(&needs, &candidates);
        candidates.reverse();
        prop_assert_eq!(&ranking, &rank(&needs, &candidates));
        let judged = ranking.fit.len() + ranking.apart.len() + ranking.unfit.len();
        prop_assert_eq!(judged, candidates.len());
    }

    /// Invariant 15, in the desk: refusing and excluding more never adds a candidate.
    #[test]
    fn refusing_more_only_shrinks_what_fits(
        candidates in prop::collection::vec(any_candidate(), 0..8),
        reports in prop::collection::vec(prop::sample::select(ReportsTo::ALL), 0..3),
    ) {
        let needs = samira();
        let mut stricter = needs.clone();
        stricter.refused_reports.extend(reports);
        stricter.excluded = candidates.iter().take(1).map(|one| one.agency.clone()).collect();
        let before = rank(&needs, &candidates);
        let after = rank(&stricter, &candidates);
        for one in &after.fit {
            prop_assert!(before.fit.contains(one));
        }
    }
}
