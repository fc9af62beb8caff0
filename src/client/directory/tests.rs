use super::*;
use crate::client::connect::certificates;
use crate::client::fixture::{facts, issue};
use crate::client::keys::{AgencyKeys, KeyRotation};
use crate::client::random::SystemRandom;
use crate::envelope::keys::{KeyPairSigner, Signer};
use crate::identity::authority::{Authority, LEAF_LIFETIME};
use crate::ledger::entry::Actor;
use crate::ledger::proof::inclusion;
use crate::ledger::tree::{Edge, NoTiles};

const ORIGIN: &str = "safeconduct.example";

struct World {
    now: Timestamp,
    authority: Authority,
    administrators: [KeyPairSigner; 2],
    trust: TrustAnchors,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::from_seconds(1_790_000_000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(ORIGIN, now, &mut SystemRandom).unwrap();
        let root = folder.path().join("root.pem");
        std::fs::write(&root, authority.root_pem()).unwrap();
        let administrators = [(); 2].map(|()| KeyPairSigner::generate().unwrap().0);
        let trust = TrustAnchors {
            origin: ORIGIN.into(),
            log_key: String::new(),
            administrators: administrators
                .iter()
                .map(|key| key.verifying_key().clone())
                .collect(),
            roots: certificates(&root).unwrap(),
            policy: None,
        };
        Self {
            now,
            authority,
            administrators,
            trust,
            folder,
        }
    }

    fn bundle(&mut self, id: &str) -> Vec<u8> {
        let home = self.folder.path().join(id);
        std::fs::create_dir(&home).unwrap();
        let agency: AgencyId = id.parse().unwrap();
        let files = issue(&mut self.authority, &agency, &home, self.now);
        let keys = AgencyKeys::load(agency, &files).unwrap();
        KeyRotation::next_bundle(&keys, facts(), self.now, &mut SystemRandom).unwrap()
    }

    fn enrolment(&self, id: &str, kind: AgencyKind, signers: [usize; 2]) -> v1::Enrolment {
        let agency = id.parse().unwrap();
        let body = ActBody::Enrol {
            agency,
            kind,
            parent: None,
        };
        let act = Act {
            issued: self.now,
            origin: ORIGIN.into(),
            body,
        };
        let proposal = act.sign(&self.administrators[signers[0]]).unwrap();
        let approval = Approval {
            issued: self.now,
            act: act_digest(&proposal),
        };
        let approval = approval.sign(&self.administrators[signers[1]]).unwrap();
        v1::Enrolment { proposal, approval }
    }

    fn record(&mut self, id: &str) -> v1::Agency {
        v1::Agency {
            name: format!("agencies/{id}"),
            kind: words::kind_number(AgencyKind::Shelter),
            key_bundle: self.bundle(id),
            enrolment: Some(self.enrolment(id, AgencyKind::Shelter, [0, 1])),
            ..Default::default()
        }
    }

    /// The directory of these records as an honest router would prove it.
    fn prove(&self, mut records: Vec<v1::Agency>) -> (v1::GetDirectoryResponse, Entry) {
        let mut edge = Edge::new();
        for record in &records {
            let enrolment = record.enrolment.clone().unwrap_or_default();
            let agency = words::agency_of(&record.name).unwrap();
            let digest = sha256(&record.key_bundle);
            let bundle = KeyBundle::parse(&record.key_bundle).unwrap();
            let mut signers = vec![bundle.signing_key().fingerprint];
            signers.extend(
                record
                    .signers
                    .iter()
                    .map(|chain| sha256(&chain.certificates[0])),
            );
            let standing = DirectoryRecord {
                agency: &agency,
                kind: words::kind(record.kind).unwrap(),
                parent: None,
                suspended: record.suspended,
                bundle: Some(&digest),
                signers: &signers,
                proposal: &enrolment.proposal,
                approval: &enrolment.approval,
            };
            let _ = edge.append(leaf(&standing.bytes()));
        }
        let size = edge.size();
        for (index, record) in records.iter_mut().enumerate() {
            record.digest_index = index as u64;
            let proof = inclusion(&edge, &NoTiles, index as u64, size).unwrap();
            record.digest_proof = proof.iter().map(|hash| hash.as_bytes().to_vec()).collect();
        }
        let root = edge.root();
        let digest = v1::DirectoryDigest {
            number: 1,
            size,
            root: root.as_bytes().to_vec(),
            receipt: None,
        };
        let body = EntryBody::Digest {
            number: 1,
            size,
            root,
            protocol: 2,
        };
        let entry = Entry {
            by: Actor::Router,
            at: self.now,
            body,
        };
        (
            v1::GetDirectoryResponse {
                agencies: records,
                digest: Some(digest),
            },
            entry,
        )
    }

