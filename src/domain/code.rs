//! The code on a person's slip: fifteen digits that look like a telephone number.
//!
//! With it the person stops a case, or goes on elsewhere without telling it all again. It opens nothing. The last digit
//! is a check digit, so that one that was misread or two that were swapped are found before anything is asked.

use super::random::Random;
use std::fmt;
use std::str::FromStr;

/// Digits of a code: as many as the longest telephone number has.
pub const DIGITS: usize = 15;

/// Digits between spaces, as they are printed.
const GROUPS: [usize; 5] = [3, 2, 3, 4, 3];

/// Longest text that is read as a code, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// The quasigroup of Damm's check digit: finds every single wrong digit and every swap of neighbours.
///
/// # Source
///
/// H. M. Damm, *Total anti-symmetrische Quasigruppen*, 2004, the table of order 10.
const DAMM: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// A text that is not a code. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a code: fifteen digits, the last of which checks the others")]
pub struct BadCode;

/// The code on a slip. Its `Debug` shows nothing: whoever has it can stop the case.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; DIGITS]);

fn check_digit(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |interim, &digit| {
        let row = DAMM.get(usize::from(interim));
        let next = row.and_then(|row| row.get(usize::from(digit)));
        *next.expect("digits are below ten")
    })
}

impl Code {
    /// A fresh one: thirteen random digits after one that is not zero, and the check digit.
    #[must_use]
    pub fn generate(random: &mut impl Random) -> Self {
        let mut digits = [0; DIGITS];
        let mut filled = 0;
        while filled < DIGITS - 1 {
            let [byte] = random.array::<1>();
            // Bytes past the last full ten would make some digits likelier than others.
            let digit = byte % 10;
            if byte < 250 && (filled > 0 || digit != 0) {
                if let Some(place) = digits.get_mut(filled) {
                    *place = digit;
                }
                filled += 1;
            }
        }
        if let Some((last, others)) = digits.split_last_mut() {
            *last = check_digit(others);
        }
        Self(digits)
    }

    /// The digits as text, without spaces: what is hashed.
    #[must_use]
    pub fn digits(&self) -> String {
        self.0
            .iter()
            .map(|digit| char::from(b'0' + digit))
            .collect()
    }
}

/// A digit as people write them here: Latin, Arabic, or Persian and Urdu.
fn digit(character: char) -> Option<u8> {
    let number = u32::from(character);
    let digit = match character {
        '0'..='9' => number - u32::from('0'),
        '\u{660}'..='\u{669}' => number - 0x660,
        '\u{6f0}'..='\u{6f9}' => number - 0x6f0,
        _ => return None,
    };
    u8::try_from(digit).ok()
}

impl FromStr for Code {
    type Err = BadCode;

    /// Spaces and what else stands between the digits of a telephone number do not matter.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(BadCode);
        }
        let ignored = |character: char| {
            character.is_whitespace() || matches!(character, '+' | '-' | '/' | '.' | '(' | ')')
        };
        let digits = text.chars().filter(|&character| !ignored(character));
        let digits = digits.map(digit).collect::<Option<Vec<u8>>>();
        let digits: [u8; DIGITS] = digits.ok_or(BadCode)?.try_into().map_err(|_| BadCode)?;
        // The check digit of a whole code with its check digit is zero.
        if digits.starts_with(&[0]) || check_digit(&digits) != 0 {
            return Err(BadCode);
        }
        Ok(Self(digits))
    }
}

/// As it is printed on the slip.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("+")?;
        let mut rest = self.0.iter();
        for (at, size) in GROUPS.into_iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            for digit in rest.by_ref().take(size) {
                write!(f, "{digit}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::Random;

    struct Counting(u8);

    impl Random for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_mul(73).wrapping_add(41);
                *byte = self.0;
            }
        }
    }

    #[test]
    fn a_code_looks_like_a_telephone_number_and_reads_back_however_it_is_written() {
        let mut random = Counting(7);
        for _ in 0..50 {
            let code = Code::generate(&mut random);
            let printed = code.to_string();
            assert_eq!(printed.len(), 1 + DIGITS + 4);
            let bare = code.digits();
            let arabic: String = (bare.bytes())
                .filter_map(|byte| char::from_u32(0x660 + u32::from(byte - b'0')))
                .collect();
            let dashed = printed.replace(' ', "-");
            for text in [&printed, &bare, &arabic, &dashed, &format!("  {printed}\n")] {
                assert_eq!(text.parse(), Ok(code.clone()));
            }
            assert_eq!(format!("{code:?}"), "Code");
        }
    }

    #[test]
    fn one_wrong_digit_and_two_swapped_ones_are_found() {
        let bare = Code::generate(&mut Counting(1)).digits().into_bytes();
        for at in 0..DIGITS {
            for digit in b'0'..=b'9' {
                let mut wrong = bare.clone();
                wrong[at] = digit;
                let read = String::from_utf8(wrong.clone())
                    .expect("digits")
                    .parse::<Code>();
                assert_eq!(read.is_ok(), wrong == bare, "digit {at}");
            }
            if at > 0 {
                let mut swapped = bare.clone();
                swapped.swap(at - 1, at);
                let read = String::from_utf8(swapped.clone())
                    .expect("digits")
                    .parse::<Code>();
                assert_eq!(read.is_ok(), swapped == bare, "swap at {at}");
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "12", "+381 64 123 4567 89a", "1234567890123456"] {
            assert_eq!(text.parse::<Code>(), Err(BadCode));
        }
        assert_eq!(" ".repeat(65).parse::<Code>(), Err(BadCode));
    }
}
