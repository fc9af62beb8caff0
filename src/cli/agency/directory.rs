//! The directory, for people: duties first, since they decide whether somebody wants to be referred there.

use crate::cli::text::{day, listed, minute, printable, wrapped};
use crate::client::directory::{Directory, Member};
use crate::domain::directory::AgencyFacts;
use crate::domain::hours::OpeningHours;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::SummerTime;
use std::io::{self, Write};
use std::time::Duration;

/// How far another party's clock may be ahead.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Prints every member that the viewer may see.
pub(super) fn print(out: &mut impl Write, directory: &Directory, now: Timestamp) -> io::Result<()> {
    for member in directory.members() {
        writeln!(out, "{}", headline(member, now))?;
        let Some(bundle) = &member.bundle else {
            continue;
        };
        for (mark, text) in lines(&bundle.content().facts) {
            writeln!(out, "{}", wrapped(mark, &text))?;
        }
    }
    let members = directory.members().count();
    let text = format!(
        "{members} members in directory {}; each enrolment and key verified",
        directory.number()
    );
    writeln!(out, "{text}")
}

fn headline(member: &Member, now: Timestamp) -> String {
    let mut text = format!("{}  {}", member.agency, member.kind);
    if let Some(parent) = &member.parent {
        text.push_str(&format!(", unit of {parent}"));
    }
    match &member.bundle {
        None => text.push_str(", has not joined yet"),
        Some(bundle) if !bundle.stands(now, SKEW) => {
            text.push_str(&format!(", keys ended {}", day(bundle.content().expires)));
        }
        Some(_) => {}
    }
    if let Some(declared) = member.capacity {
        text.push_str(&format!(
            ", capacity {} ({})",
            declared.capacity,
            minute(declared.at)
        ));
    }
    if member.suspended {
        text.push_str(", SUSPENDED: nothing is sent to it");
    }
    wrapped("", &text)
}

fn lines(facts: &AgencyFacts) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("  reports to  ", listed(&facts.reports_to, "nobody")),
        ("  requires    ", listed(&facts.requires, "nothing")),
    ];
    if facts.purposes.is_empty() {
        return lines;
    }
    lines.push(("  offers      ", listed(&facts.purposes, "")));
    let mut takes = format!("{}, age", listed(&facts.genders, "everyone"));
    takes.push_str(&format!(" {} to {}", facts.age_from, facts.age_to));
    if let Some(age) = facts.boys_up_to {
        takes.push_str(&format!(", boys up to {age}"));
    }
    lines.push(("  takes       ", takes));
    let interpreters: Vec<String> = facts
        .interpreters
        .iter()
        .map(|one| format!("{} ({})", one.language, one.gender))
        .collect();
    for (mark, text) in [
        ("  in          ", listed(&facts.settings, "")),
        ("  where       ", listed(&facts.areas, "")),
        ("  access      ", listed(&facts.accessibility, "")),
        ("  speaks      ", listed(&facts.languages, "")),
        ("  interprets  ", listed(&interpreters, "")),
        ("  open        ", opening(&facts.open)),
        ("  hours       ", printable(&facts.hours)),
        ("  phone       ", printable(&facts.intake_phone)),
    ] {
        if !text.is_empty() {
            lines.push((mark, text));
        }
    }
    lines
}

fn opening(open: &OpeningHours) -> String {
    if open.spans().is_empty() {
        return "always".to_owned();
    }
    let spans: Vec<String> = open.spans().iter().map(ToString::to_string).collect();
    let summer = match open.summer() {
        SummerTime::Europe => ", an hour more in summer",
        SummerTime::None => "",
    };
    format!("{} (UTC{}{summer})", spans.join("; "), open.offset())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::{Purpose, ReportsTo};

    #[test]
    fn duties_come_first_and_no_line_is_wide_or_drives_the_terminal() {
        let facts = AgencyFacts {
            reports_to: vec![ReportsTo::Police],
            purposes: Purpose::ALL.to_vec(),
            hours: "always\u{1b}[2J".into(),
            ..AgencyFacts::default()
        };
        let shown: Vec<String> = lines(&facts)
            .iter()
            .map(|(mark, text)| wrapped(mark, text))
            .collect();
        assert_eq!(shown[0], "  reports to  POLICE");
        assert_eq!(shown[1], "  requires    nothing");
        let all = shown.join("\n");
        assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
        assert!(!all.contains('\u{1b}'));
    }
}