    fn verify(&self, records: Vec<v1::Agency>) -> Result<Directory, DirectoryError> {
        let (reply, entry) = self.prove(records);
        Directory::verify(
            &reply,
            &entry,
            None,
            &self.trust,
            own(&id("alpha")),
            self.now,
        )
    }
}

/// An agency that has published nothing.
fn own(agency: &AgencyId) -> Own<'_> {
    Own {
        agency,
        bundle: None,
        certificates: &[],
    }
}

fn id(text: &str) -> AgencyId {
    text.parse().unwrap()
}

#[test]
fn an_honest_directory_is_mirrored_and_sealed_to_while_it_is_fresh() {
    let mut world = World::new();
    let records = vec![world.record("house1"), world.record("house2")];
    let directory = world.verify(records).unwrap();
    assert_eq!(directory.members().count(), 2);
    assert!(directory.sealing_key(&id("house1"), world.now).is_ok());
    let later = world.now.plus(FRESH_MAX + Duration::from_secs(1));
    let stale = directory.sealing_key(&id("house1"), later);
    assert_eq!(stale.unwrap_err(), DirectoryError::Stale);
    let unknown = directory.sealing_key(&id("house3"), world.now);
    assert_eq!(unknown.unwrap_err(), DirectoryError::Unknown);
}

#[test]
fn a_record_that_is_not_under_the_digest_is_refused() {
    let mut world = World::new();
    let records = vec![world.record("house1"), world.record("house2")];
    let (mut reply, entry) = world.prove(records);
    reply.agencies[0].suspended = true;
    let alpha = id("alpha");
    let answer = Directory::verify(&reply, &entry, None, &world.trust, own(&alpha), world.now);
    assert_eq!(answer.unwrap_err(), DirectoryError::Unproven(id("house1")));
}

#[test]
fn a_router_cannot_swap_keys_or_kinds_even_under_its_own_digest() {
    let mut world = World::new();
    // Another agency's certified keys under this name.
    let mut swapped = world.record("house1");
    let world_record = world.record("house9");
    swapped.key_bundle = world.bundle("mallory");
    let directory = world.verify(vec![swapped, world_record]).unwrap();
    let answer = directory.sealing_key(&id("house1"), world.now);
    assert_eq!(answer.unwrap_err(), DirectoryError::Bundle(id("house1")));
    let answer = directory.signing_key(&id("house1"));
    assert_eq!(answer.unwrap_err(), DirectoryError::Bundle(id("house1")));
    // The others can still be reached.
    assert!(directory.sealing_key(&id("house9"), world.now).is_ok());
    // Keys certified by another authority.
    let mut other = World::new();
    let mut foreign = world.record("house2");
    foreign.key_bundle = other.bundle("house2");
    let directory = world.verify(vec![foreign]).unwrap();
    let answer = directory.sealing_key(&id("house2"), world.now);
    assert_eq!(answer.unwrap_err(), DirectoryError::Bundle(id("house2")));
    // A kind that nobody signed.
    let mut promoted = world.record("house3");
    promoted.kind = words::kind_number(AgencyKind::Police);
    let answer = world.verify(vec![promoted]).unwrap_err();
    assert_eq!(answer, DirectoryError::Enrolment(id("house3")));
}

#[test]
fn one_administrator_twice_is_not_two() {
    let mut world = World::new();
    let mut record = world.record("house1");
    record.enrolment = Some(world.enrolment("house1", AgencyKind::Shelter, [0, 0]));
    let answer = world.verify(vec![record]).unwrap_err();
    assert_eq!(answer, DirectoryError::Enrolment(id("house1")));
}

