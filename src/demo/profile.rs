//! Attributes of people who do not exist, in the proportions of a real case load.
//!
//! # Source
//!
//! Shares computed from a derived table of the CTDC Global Synthetic Dataset (IOM and Microsoft Research), 91,043
//! synthetic rows; shares only, no rows. Cite: Counter-Trafficking Data Collaborative, synthetic data.

use crate::domain::random::Random;
use crate::proto::v1::{Exploitation, MeansOfControl, PlacementPreference};

/// Ten-thousandths of the case load.
const WOMAN: u32 = 7_738;
const FORCED_LABOUR: u32 = 2_601;
const SEXUAL_EXPLOITATION: u32 = 7_962;

/// Means of control, in ten-thousandths.
const MEANS: [(MeansOfControl, u32); 8] = [
    (MeansOfControl::PhysicalAbuse, 2_965),
    (MeansOfControl::PhysicalThreats, 2_444),
    (MeansOfControl::WithholdsNecessities, 2_110),
    (MeansOfControl::DebtBondage, 1_595),
    (MeansOfControl::PsychoactiveSubstance, 1_099),
    (MeansOfControl::ExcessiveWorkingHours, 615),
    (MeansOfControl::FalsePromises, 543),
    (MeansOfControl::WithholdsDocuments, 456),
];

/// A reproducible stream of numbers (SplitMix64): for attributes of invented people, never for keys.
#[derive(Debug, Clone)]
pub struct Seeded(u64);

impl Seeded {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether something of this share, in ten-thousandths, happens.
    pub const fn happens(&mut self, share: u32) -> bool {
        self.next() % 10_000 < share as u64
    }

    /// One of `choices`; `None` when there is none.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(choices.len())
            .ok()
            .filter(|&count| count > 0)?;
        choices.get(usize::try_from(self.next() % count).ok()?)
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            chunk
                .iter_mut()
                .zip(next)
                .for_each(|(byte, drawn)| *byte = drawn);
        }
    }
}

/// One invented person of the case load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// For whom the place should be.
    pub placement: PlacementPreference,
    /// What was done.
    pub exploitation: Vec<Exploitation>,
    /// How.
    pub means: Vec<MeansOfControl>,
}

/// Draws one.
pub fn draw(seeded: &mut Seeded) -> Drawn {
    let placement = if seeded.happens(WOMAN) {
        PlacementPreference::Woman
    } else {
        PlacementPreference::Man
    };
    let kinds = [
        (Exploitation::ForcedLabour, FORCED_LABOUR),
        (Exploitation::SexualExploitation, SEXUAL_EXPLOITATION),
    ];
    let exploitation = kinds
        .into_iter()
        .filter(|&(_, share)| seeded.happens(share))
        .map(|(kind, _)| kind);
    let exploitation = exploitation.collect();
    let means = MEANS
        .into_iter()
        .filter(|&(_, share)| seeded.happens(share));
    Drawn {
        placement,
        exploitation,
        means: means.map(|(means, _)| means).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_people_again() {
        let people = |seed| {
            let mut seeded = Seeded::new(seed);
            (0..5).map(|_| draw(&mut seeded)).collect::<Vec<_>>()
        };
        assert_eq!(people(7), people(7));
        assert_ne!(people(7), people(8));
    }

    #[test]
    fn many_draws_come_near_the_shares() {
        let mut seeded = Seeded::new(1);
        let women = (0..10_000)
            .filter(|_| draw(&mut seeded).placement == PlacementPreference::Woman)
            .count();
        assert!((7_500..8_000).contains(&women));
    }
}
