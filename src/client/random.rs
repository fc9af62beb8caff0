//! Randomness of the operating system, for the pure rooms that take it as a parameter.

use crate::domain::random::Random;

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    ///
    /// When the system has no randomness: nothing may be sealed or named without it.
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}
