use super::*;

fn language(tag: &str) -> Language {
    tag.parse().expect("a tag")
}

#[test]
fn a_language_is_matched_by_its_primary_tag_unless_both_say_more() {
    assert!(language("ar").serves(&language("ar-SY")));
    assert!(language("AR-sy").serves(&language("ar")));
    assert!(!language("ar-MA").serves(&language("ar-SY")));
    assert!(!language("ps").serves(&language("prs")));
    for wrong in ["", "a", "abcd", "ar_SY", "ar-", "ar-123456789", "ärabic"] {
        assert!(wrong.parse::<Language>().is_err(), "{wrong}");
    }
}

#[test]
fn a_tag_is_one_word_in_capitals() {
    assert!("FAMILY_ROOM".parse::<Tag>().is_ok());
    for wrong in ["", "family", "_A", "1A", "A B", &"A".repeat(41)] {
        assert!(wrong.parse::<Tag>().is_err(), "{wrong}");
    }
}

#[test]
fn facts_with_impossible_ages_are_refused() {
    let facts = AgencyFacts::default();
    assert!(facts.clone().checked().is_ok());
    let mut wrong = facts.clone();
    (wrong.age_from, wrong.age_to) = (18, 17);
    assert_eq!(wrong.checked(), Err(FactsError::Ages));
    let mut wrong = facts.clone();
    wrong.age_to = AGE_MAX + 1;
    assert_eq!(wrong.checked(), Err(FactsError::Ages));
    let mut wrong = facts;
    wrong.hours = "x".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(wrong.checked(), Err(FactsError::TooLong));
}
