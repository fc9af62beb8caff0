//! The words that rows may use, and the groups that name several at once.

use crate::domain::vocabulary::{AgencyKind, BasisKind, Purpose, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Named lists of words, and which of them some row used.
pub(super) struct GroupsOf<T> {
    pub(super) members: BTreeMap<String, (usize, Vec<T>)>,
    pub(super) used: std::cell::RefCell<BTreeSet<String>>,
}

impl<T> Default for GroupsOf<T> {
    fn default() -> Self {
        Self {
            members: BTreeMap::new(),
            used: std::cell::RefCell::default(),
        }
    }
}

/// A word of a vocabulary that rows may use.
pub(super) trait Word: FromStr + Clone + PartialEq {
    const KIND: &'static str;
    fn names() -> String;
}

impl Word for BasisKind {
    const KIND: &'static str = "ground";
    fn names() -> String {
        names(Self::ALL, Self::name)
    }
}

impl Word for AgencyKind {
    const KIND: &'static str = "kind of agency, or group of them";
    fn names() -> String {
        names(Self::ALL, Self::name)
    }
}

impl Word for Purpose {
    const KIND: &'static str = "purpose, or group of them";
    fn names() -> String {
        names(Self::ALL, Self::name)
    }
}

impl Word for Stage {
    const KIND: &'static str = "stage";
    fn names() -> String {
        names(Self::ALL, Self::name)
    }
}

pub(super) fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    let names: Vec<_> = all.iter().map(|&word| name(word)).collect();
    names.join(", ")
}

pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=40).contains(&name.len()) && name.bytes().all(allowed)
}

pub(super) fn is_group_name(name: &str) -> bool {
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    (1..=40).contains(&name.len()) && name.bytes().all(allowed)
}
