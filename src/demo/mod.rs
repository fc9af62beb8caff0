//! A scripted town of agencies with real components: a certificate authority, a router process, agencies over mTLS.
//!
//! [`town`] builds and runs the town and is used by the tests as well; [`story`] is what happens in it,
//! [`surge`] an evening on which more come than there are beds. The people are invented.

pub mod liar;
pub mod narrate;
pub mod people;
pub mod profile;
pub mod story;
pub mod surge;
pub mod town;