#[test]
fn a_bundle_under_our_own_name_that_we_did_not_publish_is_an_alarm() {
    let mut world = World::new();
    let record = world.record("alpha");
    assert_eq!(
        world.verify(vec![record]).unwrap_err(),
        DirectoryError::NotOurs
    );
}

#[test]
fn a_digest_that_is_not_the_one_in_the_log_or_goes_backwards_is_refused() {
    let mut world = World::new();
    let records = vec![world.record("house1")];
    let (reply, mut entry) = world.prove(records);
    let alpha = id("alpha");
    let verify = |entry: &Entry, previous: Option<&Directory>| {
        Directory::verify(
            &reply,
            entry,
            previous,
            &world.trust,
            own(&alpha),
            world.now,
        )
    };
    let good = verify(&entry, None).unwrap();
    let later = Directory {
        number: 2,
        ..good.clone()
    };
    assert_eq!(
        verify(&entry, Some(&later)).unwrap_err(),
        DirectoryError::Digest
    );
    entry.body = EntryBody::Tick;
    assert_eq!(verify(&entry, None).unwrap_err(), DirectoryError::Digest);
}

#[test]
fn a_member_whose_certificate_has_ended_does_not_keep_us_from_the_others() {
    let mut world = World::new();
    let lapsed = world.record("house1");
    world.now = world.now.plus(LEAF_LIFETIME + Duration::from_secs(86_400));
    let records = vec![lapsed, world.record("house2")];
    let directory = world.verify(records).unwrap();
    let answer = directory.sealing_key(&id("house1"), world.now);
    assert_eq!(answer.unwrap_err(), DirectoryError::Bundle(id("house1")));
    assert!(directory.sealing_key(&id("house2"), world.now).is_ok());
}

impl World {
    /// An agency's keys in its folder.
    fn keys(&self, id: &str) -> AgencyKeys {
        let files = crate::client::keys::KeyFiles::in_folder(&self.folder.path().join(id));
        AgencyKeys::load(id.parse().unwrap(), &files).unwrap()
    }

    /// An agency's record after it renewed its certificate: the earlier one stands beside the bundle.
    fn renewed(&mut self, agency: &str) -> (v1::Agency, Chain) {
        let mut record = self.record(agency);
        let first = KeyBundle::parse(&record.key_bundle).unwrap();
        let home = self.folder.path().join(agency);
        issue(&mut self.authority, &id(agency), &home, self.now);
        let keys = self.keys(agency);
        record.key_bundle =
            KeyRotation::next_bundle(&keys, facts(), self.now, &mut SystemRandom).unwrap();
        let certificates = first.chain().to_vec();
        record.signers = vec![v1::SigningChain {
            certificates: certificates.clone(),
        }];
        (record, certificates)
    }
}

#[test]
fn what_was_signed_before_a_renewal_is_verified_with_the_certificate_that_stood() {
    let mut world = World::new();
    let (record, earlier) = world.renewed("house1");
    let present = KeyBundle::parse(&record.key_bundle).unwrap().signing_key();
    let directory = world.verify(vec![record.clone()]).unwrap();
    let signer = |fingerprint: &[u8; 32], now| {
        directory.signer(&id("house1"), fingerprint, &world.trust, now)
    };
    let found = signer(&present.fingerprint, world.now).unwrap().unwrap();
    assert_eq!(found.key, present);
    let old = sha256(&earlier[0]);
    let found = signer(&old, world.now).unwrap().unwrap();
    assert_eq!(found.key.fingerprint, old);
    // A certificate that has ended still tells who signed, and until when it could have.
    let later = world.now.plus(LEAF_LIFETIME * 2);
    assert_eq!(signer(&old, later).unwrap().unwrap().until, found.until);
    assert_eq!(signer(&[7; 32], world.now), Ok(None));
    // A certificate that the digest does not name is not shown.
    let (mut reply, entry) = world.prove(vec![record]);
    reply.agencies[0].signers.clear();
    let alpha = id("alpha");
    let answer = Directory::verify(&reply, &entry, None, &world.trust, own(&alpha), world.now);
    assert_eq!(answer.unwrap_err(), DirectoryError::Unproven(id("house1")));
}

