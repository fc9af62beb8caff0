use super::super::fixture::{Memory, Town};
use super::super::{Audit, Level, Report};
use super::*;

fn audit(log: &Memory, checkpoint: &Checkpoint, saved: Option<Checkpoint>) -> Report {
    let mut audit = Audit::new(Level::Verify, saved);
    for (entry, _) in &log.log {
        let _ = audit.feed(entry, None);
    }
    audit.finish(checkpoint)
}

fn problems(report: &Report) -> Vec<Problem> {
    report
        .findings
        .iter()
        .map(|finding| finding.problem.clone())
        .collect()
}

#[test]
fn an_honest_log_continues_each_of_its_checkpoints() {
    // Invariant 10.
    let whole = Town::ordinary().source();
    for size in 0..=whole.log.len() {
        let mut older = whole.clone();
        older.log.truncate(size);
        let report = audit(&whole, &whole.checkpoint(), Some(older.checkpoint()));
        assert!(
            report.intact && report.findings.is_empty(),
            "{:?}",
            report.findings
        );
    }
}

#[test]
fn a_changed_swapped_or_missing_entry_changes_the_root() {
    let honest = Town::ordinary().source();
    let checkpoint = honest.checkpoint();
    let mut swapped = honest.clone();
    swapped.log.swap(4, 5);
    assert!(problems(&audit(&swapped, &checkpoint, None)).contains(&Problem::Root));
    let mut cut = honest.clone();
    cut.log.pop();
    assert_eq!(problems(&audit(&cut, &checkpoint, None)), [Problem::Short]);
    let mut changed = honest;
    changed.log[6].0[9] ^= 1;
    assert!(problems(&audit(&changed, &checkpoint, None)).contains(&Problem::Root));
}

#[test]
fn a_log_that_hides_an_entry_contradicts_the_saved_checkpoint() {
    let honest = Town::ordinary().source();
    let mut hiding = honest.clone();
    hiding.log.remove(10);
    hiding.log.push(honest.log[3].clone());
    hiding.log.push(honest.log[3].clone());
    // It signs its forged past without a fault of its own.
    let report = audit(&hiding, &hiding.checkpoint(), Some(honest.checkpoint()));
    assert!(problems(&report).contains(&Problem::Forked));
    assert!(!report.intact);
    let mut rewound = honest.clone();
    rewound.log.truncate(5);
    let report = audit(&rewound, &rewound.checkpoint(), Some(honest.checkpoint()));
    assert_eq!(problems(&report), [Problem::Shrunk]);
}

#[test]
fn time_never_goes_backwards_and_silence_is_noticed() {
    let mut town = Town::new();
    town.now = town.now.minus(Duration::from_secs(60));
    let back = town.tick();
    town.now = town.now.plus(Duration::from_secs(3 * 3600));
    let late = town.tick();
    let report = audit(&town.source(), &town.source().checkpoint(), None);
    assert!(report.findings.contains(&Problem::Time.at(back)));
    assert!(report.findings.contains(&Problem::NoTick(180).at(late)));
    assert_eq!(
        report.last_tick.map(|at| at.plus(Duration::from_secs(1))),
        Some(town.now)
    );
}

#[test]
fn directory_digests_are_numbered() {
    let mut town = Town::new();
    let digest = |number| EntryBody::Digest {
        number,
        size: 2,
        root: hash::EMPTY_ROOT,
        protocol: 1,
    };
    town.push_body(crate::ledger::entry::Actor::Router, digest(1));
    let gap = town.push_body(crate::ledger::entry::Actor::Router, digest(3));
    let report = audit(&town.source(), &town.source().checkpoint(), None);
    assert_eq!(report.findings, [Problem::Digest.at(gap)]);
}
