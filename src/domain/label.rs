//! Labels: a category and a form; and sets of them.

use super::vocabulary::{Category, Form, UnknownWord};

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
    /// How many labels there are; below 64, so that a set fits a word.
    pub const COUNT: usize = count();

    /// The label, if the category has the form.
    ///
    /// # Errors
    ///
    /// [`NoSuchForm`] otherwise.
    pub const fn new(category: Category, form: Form) -> Result<Self, NoSuchForm> {
        if BITS[category as usize][form as usize] == ABSENT {
            Err(NoSuchForm(category))
        } else {
            Ok(Self { category, form })
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
        LABELS.iter().copied()
    }

    /// The label that tells most of `category`.
    #[must_use]
    pub const fn most(category: Category) -> Self {
        let forms = category.forms();
        Self {
            category,
            form: forms[forms.len() - 1],
        }
    }

    /// Position in [`Label::all`].
    #[must_use]
    pub const fn index(self) -> usize {
        BITS[self.category as usize][self.form as usize] as usize
    }

    /// This label and every lesser form of its category.
    #[must_use]
    pub const fn and_below(self) -> LabelSet {
        LabelSet(UP_TO[self.index()])
    }

    /// This label and every greater form of its category.
    #[must_use]
    pub const fn and_above(self) -> LabelSet {
        LabelSet(UP_TO[Self::most(self.category).index()] & !(UP_TO[self.index()] & !self.mask()))
    }

    const fn mask(self) -> u64 {
        1 << self.index()
    }
}

/// `CATEGORY/FORM`, as in statements: `AGE/BAND`, `LANGUAGE/WHOLE`.
impl std::str::FromStr for Label {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let (category, form) = text.split_once('/').ok_or(UnknownWord("label"))?;
        let label = Self::new(category.parse()?, form.parse()?);
        label.map_err(|NoSuchForm(_)| UnknownWord("form of that category"))
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
            Self::Language
            | Self::PlacementNeeds
            | Self::Gender
            | Self::Nationality
            | Self::Harm
            | Self::Trafficking
            | Self::PunishableActs
            | Self::LegalStatus
            | Self::MeetingPoint
            | Self::PlacementLocation
            | Self::DoNotMeet
            | Self::Statement => &[Form::Whole],
        }
    }
}

const ABSENT: u8 = u8::MAX;

const fn count() -> usize {
    let (mut total, mut at) = (0, 0);
    while at < Category::ALL.len() {
        total += Category::ALL[at].forms().len();
        at += 1;
    }
    assert!(total < 64);
    total
}

/// Every label, by position.
static LABELS: [Label; Label::COUNT] = {
    let mut labels = [Label {
        category: Category::Language,
        form: Form::Whole,
    }; Label::COUNT];
    let (mut bit, mut at) = (0, 0);
    while at < Category::ALL.len() {
        let category = Category::ALL[at];
        let mut nth = 0;
        while nth < category.forms().len() {
            labels[bit] = Label {
                category,
                form: category.forms()[nth],
            };
            bit += 1;
            nth += 1;
        }
        at += 1;
    }
    labels
};

/// Position of each label by category and form; [`ABSENT`] where the category has no such form.
const BITS: [[u8; Form::ALL.len()]; Category::ALL.len()] = {
    let mut bits = [[ABSENT; Form::ALL.len()]; Category::ALL.len()];
    let (mut bit, mut at) = (0, 0);
    while at < Category::ALL.len() {
        let forms = Category::ALL[at].forms();
        let mut nth = 0;
        while nth < forms.len() {
            bits[Category::ALL[at] as usize][forms[nth] as usize] = bit;
            bit += 1;
            nth += 1;
        }
        at += 1;
    }
    bits
};

/// For each label, the bits of itself and of the lesser forms of its category.
const UP_TO: [u64; Label::COUNT] = {
    let mut up_to = [0; Label::COUNT];
    let (mut bit, mut at) = (0, 0);
    while at < Category::ALL.len() {
        let (mut nth, mut mask) = (0, 0);
        while nth < Category::ALL[at].forms().len() {
            mask |= 1 << bit;
            up_to[bit] = mask;
            bit += 1;
            nth += 1;
        }
        at += 1;
    }
    up_to
};

/// A set of labels.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct LabelSet(u64);

impl LabelSet {
    /// No label.
    pub const EMPTY: Self = Self(0);

    /// Every label.
    pub const ALL: Self = Self((1 << Label::COUNT) - 1);

    /// Every form of these categories.
    #[must_use]
    pub const fn of_categories(categories: &[Category]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < categories.len() {
            set |= Label::most(categories[at]).and_below().0;
            at += 1;
        }
        Self(set)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether `label` is in the set.
    #[must_use]
    pub const fn contains(self, label: Label) -> bool {
        self.0 & label.mask() != 0
    }

    /// Adds `label` alone.
    pub const fn insert(&mut self, label: Label) {
        self.0 |= label.mask();
    }

    /// Takes `label` alone out.
    pub const fn remove(&mut self, label: Label) {
        self.0 &= !label.mask();
    }

    /// Adds `label` and every lesser form of its category: a form includes those below it.
    pub const fn insert_up_to(&mut self, label: Label) {
        self.0 |= label.and_below().0;
    }

    /// The set with every lesser form of what it names.
    #[must_use]
    pub fn closed(self) -> Self {
        self.iter()
            .fold(self, |set, label| set.union(label.and_below()))
    }

    /// The set with every greater form of what it names: who forbids a form forbids those above it.
    #[must_use]
    pub fn raised(self) -> Self {
        self.iter()
            .fold(self, |set, label| set.union(label.and_above()))
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
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let label = *LABELS.get(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(label)
        })
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

#[cfg(test)]
mod tests;
