use crate::audit::finding::Problem;
use crate::audit::fixture::{Town, agency};
use crate::audit::{Audit, Level};
use crate::domain::disposition::Refusal;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::act::ActBody;
use crate::ledger::decision::Decision;

/// A night's work, an ombudsperson, and the shelter's own office.
fn town() -> Town {
    let mut town = Town::ordinary();
    town.enrol("ombud", AgencyKind::Ombudsperson);
    town.approve(ActBody::Enrol {
        agency: agency("dpo"),
        kind: AgencyKind::AgencyDpo,
        parent: Some(agency("shelter")),
    });
    town
}

fn said(about: u64, finding: &str, staff: &str) -> Decision {
    Decision::DispositionRecorded {
        rule: "BURST".into(),
        about,
        finding: finding.into(),
        staff: staff.into(),
    }
}

fn confirmed(about: u64, finding: &str, staff: &str) -> Decision {
    Decision::DispositionConfirmed {
        rule: "BURST".into(),
        about,
        finding: finding.into(),
        staff: staff.into(),
    }
}

fn read(what: &str) -> Decision {
    Decision::AuditRead {
        what: what.into(),
        start: 0,
        count: 1,
        question: None,
        staff: "a".into(),
    }
}

fn found(town: &Town) -> Vec<Problem> {
    let mut audit = Audit::new(Level::Replay, None);
    for (entry, opening) in &town.log {
        let _ = audit.feed(entry, opening.as_ref());
    }
    let found = audit.replayed().iter();
    found.map(|finding| finding.problem.clone()).collect()
}

fn act_of(town: &Town, by: &str) -> u64 {
    let by = format!("\"by\":\"agency:{by}\"");
    let position = town.log.iter().position(|(entry, _)| {
        String::from_utf8_lossy(entry).contains(&by)
            && !String::from_utf8_lossy(entry).contains("keys")
    });
    position.unwrap() as u64
}

#[test]
fn what_two_auditors_say_of_a_finding_is_lawful() {
    let mut town = town();
    let about = act_of(&town, "shelter");
    town.push(Town::by("dpo"), read("acts"));
    town.push(Town::by("dpo"), said(about, "JUSTIFIED", "a"));
    town.push(Town::by("dpo"), confirmed(about, "JUSTIFIED", "b"));
    town.push(Town::by("ombud"), read("openings"));
    town.push(Town::by("ombud"), said(about, "MISUSE", "a"));
    assert_eq!(found(&town), []);
}

#[test]
fn nobody_confirms_themselves_nor_what_was_not_said() {
    let mut town = town();
    let about = act_of(&town, "shelter");
    town.push(Town::by("ombud"), said(about, "JUSTIFIED", "a"));
    town.push(Town::by("ombud"), confirmed(about, "JUSTIFIED", "a"));
    town.push(Town::by("ombud"), confirmed(about, "MISUSE", "b"));
    town.push(Town::by("ombud"), confirmed(about + 1, "JUSTIFIED", "b"));
    let no = [Refusal::SamePerson, Refusal::Other, Refusal::Nothing];
    assert_eq!(found(&town), no.map(Problem::Disposition));
}

#[test]
fn what_stands_is_not_said_again_and_may_be_said_otherwise() {
    let mut town = town();
    let about = act_of(&town, "shelter");
    town.push(Town::by("ombud"), said(about, "JUSTIFIED", "a"));
    // Not confirmed yet: somebody else may say it in their own name.
    town.push(Town::by("ombud"), said(about, "JUSTIFIED", "b"));
    town.push(Town::by("ombud"), confirmed(about, "JUSTIFIED", "a"));
    assert_eq!(found(&town), []);
    town.push(Town::by("ombud"), said(about, "JUSTIFIED", "c"));
    assert_eq!(found(&town), [Problem::Disposition(Refusal::Confirmed)]);
    town.push(Town::by("ombud"), said(about, "MISUSE", "c"));
    assert_eq!(found(&town).len(), 1);
}

#[test]
fn nobody_reads_or_judges_beyond_their_mandate() {
    let mut town = town();
    let (own, others) = (act_of(&town, "shelter"), act_of(&town, "ngo"));
    town.push(Town::by("dpo"), said(others, "MISUSE", "a"));
    town.push(Town::by("dpo"), read("entries"));
    town.push(Town::by("shelter"), read("acts"));
    town.push(Town::by("shelter"), said(own, "JUSTIFIED", "s2"));
    let next = town.next();
    town.push(Town::by("ombud"), said(next, "MISUSE", "a"));
    assert_eq!(found(&town), vec![Problem::Mandate; 5]);
}

#[test]
fn an_office_judges_nothing_that_was_kept_from_its_agency() {
    // R3: the office would show that it knew of it.
    let mut town = town();
    let denied = |reason: &str| Decision::Denied {
        method: "OpenParcel".into(),
        reason: reason.into(),
        staff: Some("s1".into()),
    };
    let told = town.push(Town::by("shelter"), denied("NOT_PERMITTED"));
    let kept = town.push(Town::by("shelter"), denied("BASIS_WITHDRAWN"));
    let counted = town.push(Town::by("shelter"), Decision::DeniedCounted { count: 3 });
    town.push(Town::by("ombud"), said(kept, "MISUSE", "a"));
    for about in [told, kept, counted] {
        town.push(Town::by("dpo"), said(about, "JUSTIFIED", "a"));
    }
    assert_eq!(found(&town), vec![Problem::Mandate; 2]);
}

#[test]
fn a_watermark_over_another_history_is_named() {
    let mut town = town();
    let early = (town.next(), *town.source().edge().root().as_bytes());
    town.tick();
    town.watermark("ombud", early.0, early.1);
    let now = (town.next(), *town.source().edge().root().as_bytes());
    town.watermark("ombud", now.0, now.1);
    assert_eq!(found(&town), []);
    // The operator records here what the auditor signed of a fork.
    let upto = town.next();
    town.watermark("ombud", upto, now.1);
    assert_eq!(found(&town), [Problem::WatermarkRoot]);
}
