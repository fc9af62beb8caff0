//! Bytes that can be read out by phone, sixteen bits a word.

/// Consonants and vowels of a spoken word, four and two bits each.
///
/// # Source
///
/// D. S. Wilkerson, "A Proposal for Proquints: Identifiers that are Readable, Spellable, and Pronounceable".
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// Bytes as words of five letters that can be spoken.
pub(super) fn spoken(bytes: &[u8]) -> String {
    let mut text = String::new();
    for pair in bytes.chunks(2) {
        let [high, low] = pair else { continue };
        let word = usize::from(u16::from_be_bytes([*high, *low]));
        if !text.is_empty() {
            text.push('-');
        }
        let letters = [
            CONSONANTS.get(word >> 12 & 15),
            VOWELS.get(word >> 10 & 3),
            CONSONANTS.get(word >> 6 & 15),
            VOWELS.get(word >> 4 & 3),
            CONSONANTS.get(word & 15),
        ];
        text.extend(
            letters
                .into_iter()
                .flatten()
                .map(|&letter| char::from(letter)),
        );
    }
    text
}

/// One spoken word.
pub(super) fn heard(word: &str) -> Option<u16> {
    let [a, b, c, d, e] = word.as_bytes() else {
        return None;
    };
    let consonant = |letter: &u8| CONSONANTS.iter().position(|known| known == letter);
    let vowel = |letter: &u8| VOWELS.iter().position(|known| known == letter);
    let value =
        consonant(a)? << 12 | vowel(b)? << 10 | consonant(c)? << 6 | vowel(d)? << 4 | consonant(e)?;
    u16::try_from(value).ok()
}
