//! Unambiguous concatenation: what is hashed, keyed or authenticated together can be cut in one way
//! only.

/// `u16` big-endian count, then for each part its `u32` big-endian length and its bytes.
///
/// # Panics
///
/// On more than 65,535 parts or a part of 4 GiB: both are our own calls, with a fixed number of
/// short parts.
#[must_use]
pub fn transcript(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + parts.iter().map(|part| 4 + part.len()).sum::<usize>());
    let count = u16::try_from(parts.len()).expect("a transcript has few parts");
    out.extend_from_slice(&count.to_be_bytes());
    for part in parts {
        let length = u32::try_from(part.len()).expect("a transcript's parts are short");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}
