//! Who comes, when, and to whom: drawn from a seed.

use std::time::Duration;

use crate::demo::profile::{Drawn, Seeded, draw};
use crate::domain::vocabulary::Urgency;

/// Buses come in at these minutes.
const BUSES: [u64; 4] = [3, 17, 33, 48];
/// How long people keep coming from one bus, in seconds.
const FROM_ONE_BUS_SECONDS: u64 = 12 * 60;
/// Languages, in ten-thousandths of those who come; what is left speaks the first.
const LANGUAGES: [(&str, u32); 4] = [("ar", 4_000), ("fa", 2_500), ("ps", 2_000), ("fr", 1_500)];
/// Share, in ten-thousandths, of those who cannot wait an hour.
const IMMEDIATE: u32 = 6_000;

/// One person who needs a bed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When, from the beginning.
    pub at: Duration,
    /// To which of the sources.
    pub source: usize,
    /// What they speak.
    pub language: &'static str,
    /// How soon.
    pub urgency: Urgency,
    /// What is known of them.
    pub person: Drawn,
    /// Where a caseworker begins among houses that fit equally well.
    pub first: u64,
}

/// Everybody, in the order in which they come.
#[must_use]
pub fn draw_all(seed: u64, count: usize, sources: usize) -> Vec<Arrival> {
    let mut seeded = Seeded::new(seed);
    let mut all: Vec<Arrival> = (0..count).map(|_| one(&mut seeded, sources)).collect();
    all.sort_by_key(|arrival| arrival.at);
    all
}

fn one(seeded: &mut Seeded, sources: usize) -> Arrival {
    let bus = seeded.choose(&BUSES).copied().unwrap_or_default() * 60;
    // The mean of two draws: most come in the middle.
    let half = FROM_ONE_BUS_SECONDS / 2;
    let after = seeded.next() % half + seeded.next() % half;
    let source = seeded.next() % u64::try_from(sources.max(1)).unwrap_or(1);
    let mut share = u32::try_from(seeded.next() % 10_000).unwrap_or_default();
    let mut language = "ar";
    for (name, of_all) in LANGUAGES {
        if share < of_all {
            language = name;
            break;
        }
        share -= of_all;
    }
    let urgency = if seeded.happens(IMMEDIATE) {
        Urgency::Immediate
    } else {
        Urgency::Emergency
    };
    Arrival {
        at: Duration::from_secs(bus + after),
        source: usize::try_from(source).unwrap_or_default(),
        language,
        urgency,
        person: draw(seeded),
        first: seeded.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_comes_within_the_hour_and_a_seed_brings_the_same_people_again() {
        let all = draw_all(7, 500, 4);
        assert_eq!(all, draw_all(7, 500, 4));
        assert_ne!(all, draw_all(8, 500, 4));
        assert!(all.is_sorted_by_key(|arrival| arrival.at));
        assert!(
            all.iter()
                .all(|arrival| arrival.at < Duration::from_secs(3600))
        );
        assert!((0..4).all(|source| all.iter().any(|arrival| arrival.source == source)));
    }
}
