//! Attachments: how many, how long, and how they are cut.

use std::time::Duration;

/// Bytes of a sealed chunk: 64 KiB and a tag of 16.
pub const SEALED_CHUNK_BYTES: usize = 64 * 1024 + 16;

/// Most chunks of an attachment: 25 MiB, some forty pages scanned well.
pub const CHUNKS_MAX: u32 = 400;

/// Most attachments of one offer.
pub const PER_OFFER_MAX: usize = 8;

/// Most attachments of one referral, over all its offers.
pub const PER_REFERRAL_MAX: usize = 32;

/// How long an upload may stay unfinished before it is forgotten.
pub const UNFINISHED_MAX: Duration = Duration::from_secs(24 * 60 * 60);
