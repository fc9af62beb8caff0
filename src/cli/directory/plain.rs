//! Single values of an HSDS directory, as words of ours; what is not understood is no word.

use super::rows::Row;
use crate::domain::directory::{Language, Tag};
use crate::domain::hours::{Clock, DAY_MINUTES, Offset, Span};
use crate::domain::vocabulary::{Purpose, Weekday};

/// Three-letter codes of languages that have a two-letter one, which is what needs are written in (BCP 47).
const SHORTER: &[(&str, &str)] = &[
    ("amh", "am"),
    ("ara", "ar"),
    ("ben", "bn"),
    ("bos", "bs"),
    ("bul", "bg"),
    ("deu", "de"),
    ("ell", "el"),
    ("eng", "en"),
    ("fas", "fa"),
    ("per", "fa"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("ger", "de"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ita", "it"),
    ("kur", "ku"),
    ("mkd", "mk"),
    ("nld", "nl"),
    ("pan", "pa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("pus", "ps"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("som", "so"),
    ("spa", "es"),
    ("sqi", "sq"),
    ("alb", "sq"),
    ("srp", "sr"),
    ("swa", "sw"),
    ("tam", "ta"),
    ("tir", "ti"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("vie", "vi"),
    ("zho", "zh"),
];

/// A language by its code; none for an empty, malformed or private one (ISO 639: `qaa` to `qtz`, `mis`, `mul`, `und`).
pub(super) fn language(code: &str) -> Option<Language> {
    let code = code.to_ascii_lowercase();
    let private = ("qaa"..="qtz").contains(&code.as_str()) && code.len() == 3;
    if private || matches!(code.as_str(), "mis" | "mul" | "und" | "zxx" | "xx") {
        return None;
    }
    let shorter = SHORTER.iter().find(|(long, _)| *long == code);
    shorter
        .map_or(code.as_str(), |(_, short)| short)
        .parse()
        .ok()
}

/// A name as a word of the directory: `Novi Sad` is `NOVI_SAD`.
pub(super) fn tag(name: &str) -> Option<Tag> {
    let mut word = String::new();
    for letter in name.trim().chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => word.push(letter.to_ascii_uppercase()),
            ' ' | '-' | '_' | '/' | '.' | ',' if word.ends_with('_') => {}
            ' ' | '-' | '_' | '/' | '.' | ',' => word.push('_'),
            'č' | 'ć' | 'Č' | 'Ć' => word.push('C'),
            'š' | 'Š' => word.push('S'),
            'ž' | 'Ž' => word.push('Z'),
            'đ' | 'Đ' => word.push_str("DJ"),
            _ => return None,
        }
    }
    word.trim_end_matches('_').parse().ok()
}

/// A purpose, if a name is one.
pub(super) fn purpose(name: &str) -> Option<Purpose> {
    tag(name).and_then(|tag| tag.as_str().parse().ok())
}

/// What a description of access names.
pub(super) fn accessibility(description: &str, details: &str) -> Vec<Tag> {
    const KNOWN: &[(&str, &str)] = &[
        ("wheelchair", "WHEELCHAIR"),
        ("step-free", "STEP_FREE"),
        ("step free", "STEP_FREE"),
        ("level access", "STEP_FREE"),
        ("induction loop", "HEARING_LOOP"),
        ("hearing loop", "HEARING_LOOP"),
        ("braille", "BRAILLE"),
        ("sign language", "SIGN_LANGUAGE"),
        ("accessible toilet", "ACCESSIBLE_TOILET"),
    ];
    // "No wheelchair access" must not become access: a sentence that denies anything names nothing.
    let text = format!("{description}. {details}").to_lowercase();
    let denies = |sentence: &str| {
        let mut words = sentence.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
        words.any(|word| {
            matches!(word, "no" | "not" | "without" | "cannot" | "limited") || word.ends_with("n't")
        })
    };
    let mut tags: Vec<Tag> = Vec::new();
    for sentence in text
        .split(['.', ';', '\n'])
        .filter(|sentence| !denies(sentence))
    {
        for (word, known) in KNOWN {
            let known = known.parse().ok().filter(|_| sentence.contains(word));
            tags.extend(known.filter(|known| !tags.contains(known)));
        }
    }
    tags
}

/// One span of opening hours, and the offset that it is reckoned in.
pub(super) struct Hours {
    pub(super) span: Span,
    pub(super) offset: Offset,
}

/// A schedule that repeats every week.
///
/// # Source
///
/// HSDS 3.0 `schedule`, a rule of RFC 5545 in columns.
pub(super) fn schedule(row: &Row, today: &str) -> Result<Hours, &'static str> {
    let date = |column: &str| {
        row.value(column)
            .get(..10)
            .filter(|date| date.len() == 10)
            .unwrap_or_default()
    };
    if !date("valid_to").is_empty() && date("valid_to") < today
        || !date("until").is_empty() && date("until") < today
    {
        return Err("it has ended");
    }
    if date("valid_from") > today || date("dtstart") > today {
        return Err("it has not begun");
    }
    let weekly =
        matches!(row.value("freq"), "" | "WEEKLY") && matches!(row.value("interval"), "" | "1");
    let other = ["byweekno", "bymonthday", "byyearday", "count"];
    if !weekly || other.iter().any(|column| !row.value(column).is_empty()) {
        return Err("only a rule that repeats every week, without end, is understood");
    }
    let days = row
        .value("byday")
        .split(',')
        .map(|day| day.trim().parse::<Weekday>());
    let days: Vec<Weekday> = days
        .collect::<Result<_, _>>()
        .map_err(|_| "byday is no list of days such as MO,TU")?;
    let (from, zone) = clock(row.value("opens_at")).ok_or("opens_at is no time of day")?;
    let (until, until_zone) = clock(row.value("closes_at")).ok_or("closes_at is no time of day")?;
    // A day that closes at midnight closes at its end.
    let until = if until.minutes() == 0 {
        "24:00".parse().unwrap_or(until)
    } else {
        until
    };
    if zone.is_some() && until_zone.is_some() && zone != until_zone {
        return Err("it opens in one time zone and closes in another");
    }
    let offset = match zone.or(until_zone) {
        Some(offset) => offset,
        None => {
            hours_offset(row.value("timezone")).ok_or("timezone is no offset from UTC in hours")?
        }
    };
    let span =
        Span::new(days, from, until).map_err(|_| "it names a day twice, or ends when it begins")?;
    Ok(Hours { span, offset })
}

/// `10:00`, `10:00:00`, with `Z` or an offset after it.
fn clock(text: &str) -> Option<(Clock, Option<Offset>)> {
    let time = text
        .get(..5)?
        .parse::<Clock>()
        .ok()
        .filter(|time| time.minutes() <= DAY_MINUTES)?;
    let rest = text.get(5..)?;
    let rest = match rest.strip_prefix(':') {
        Some(seconds) => {
            let digits = seconds.get(..2)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            seconds.get(2..)?
        }
        None => rest,
    };
    match rest {
        "" => Some((time, None)),
        "Z" => Some((time, Some(Offset::default()))),
        offset => offset.parse().ok().map(|offset| (time, Some(offset))),
    }
}

/// An offset in hours, as a number: `3`, `-5`, `5.5`; UTC when there is none.
fn hours_offset(text: &str) -> Option<Offset> {
    if text.is_empty() {
        return Some(Offset::default());
    }
    let hours: f64 = text.parse().ok()?;
    let minutes = (hours * 60.0).round();
    if !minutes.is_finite() || minutes.abs() > 840.0 {
        return None;
    }
    let sign = if minutes < 0.0 { '-' } else { '+' };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 840, as checked"
    )]
    let minutes = minutes.abs() as u32;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        .parse()
        .ok()
}
