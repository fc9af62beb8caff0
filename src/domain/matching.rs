//! Which candidates fit.
