//! Directory digests are recomputed: what anybody was ever shown as a member's key must have been published.

use super::*;
use crate::audit::fixture::agency;
use crate::domain::directory_record::DirectoryRecord;
use crate::domain::protocol::SHIPPED;
use crate::envelope::act::Act as ParsedAct;
use crate::envelope::bundle::KeyBundle;
use crate::envelope::keys::Signer as _;
use crate::ledger::entry::{Entry, EntryBody, Opening};
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::tree::Edge;
use std::collections::BTreeMap;

/// The digest's size and root, computed as a member computes its records: from what stands in the log.
fn digest(town: &Town, suspended: &[&str]) -> (u64, Hash) {
    let mut enrolments = BTreeMap::new();
    let mut bundles: BTreeMap<_, Vec<KeyBundle>> = BTreeMap::new();
    for (entry, opening) in &town.log {
        if let EntryBody::Keys { bundle } = Entry::parse(entry).unwrap().body {
            let bundle = KeyBundle::parse(bundle.as_bytes()).unwrap();
            let of = bundle.content().agency.clone();
            bundles.entry(of).or_default().push(bundle);
        }
        let given = opening.as_ref();
        let opening = given.map(|given| Opening::parse(&given.nonce, &given.decision).unwrap());
        if let Some(Decision::Approved {
            statement,
            approval,
            ..
        }) = opening.map(|opening| opening.decision)
        {
            let act = ParsedAct::parse(statement.as_bytes(), town.admins[0].verifying_key());
            if let ActBody::Enrol { agency, kind, .. } = act.unwrap().body {
                enrolments.insert(agency, (kind, statement, approval));
            }
        }
    }
    let mut edge = Edge::new();
    for id in ["ngo", "operator", "shelter"] {
        let (of, none) = (
            agency(id),
            (AgencyKind::Operator, String::new(), String::new()),
        );
        let (kind, proposal, approval) = enrolments.get(&of).unwrap_or(&none);
        let published = bundles.get(&of).map_or(&[][..], Vec::as_slice);
        let mut signers: Vec<[u8; 32]> = Vec::new();
        for bundle in published.iter().rev() {
            let fingerprint = bundle.signing_key().fingerprint;
            if !signers.contains(&fingerprint) {
                signers.push(fingerprint);
            }
        }
        let record = DirectoryRecord {
            agency: &of,
            kind: *kind,
            parent: None,
            suspended: suspended.contains(&id),
            bundle: published.last().map(KeyBundle::digest),
            signers: &signers,
            proposal: proposal.as_bytes(),
            approval: approval.as_bytes(),
        };
        let _ = edge.append(leaf(&record.bytes()));
    }
    (edge.size(), edge.root())
}

fn push(town: &mut Town, number: u64, (size, root): (u64, Hash)) -> u64 {
    push_with(town, number, (size, root), 1)
}

fn push_with(town: &mut Town, number: u64, (size, root): (u64, Hash), protocol: u64) -> u64 {
    let body = EntryBody::Digest {
        number,
        size,
        root,
        protocol,
    };
    town.push_body(Actor::Router, body)
}

#[test]
fn a_digest_names_the_protocol_in_force_and_no_other() {
    let mut town = Town::new();
    let under = digest(&town, &[]);
    push_with(&mut town, 1, under, 1);
    town.approve(ActBody::PublishProtocol {
        version: 2,
        toml: SHIPPED.replace("\nversion = 1\n", "\nversion = 2\n"),
    });
    let replaced = push_with(&mut town, 2, under, 1);
    push_with(&mut town, 3, under, 2);
    let invented = push_with(&mut town, 4, under, 3);
    finds(
        &town,
        &[
            (replaced, Problem::DirectoryDigest),
            (invented, Problem::DirectoryDigest),
        ],
    );
}

#[test]
fn digests_over_what_was_enrolled_and_published_are_lawful() {
    let mut town = Town::new();
    let first = digest(&town, &[]);
    push(&mut town, 1, first);
    // A renewed certificate stands before the earlier one, which stays.
    town.certify("shelter");
    let bundle = town.bundle("shelter");
    town.push_body(Town::by("shelter"), EntryBody::Keys { bundle });
    let second = digest(&town, &[]);
    assert_ne!(first, second);
    push(&mut town, 2, second);
    town.approve(ActBody::Suspend {
        agency: agency("shelter"),
    });
    let third = digest(&town, &["shelter"]);
    push(&mut town, 3, third);
    finds(&town, &[]);
}

#[test]
fn a_key_that_was_shown_to_anybody_and_never_published_is_found() {
    let mut town = Town::new();
    let honest = digest(&town, &[]);
    // As the router would have to make it, to show somebody a key of its own in the shelter's name.
    let published = town.log.len();
    town.certify("shelter");
    let bundle = town.bundle("shelter");
    town.push_body(Town::by("shelter"), EntryBody::Keys { bundle });
    let swapped = digest(&town, &[]);
    town.log.truncate(published);
    let at = push(&mut town, 1, swapped);
    push(&mut town, 2, honest);
    finds(&town, &[(at, Problem::DirectoryDigest)]);
}

#[test]
fn a_digest_that_an_agency_made_is_not_the_routers() {
    let mut town = Town::new();
    let (size, root) = digest(&town, &[]);
    let body = EntryBody::Digest {
        number: 1,
        size,
        root,
        protocol: 1,
    };
    let at = town.push_body(Town::by("ngo"), body);
    finds(&town, &[(at, Problem::Actor)]);
}
