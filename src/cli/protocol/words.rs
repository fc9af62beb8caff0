//! Words of a protocol on the command line; what is not one of them lists them.

use crate::cli::text::wrapped;
use crate::domain::label::Label;
use crate::domain::vocabulary::{AgencyKind, BasisKind, Category, Purpose, Stage};
use std::fmt::Display;
use std::str::FromStr;

fn one_of<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = all.into_iter().map(|word| word.to_string()).collect();
    format!("write one of\n{}", wrapped("  ", &words.join(", ")))
}

fn word<T: FromStr + Copy + Display + 'static>(all: &'static [T], text: &str) -> Result<T, String> {
    text.parse().map_err(|_| one_of(all.iter().copied()))
}

pub(super) fn basis(text: &str) -> Result<BasisKind, String> {
    word(BasisKind::ALL, text)
}

pub(super) fn recipient(text: &str) -> Result<AgencyKind, String> {
    word(AgencyKind::ALL, text)
}

pub(super) fn purpose(text: &str) -> Result<Purpose, String> {
    word(Purpose::ALL, text)
}

pub(super) fn stage(text: &str) -> Result<Stage, String> {
    word(Stage::ALL, text)
}

/// `CATEGORY/FORM`, or the category alone where it has one form.
pub(super) fn label(text: &str) -> Result<Label, String> {
    if let Ok(label) = text.parse() {
        return Ok(label);
    }
    let category = text.split_once('/').map_or(text, |(category, _)| category);
    let Ok(category) = category.parse::<Category>() else {
        return Err(one_of(Label::all()));
    };
    let mut labels = Label::all().filter(|label| label.category() == category);
    match (labels.next(), labels.next()) {
        (Some(only), None) if !text.contains('/') => Ok(only),
        (Some(first), second) => Err(one_of([first].into_iter().chain(second).chain(labels))),
        (None, _) => Err(one_of(Label::all())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_of_one_form_is_a_label_and_others_list_their_forms() {
        for &category in Category::ALL {
            let labels: Vec<Label> = Label::all()
                .filter(|label| label.category() == category)
                .collect();
            match (label(category.name()), labels.as_slice()) {
                (Ok(found), [only]) => assert_eq!(found, *only),
                (Err(said), forms) => {
                    assert!(forms.len() > 1, "{category}");
                    assert!(forms.iter().all(|form| said.contains(&form.to_string())));
                }
                (Ok(found), _) => panic!("{category}: {found}"),
            }
        }
        assert!(label("NAME").unwrap_err().contains("IDENTITY/ALIAS"));
    }

    #[test]
    fn an_unknown_word_lists_the_words() {
        assert!(recipient("SHELTRE").unwrap_err().contains("SHELTER"));
        assert!(purpose("BED").unwrap_err().contains("SAFE_ACCOMMODATION"));
        assert!(stage("EARLY").unwrap_err().contains("TRIAGE"));
        assert!(basis("WISH").unwrap_err().contains("CONSENT"));
    }
}
