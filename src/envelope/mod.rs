//! Hides: parcels, key bundles, signed statements. Pure: randomness is handed in.