#[test]
fn an_earlier_certificate_of_another_authority_tells_nothing() {
    let mut world = World::new();
    let mut record = world.record("house1");
    let foreign = KeyBundle::parse(&World::new().bundle("house1")).unwrap();
    record.signers = vec![v1::SigningChain {
        certificates: foreign.chain().to_vec(),
    }];
    let directory = world.verify(vec![record]).unwrap();
    let fingerprint = foreign.signing_key().fingerprint;
    let found = directory.signer(&id("house1"), &fingerprint, &world.trust, world.now);
    assert_eq!(found, Ok(None));
}

#[test]
fn an_agency_finds_its_own_entry_whole_or_raises_the_alarm() {
    let mut world = World::new();
    let (record, earlier) = world.renewed("alpha");
    let other = world.record("house1");
    let bundle = sha256(&record.key_bundle);
    let certificates = [
        KeyBundle::parse(&record.key_bundle)
            .unwrap()
            .signing_key()
            .fingerprint,
        sha256(&earlier[0]),
    ];
    let (reply, entry) = world.prove(vec![record, other.clone()]);
    let verify = |reply: &v1::GetDirectoryResponse, certificates: &[[u8; 32]]| {
        let own = Own {
            agency: &id("alpha"),
            bundle: Some(&bundle),
            certificates,
        };
        let verified = Directory::verify(reply, &entry, None, &world.trust, own, world.now);
        verified.map(|_| ())
    };
    assert_eq!(verify(&reply, &certificates), Ok(()));
    // A certificate that others would verify our statements with, and that we never published.
    assert_eq!(
        verify(&reply, &certificates[..1]),
        Err(DirectoryError::NotOurs)
    );
    // The others are shown, and we are not.
    let mut without = reply.clone();
    without.agencies.remove(0);
    assert_eq!(
        verify(&without, &certificates),
        Err(DirectoryError::OwnMissing)
    );
}

#[test]
fn nothing_is_sealed_after_an_alarm_or_by_a_digest_that_was_old_when_it_was_shown() {
    let mut world = World::new();
    let record = world.record("house1");
    let (reply, entry) = world.prove(vec![record]);
    let alpha = id("alpha");
    let at = |now| Directory::verify(&reply, &entry, None, &world.trust, own(&alpha), now);
    let directory = at(world.now).unwrap();
    let alarmed = directory.alarmed(DirectoryError::NotOurs);
    let refused = alarmed.sealing_key(&id("house1"), world.now);
    assert_eq!(refused.unwrap_err(), DirectoryError::NotOurs);
    // Shown now, made long ago: the router stands still, or shows what once was.
    let now = world.now.plus(FRESH_MAX + Duration::from_secs(1));
    let old = at(now).unwrap();
    assert!(old.was_late() && !directory.was_late());
    let refused = old.sealing_key(&id("house1"), now);
    assert_eq!(refused.unwrap_err(), DirectoryError::OldDigest);
}

#[test]
fn nothing_is_sealed_by_a_directory_that_the_witnesses_asked_for_did_not_see() {
    let mut world = World::new();
    let record = world.record("house1");
    let directory = world.verify(vec![record]).unwrap();
    let key = |directory: &Directory, now| {
        let key = directory.sealing_key(&id("house1"), now);
        key.map(|_| ())
    };
    let unseen = directory.clone().witnessed(Witnessed::Missing, None);
    assert_eq!(key(&unseen, world.now), Err(DirectoryError::NotVouched));
    let seen = directory.clone().witnessed(Witnessed::At(world.now), None);
    assert_eq!(key(&seen, world.now), Ok(()));
    // They are away for an hour, and nothing has changed: what they vouched for stands.
    let away = directory.clone().witnessed(Witnessed::Missing, Some(&seen));
    assert_eq!(
        (away.vouched(), key(&away, world.now)),
        (seen.vouched(), Ok(()))
    );
    // Other records are not what they vouched for.
    let changed = Directory {
        root: leaf(b"other"),
        ..directory.clone()
    };
    let changed = changed.witnessed(Witnessed::Missing, Some(&seen));
    assert_eq!(key(&changed, world.now), Err(DirectoryError::NotVouched));
    // Nor is it for ever.
    let long_ago = world.now.minus(FRESH_MAX + Duration::from_secs(1));
    let old = directory.witnessed(Witnessed::At(long_ago), None);
    assert_eq!(key(&old, world.now), Err(DirectoryError::NotVouched));
}
