//! A complaint: the person lets an oversight body open what was released of their case, and nothing more (R22).

use super::label::{Label, LabelSet};
use super::vocabulary::{Category, Form};

const fn label(category: Category, form: Form) -> LabelSet {
    match Label::new(category, form) {
        Ok(label) => label.and_below(),
        Err(_) => LabelSet::EMPTY,
    }
}

/// What makes the complaint itself, whatever was released: what the person says, in which language, and how to answer
/// them through the source.
pub const OF_ITSELF: LabelSet = label(Category::Statement, Form::Whole)
    .union(label(Category::Language, Form::Whole))
    .union(label(Category::Identity, Form::Alias))
    .union(label(Category::Contact, Form::ViaSource));

/// The labels of a complaint that are neither its own nor were ever opened of the case. A form includes those below it.
#[must_use]
pub fn beyond(labels: LabelSet, released: LabelSet) -> LabelSet {
    labels.beyond(OF_ITSELF.union(released.closed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> LabelSet {
        let parse = |name: &&str| name.parse::<Label>().expect("a label");
        names.iter().map(parse).collect()
    }

    #[test]
    fn a_complaint_holds_itself_and_what_was_released_and_nothing_more() {
        let itself = labels(&["STATEMENT/WHOLE", "LANGUAGE/WHOLE", "IDENTITY/ALIAS"]);
        assert!(beyond(itself, LabelSet::EMPTY).is_empty());
        let released = labels(&["AGE/BAND", "HEALTH/CLINICAL"]);
        let lesser = labels(&["AGE/CHILD_OR_ADULT", "HEALTH/FUNCTIONAL"]);
        assert!(beyond(lesser, released).is_empty());
        let more = labels(&["AGE/EXACT", "IDENTITY/FULL"]);
        assert_eq!(beyond(more.union(lesser), released), more);
    }
}
