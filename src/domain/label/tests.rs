use super::*;

#[test]
fn every_label_has_its_own_position() {
    for (position, label) in Label::all().enumerate() {
        assert_eq!(label.index(), position);
        assert_eq!(label.to_string().parse(), Ok(label));
    }
    assert_eq!(LabelSet::ALL.len() as usize, Label::COUNT);
    assert_eq!(LabelSet::ALL.iter().count(), Label::COUNT);
}

#[test]
fn a_label_exists_only_for_the_forms_of_its_category() {
    for &category in Category::ALL {
        for &form in Form::ALL {
            let exists = category.forms().contains(&form);
            assert_eq!(Label::new(category, form).is_ok(), exists);
        }
    }
    assert!("AGE/COPY".parse::<Label>().is_err());
    assert!("AGE".parse::<Label>().is_err());
    assert!("age/BAND".parse::<Label>().is_err());
}

#[test]
fn a_form_includes_those_below_and_forbidding_one_forbids_those_above() {
    let band: Label = "AGE/BAND".parse().expect("known");
    assert_eq!(
        format!("{:?}", band.and_below()),
        "{AGE/CHILD_OR_ADULT, AGE/BAND}"
    );
    assert_eq!(format!("{:?}", band.and_above()), "{AGE/BAND, AGE/EXACT}");
    let only = LabelSet::from_iter([band]);
    assert_eq!(only.closed(), band.and_below());
    assert_eq!(only.raised(), band.and_above());
    assert_eq!(
        LabelSet::of_categories(&[Category::Age]),
        only.closed().union(only.raised())
    );
}

#[test]
fn nothing_comes_out_of_an_empty_set() {
    assert_eq!(LabelSet::EMPTY.iter().next(), None);
    let mut set = LabelSet::ALL;
    Label::all().for_each(|label| set.remove(label));
    assert!(set.is_empty());
}
