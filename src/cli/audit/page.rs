//! The report as a page: one file, no script and nothing loaded, readable on a screen and on A4.

use super::Outcome;
use super::print;
use super::report_command::{Reviewed, others};
use super::review::disposition;
use crate::audit::finding::Severity;
use crate::cli::text::minute;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;

/// Most findings on the page; all of them are in the JSON beside it.
const FINDINGS_MAX: usize = 500;

const STYLE: &str = "
@page { size: A4; margin: 18mm 16mm; }
:root { color-scheme: light; }
body { font: 11pt/1.45 Georgia, 'Liberation Serif', serif; color: #1b1b1b; background: #fff;
       max-width: 46em; margin: 2em auto; padding: 0 1.2em; }
h1 { font-size: 1.6em; line-height: 1.2; margin: 0 0 .2em; }
h2 { font-size: 1.1em; margin: 1.6em 0 .4em; border-bottom: 1px solid #bbb; padding-bottom: .15em;
     break-after: avoid; }
.result { border: 1.5px solid #1b1b1b; border-left-width: 8px; padding: .6em 1em; margin: 1.2em 0; }
.result.wrong { border-color: #9b1c1c; } .result.open { border-color: #8a6100; }
.result.right { border-color: #1d6b3a; }
.result p { margin: .2em 0; } .result strong { font-size: 1.15em; }
table { border-collapse: collapse; width: 100%; font-size: .92em; }
th, td { text-align: left; vertical-align: top; padding: .3em .6em .3em 0; border-bottom: 1px solid #ddd; }
tr { break-inside: avoid; } thead { display: table-header-group; }
.facts th { width: 11em; font-weight: normal; color: #555; }
code { font: .88em/1.4 'DejaVu Sans Mono', Menlo, monospace; overflow-wrap: anywhere; }
code.name { overflow-wrap: normal; } .time { white-space: nowrap; }
li { margin: .25em 0; overflow-wrap: anywhere; } .small { font-size: .88em; color: #555; }
h2 + .small { break-after: avoid; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 10pt; } }
";

/// Text as HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A finding's or rule's name, which may break after `_` and nowhere else.
fn name(text: &str) -> String {
    let parts = escaped(text).replace('_', "_<wbr>");
    format!("<code class=\"name\">{parts}</code>")
}

/// The same text as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(rest).collect()
    })
}

fn list(lines: &[String]) -> String {
    let items = lines
        .iter()
        .map(|line| format!("<li>{}</li>\n", escaped(line)));
    format!("<ul>\n{}</ul>\n", items.collect::<String>())
}

/// The page of a report.
pub(super) fn html(
    outcome: &Outcome,
    review: &Reviewed,
    report: &Value,
    agency: Option<&AgencyId>,
    now: Timestamp,
) -> String {
    let origin = escaped(&outcome.origin);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Audit of {origin}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Audit of the record of {origin}</h1>\n<p class=\"small\">{}, level <b>{}</b>, safeconduct {}</p>\n",
        escaped(&minute(now)),
        print::level(outcome.level),
        env!("CARGO_PKG_VERSION"),
    );
    page.push_str(&result(outcome, review));
    page.push_str(&facts(outcome, report, agency, now));
    let shown = print::shown(outcome);
    if !shown.is_empty() {
        page.push_str("<h2>What was shown</h2>\n");
        page.push_str(&list(&shown));
    }
    page.push_str(&findings(outcome));
    page.push_str(&reviewed(review));
    page.push_str("<h2>What this does not prove</h2>\n");
    page.push_str(&list(&print::not_shown(outcome)));
    page.push_str(
        "<h2>How to check this report</h2>\n<p>The folder that holds this page also holds \
         <code>report.json</code>, <code>checkpoint</code> and <code>digests.json</code>, and \
         <code>signature.jws</code> if somebody signed. Offline, on any computer:</p>\n\
         <p><code>safeconduct audit report-check FOLDER --trust DIR --revoked crl.pem</code></p>\n\
         <p class=\"small\">DIR is the folder with the log&#39;s key and the certificate authority&#39;s roots, from a \
         place that you trust. crl.pem holds that authority&#39;s revocation lists, from the authority itself and \
         newer than this report; without <code>--revoked</code> nobody looks whether the signer&#39;s certificate was \
         revoked. A printed page proves nothing by itself.</p>\n</body>\n</html>\n",
    );
    page
}

fn result(outcome: &Outcome, review: &Reviewed) -> String {
    let violations = outcome.report.violations().count();
    let notices = outcome.report.notices().count();
    let (class, head, text) = match outcome.exit_code() {
        1 => (
            "wrong",
            format!("{violations} violation(s) found"),
            "Each is listed below with its index in the log.",
        ),
        0 => (
            "right",
            "As it must be".to_owned(),
            "Nothing that this level checks is wrong, and the log continues what the auditor had saved before.",
        ),
        _ => (
            "open",
            "Nothing wrong by itself".to_owned(),
            "There was no saved state from before: nothing was verified against the past.",
        ),
    };
    let notices = if notices == 0 {
        String::new()
    } else {
        format!("<p>{notices} notice(s) that a person should look at.</p>\n")
    };
    let open = review.open().map_or(String::new(), |open| {
        format!("<p>{}.</p>\n", escaped(&open))
    });
    format!(
        "<div class=\"result {class}\">\n<p><strong>{head}</strong></p>\n<p>{text}</p>\n{notices}{open}</div>\n"
    )
}

fn facts(outcome: &Outcome, report: &Value, agency: Option<&AgencyId>, now: Timestamp) -> String {
    let code = |text: &str| format!("<code>{}</code>", escaped(text));
    let mut rows: Vec<(&str, String)> = vec![
        ("Made", escaped(&minute(now))),
        (
            "By",
            agency.map_or_else(
                || "<b>not signed</b>: anybody can have made this page".to_owned(),
                |agency| {
                    format!(
                        "{} (signed; see the last section)",
                        escaped(agency.as_str())
                    )
                },
            ),
        ),
        ("Log", code(&outcome.origin)),
        ("Its key", code(&outcome.key)),
        (
            "Key known before",
            if outcome.pinned {
                "yes"
            } else {
                "no: the log named it"
            }
            .to_owned(),
        ),
        ("Entries", outcome.size.to_string()),
    ];
    if let Some(root) = report.get("root").and_then(Value::as_str) {
        rows.push(("Root", code(root)));
    }
    if let Some(past) = outcome.past {
        rows.push((
            "Continues",
            format!("the checkpoint of {past} entries saved before"),
        ));
    }
    if let Some(tick) = outcome.report.last_tick {
        rows.push(("Last tick", escaped(&minute(tick))));
    }
    rows.push(("Witnesses", witnesses(outcome)));
    let others = others(outcome);
    if !others.is_empty() {
        rows.push((
            "Also signed by",
            others
                .iter()
                .map(|name| code(name))
                .collect::<Vec<_>>()
                .join(", "),
        ));
    }
    if let Some(counts) = outcome.report.counts {
        rows.push((
            "Disclosures",
            format!(
                "{}, of which {} covered",
                counts.disclosures, counts.covered
            ),
        ));
        rows.push((
            "Also recorded",
            format!(
                "{} deposits, {} basis statements, {} refusals, {} erasures",
                counts.deposits, counts.bases, counts.denials, counts.tombstones
            ),
        ));
    }
    let rows = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
    format!(
        "<h2>What was checked</h2>\n<table class=\"facts\">\n{}</table>\n",
        rows.collect::<String>()
    )
}

fn witnesses(outcome: &Outcome) -> String {
    let eyes = &outcome.eyes;
    if !eyes.asked {
        return "<b>none asked</b>: nobody vouches that others are shown the same log".to_owned();
    }
    let seen = eyes.witnesses.iter();
    let seen = seen.map(|(name, at)| format!("{}, {}", escaped(name), escaped(&minute(*at))));
    let seen: Vec<String> = seen.collect();
    let quorum = match eyes.vouched {
        Some(_) => "the quorum of the auditor's policy",
        None => "<b>fewer than the quorum</b> of the auditor's policy",
    };
    if seen.is_empty() {
        return format!("{quorum}: none");
    }
    format!("{quorum}: {}", seen.join("; "))
}

fn findings(outcome: &Outcome) -> String {
    let all = &outcome.report.findings;
    if all.is_empty() {
        return "<h2>Violations and notices</h2>\n<p>None.</p>\n".into();
    }
    let mut html = String::from(
        "<h2>Violations and notices</h2>\n<table>\n\
         <thead><tr><th>Entry</th><th>Code</th><th>Weight</th><th>What</th></tr></thead>\n",
    );
    // Violations first, so that none is cut off.
    let order = [Severity::Violation, Severity::Notice];
    let sorted = order.iter().flat_map(|weight| {
        all.iter()
            .filter(move |finding| finding.problem.severity() == *weight)
    });
    for finding in sorted.take(FINDINGS_MAX) {
        let index = finding
            .index
            .map_or_else(|| "all".to_owned(), |index| index.to_string());
        let _ = writeln!(
            html,
            "<tr><td>{index}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            name(finding.problem.code()),
            print::severity(finding),
            escaped(&finding.problem.to_string())
        );
    }
    html.push_str("</table>\n");
    if let Some(more) = all.len().checked_sub(FINDINGS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(html, "<p>And {more} more, in <code>report.json</code>.</p>");
    }
    html
}

fn reviewed(review: &Reviewed) -> String {
    let found = match review {
        Reviewed::NotAsked => return String::new(),
        Reviewed::Not(why) => {
            return format!("<h2>Review</h2>\n<p>Not made: {}.</p>\n", escaped(why));
        }
        Reviewed::Found(found) => found,
    };
    let mut html = String::from(
        "<h2>Review: what a person should look at again</h2>\n<p class=\"small\">Allowed, and found by a rule all the \
         same. A finding is no verdict.</p>\n",
    );
    if found.is_empty() {
        html.push_str("<p>Nothing.</p>\n");
        return html;
    }
    html.push_str(
        "<table>\n<thead><tr><th>Entry</th><th>Rule</th><th>Who</th>\
         <th>Why, and what was said</th></tr></thead>\n",
    );
    for (one, standing) in found.iter().take(FINDINGS_MAX) {
        let staff = one.staff.as_deref().unwrap_or("nobody named");
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{} / {}<br><span class=\"time\">{}</span></td>\
             <td>{}.<br>Look at {}.<br>{}.</td></tr>",
            one.index,
            name(one.rule.name()),
            escaped(one.agency.as_str()),
            escaped(staff),
            minute(one.at),
            escaped(&sentence(&one.why)),
            one.look_at(),
            escaped(&sentence(&disposition(standing.as_ref())))
        );
    }
    html.push_str("</table>\n");
    if let Some(more) = found
        .len()
        .checked_sub(FINDINGS_MAX)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(html, "<p>And {more} more, in <code>report.json</code>.</p>");
    }
    html
}
