//! Labels: a category and a form; and sets of them.

use super::vocabulary::{Category, Form};

/// A category and a form that exists for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    category: Category,
    form: Form,
}

/// The category has no such form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the category {0} has no such form")]
pub struct NoSuchForm(pub Category);

impl Label {
    /// The label, if the category has the form.
    ///
    /// # Errors
    ///
    /// [`NoSuchForm`] otherwise.
    pub fn new(category: Category, form: Form) -> Result<Self, NoSuchForm> {
        if category.forms().contains(&form) {
            Ok(Self { category, form })
        } else {
            Err(NoSuchForm(category))
        }
    }

    /// The category.
    #[must_use]
    pub const fn category(self) -> Category {
        self.category
    }

    /// The form.
    #[must_use]
    pub const fn form(self) -> Form {
        self.form
    }

    /// Every label, in the order of categories and of forms from least to most.
    pub fn all() -> impl Iterator<Item = Self> {
        Category::ALL.iter().flat_map(|&category| {
            category
                .forms()
                .iter()
                .map(move |&form| Self { category, form })
        })
    }

    /// Position in [`Label::all`]; below 64, so that a set fits a word.
    fn bit(self) -> u32 {
        let mut bit = 0;
        for &category in Category::ALL {
            for &form in category.forms() {
                if category == self.category && form == self.form {
                    return bit;
                }
                bit += 1;
            }
        }
        unreachable!("a label's form is one of its category's forms")
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.category, self.form)
    }
}

impl std::fmt::Debug for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Category {
    /// The forms of this category, from least to most.
    #[must_use]
    pub const fn forms(self) -> &'static [Form] {
        match self {
            Self::Age => &[Form::ChildOrAdult, Form::Band, Form::Exact],
            Self::Identity => &[Form::Alias, Form::AsStated, Form::Full],
            Self::CareNeeds => &[Form::Acuity, Form::Coded, Form::Detail],
            Self::Threat => &[Form::PresentDanger, Form::Coded, Form::Detail],
            Self::Family => &[Form::Counts, Form::Relations, Form::Members],
            Self::Health => &[Form::Functional, Form::Clinical],
            Self::Contact => &[Form::ViaSource, Form::SafeDirect, Form::Direct],
            Self::Documents => &[Form::List, Form::Copy],
            _ => &[Form::Whole],
        }
    }
}

/// A set of labels.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct LabelSet(u64);

impl LabelSet {
    /// No label.
    pub const EMPTY: Self = Self(0);

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `label` is in the set.
    #[must_use]
    pub fn contains(self, label: Label) -> bool {
        self.0 & (1 << label.bit()) != 0
    }

    /// Adds `label` alone.
    pub fn insert(&mut self, label: Label) {
        self.0 |= 1 << label.bit();
    }

    /// Adds `label` and every lesser form of its category: a form includes those below it.
    pub fn insert_up_to(&mut self, label: Label) {
        for &form in label.category.forms() {
            self.insert(Label {
                category: label.category,
                form,
            });
            if form == label.form {
                break;
            }
        }
    }

    /// The labels of `self` that are not in `other`.
    #[must_use]
    pub const fn beyond(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Labels in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Labels in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The labels, in the order of [`Label::all`].
    pub fn iter(self) -> impl Iterator<Item = Label> {
        Label::all().filter(move |&label| self.contains(label))
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut set = Self::EMPTY;
        labels.into_iter().for_each(|label| set.insert(label));
        set
    }
}

impl std::fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
