//! The report of an import, and a ranking, for people and for programs.

use super::rows::Skip;
use super::services::Ranked;
use crate::cli::text::{printable, wrapped};
use crate::domain::matching::Ranking;
use serde::Serialize;
use std::io::{self, Write};

/// What was left out, one by one, and what was taken.
pub(super) fn report(
    out: &mut impl Write,
    taken: usize,
    skipped: &[Skip],
    unused: &[(&str, usize)],
) -> io::Result<()> {
    for skip in skipped {
        let text = format!("{}: {}", skip.place, skip.why);
        writeln!(out, "{}", wrapped("", &printable(&text)))?;
    }
    for (table, rows) in unused {
        let text = format!("{table}: {rows} rows, of which nothing is matched by: not read");
        writeln!(out, "{}", wrapped("", &printable(&text)))?;
    }
    let text = format!(
        "{taken} services taken, {} things left out. HSDS does not tell whom a service reports to: shown as not said.",
        skipped.len() + unused.len()
    );
    writeln!(out, "{}", wrapped("", &text))
}

/// Fit, set apart, unfit.
pub(super) fn ranking(out: &mut impl Write, ranking: &Ranking<Ranked>) -> io::Result<()> {
    if ranking.fit.is_empty() {
        writeln!(out, "Nobody fits.")?;
    } else {
        writeln!(out, "Fit, best first:")?;
    }
    for (at, one) in ranking.fit.iter().enumerate() {
        head(out, &format!("{:>3}. ", at + 1), &one.agency)?;
        reasons(out, &one.reasons)?;
    }
    if !ranking.apart.is_empty() {
        let text = "Set apart: each would fit, but has what the person refused. Ask again before you choose one.";
        writeln!(out, "{}", wrapped("", text))?;
    }
    for one in &ranking.apart {
        head(out, "  !  ", &one.agency)?;
        let duties: Vec<String> = one.duties.iter().map(ToString::to_string).collect();
        reasons(out, &duties)?;
    }
    if !ranking.unfit.is_empty() {
        writeln!(out, "Do not fit:")?;
    }
    for one in &ranking.unfit {
        head(out, "  -  ", &one.agency)?;
        reasons(out, &one.why)?;
    }
    Ok(())
}

fn head(out: &mut impl Write, mark: &str, one: &Ranked) -> io::Result<()> {
    let mut text = one.id.clone();
    if !one.name.is_empty() {
        text = format!("{} ({text})", one.name);
    }
    match &one.member {
        None => text.push_str(", no member"),
        Some(member) if member.as_str() != one.id => text.push_str(&format!(", member {member}")),
        Some(_) => {}
    }
    if !one.phone.is_empty() {
        text.push_str(&format!(", phone {}", one.phone));
    }
    writeln!(out, "{}", wrapped(mark, &printable(&text)))
}

fn reasons(out: &mut impl Write, reasons: &[String]) -> io::Result<()> {
    for reason in reasons {
        writeln!(out, "{}", wrapped("       ", &printable(reason)))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct One<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a str>,
    name: &'a str,
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    duties: Vec<String>,
    reasons: &'a [String],
}

#[derive(Serialize)]
struct Whole<'a> {
    fit: Vec<One<'a>>,
    apart: Vec<One<'a>>,
    unfit: Vec<One<'a>>,
}

fn one<'a>(
    one: &'a Ranked,
    score: Option<u32>,
    duties: Vec<String>,
    reasons: &'a [String],
) -> One<'a> {
    One {
        id: &one.id,
        member: one.member.as_ref().map(crate::domain::id::AgencyId::as_str),
        name: &one.name,
        phone: &one.phone,
        score,
        duties,
        reasons,
    }
}

/// The ranking as JSON.
pub(super) fn json(ranking: &Ranking<Ranked>) -> Result<String, serde_json::Error> {
    let fit = ranking.fit.iter();
    let apart = ranking.apart.iter();
    let unfit = ranking.unfit.iter();
    serde_json::to_string_pretty(&Whole {
        fit: fit
            .map(|fit| one(&fit.agency, Some(fit.score), Vec::new(), &fit.reasons))
            .collect(),
        apart: apart
            .map(|apart| {
                let duties = apart.duties.iter().map(ToString::to_string).collect();
                one(&apart.agency, None, duties, &apart.reasons)
            })
            .collect(),
        unfit: unfit
            .map(|unfit| one(&unfit.agency, None, Vec::new(), &unfit.why))
            .collect(),
    })
}
