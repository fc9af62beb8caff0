use super::*;
use crate::domain::label::Label;
use crate::envelope::disclosure::seal_field;
use crate::envelope::fixture::{
    DAY, Seeds, Stream, agency, chain, field, fields, now, sealed, signer, signing_key,
};
use crate::envelope::keys::{AgencySigner as _, CertifiedSigner};
use crate::envelope::seal::Sealed;
use crate::envelope::statement::{LabelledDigest, labels_digest};
use proptest::prelude::*;
use serde_json::json;

mod collusion;

const HOUSE: [u8; 32] = [11; 32];
const CLINIC: [u8; 32] = [12; 32];

/// One parcel for house1, and all that opens it.
struct World {
    signer: CertifiedSigner,
    source: SigningKey,
    seeds: Seeds,
    recipient: AgencyId,
    sealed: Sealed,
}

impl World {
    fn new() -> Self {
        Self::with(fields())
    }

    fn with(fields: Vec<Field>) -> Self {
        let signer = signer();
        let sealed = sealed(&signer, "house1", &HOUSE, fields, &mut Stream::new("world"));
        let source = signing_key("alpha", &signer);
        Self {
            signer,
            source,
            seeds: Seeds(vec![HOUSE]),
            recipient: agency("house1"),
            sealed,
        }
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            recipient: &self.recipient,
            purpose: Purpose::SafeAccommodation,
            stage: Stage::Triage,
            now: now(),
            skew: Duration::ZERO,
        }
    }

    fn open(&self, parcel: &SealedParcel) -> Result<OpenedParcel, OpenError> {
        open(parcel, &self.source, &self.expected(), &self.seeds, &|_| {
            None
        })
    }

    /// Signs the parcel again after its claims were changed, as a dishonest source might.
    fn resign(
        &self,
        change: impl FnOnce(&mut crate::envelope::statement::ParcelClaims),
    ) -> SealedParcel {
        let statement = ParcelStatement::parse(&self.sealed.parcel.statement, &self.source);
        let mut claims = statement.unwrap().claims().clone();
        change(&mut claims);
        let mut parcel = self.sealed.parcel.clone();
        parcel.statement = claims.sign(&self.signer).unwrap();
        parcel
    }
}

#[test]
fn the_recipient_reads_what_was_sealed_and_nothing_more() {
    let world = World::new();
    let opened = world.open(&world.sealed.parcel).unwrap();
    let mut wanted = fields();
    wanted.sort_by(|a, b| a.path.cmp(&b.path));
    let held: Vec<Field> = opened
        .fields
        .iter()
        .map(|field| field.field.clone())
        .collect();
    assert_eq!(held, wanted);
    assert!(opened.fields.iter().all(|field| field.recognised));
    let statement = world.sealed.parcel.verify(&world.source).unwrap();
    assert!(
        statement
            .check_basis(&world.sealed.basis_salt, &chain())
            .is_ok()
    );
    assert!(statement.check_basis(&[0; 32], &chain()).is_err());
    assert_eq!(statement.claims().digests.len(), 8);
}

#[test]
fn every_change_of_one_byte_is_refused() {
    // Invariant 21. Each part in full, but of the long zero-like ciphertexts.
    let world = World::new();
    let good = &world.sealed.parcel;
    let mut refused = 0;
    let mut check = |parcel: SealedParcel, part: &str, at: usize| {
        let outside = parcel.verify(&world.source).is_err();
        // What the router cannot see, the recipient does.
        assert!(outside || world.open(&parcel).is_err(), "{part} {at}");
        refused += 1;
    };
    for at in 0..good.statement.len() {
        let mut parcel = good.clone();
        parcel.statement[at] ^= 1;
        check(parcel, "statement", at);
    }
    for at in 0..good.enc.len() {
        let mut parcel = good.clone();
        parcel.enc[at] ^= 0x40;
        check(parcel, "enc", at);
    }
    for at in 0..good.wrapped.len() {
        let mut parcel = good.clone();
        parcel.wrapped[at] ^= 4;
        check(parcel, "wrapped", at);
    }
    for nth in 0..good.labels.len() {
        for at in 0..32 {
            let mut parcel = good.clone();
            parcel.labels[nth].digest[at] ^= 0x10;
            check(parcel, "digest", at);
        }
        for label in Label::all().filter(|label| *label != good.labels[nth].label) {
            let mut parcel = good.clone();
            parcel.labels[nth].label = label;
            check(parcel, "label", nth);
        }
    }
    assert!(refused > 2000);
    // The ciphertexts reach the recipient alone; the parcel key is opened once for all of them.
    let statement = good.verify(&world.source).unwrap();
    let seed = world.seeds.seed(&statement.claims().kid).unwrap();
    let info = parcel_info(statement.claims());
    let key = hpke::open(&seed, &good.enc, &info, &good.wrapped).unwrap();
    let key: [u8; 32] = key.as_slice().try_into().unwrap();
    for nth in 0..good.fields.len() {
        for at in 0..good.fields[nth].len() {
            let mut parcel = good.clone();
            parcel.fields[nth][at] ^= 0x80;
            assert_eq!(
                open_fields(&parcel, &statement, &key),
                Err(OpenError::Tampered)
            );
        }
    }
}

#[test]
fn the_sealed_key_itself_refuses_a_changed_byte() {
    // The same without the digest in the statement: HPKE alone must hold.
    let world = World::new();
    let good = &world.sealed.parcel;
    let statement = good.verify(&world.source).unwrap();
    let seed = world.seeds.seed(&statement.claims().kid).unwrap();
    let info = parcel_info(statement.claims());
    for at in (0..good.enc.len()).step_by(37).chain(1088..1120) {
        let mut enc = good.enc.clone();
        enc[at] ^= 1;
        assert!(
            hpke::open(&seed, &enc, &info, &good.wrapped).is_none(),
            "enc {at}"
        );
    }
    for at in 0..info.len() {
        let mut info = info.clone();
        info[at] ^= 1;
        assert!(
            hpke::open(&seed, &good.enc, &info, &good.wrapped).is_none(),
            "info {at}"
        );
    }
}

#[test]
fn ciphertexts_do_not_move_between_fields_or_parcels() {
    let world = World::new();
    let other = sealed(
        &world.signer,
        "house1",
        &HOUSE,
        fields(),
        &mut Stream::new("other"),
    );
    let mut swapped = world.sealed.parcel.clone();
    swapped.fields.swap(0, 1);
    assert_eq!(world.open(&swapped), Err(OpenError::Tampered));
    let mut moved = world.sealed.parcel.clone();
    moved.fields[0] = other.parcel.fields[0].clone();
    assert_eq!(world.open(&moved), Err(OpenError::Tampered));
    let mut keyed = world.sealed.parcel.clone();
    keyed.enc = other.parcel.enc.clone();
    keyed.wrapped = other.parcel.wrapped.clone();
    assert_eq!(world.open(&keyed), Err(OpenError::Tampered));
    let mut short = world.sealed.parcel.clone();
    short.fields.pop();
    short.labels.pop();
    assert_eq!(world.open(&short), Err(OpenError::Tampered));
    let mut stated = world.sealed.parcel.clone();
    stated.statement = other.parcel.statement.clone();
    assert_eq!(world.open(&stated), Err(OpenError::Tampered));
}

#[test]
fn a_parcel_opens_for_its_recipient_purpose_stage_and_time_only() {
    let world = World::new();
    let parcel = &world.sealed.parcel;
    let clinic = agency("clinic");
    let refused = |expected: Expected<'_>| {
        open(parcel, &world.source, &expected, &world.seeds, &|_| None).unwrap_err()
    };
    let expected = world.expected();
    assert_eq!(
        refused(Expected {
            recipient: &clinic,
            ..expected
        }),
        OpenError::NotForUs
    );
    assert_eq!(
        refused(Expected {
            stage: Stage::Accepted,
            ..expected
        }),
        OpenError::NotForUs
    );
    assert_eq!(
        refused(Expected {
            purpose: Purpose::MedicalCare,
            ..expected
        }),
        OpenError::NotForUs
    );
    assert_eq!(
        refused(Expected {
            now: now().plus(DAY * 2),
            ..expected
        }),
        OpenError::NotInTime
    );
    assert_eq!(
        refused(Expected {
            now: now().minus(DAY),
            ..expected
        }),
        OpenError::NotInTime
    );
    let others = Seeds(vec![CLINIC]);
    let error = open(parcel, &world.source, &expected, &others, &|_| None).unwrap_err();
    assert_eq!(error, OpenError::WrongKey);
    let beta = signing_key("beta", &signer());
    let error = open(parcel, &beta, &expected, &world.seeds, &|_| None).unwrap_err();
    assert_eq!(error, OpenError::Tampered);
}

#[test]
fn a_statement_signed_anew_does_not_open_what_was_sealed_under_another() {
    // The source itself cannot relabel a parcel for another purpose, stage, key or time without sealing afresh.
    let world = World::new();
    let expected = world.expected();
    let accepted = world.resign(|claims| claims.stage = Stage::Accepted);
    let at_accepted = Expected {
        stage: Stage::Accepted,
        ..expected
    };
    let error = open(
        &accepted,
        &world.source,
        &at_accepted,
        &world.seeds,
        &|_| None,
    )
    .unwrap_err();
    assert_eq!(error, OpenError::Tampered);
    let longer = world.resign(|claims| claims.expires = claims.expires.plus(DAY));
    assert_eq!(world.open(&longer), Err(OpenError::Tampered));
    let renamed = world.resign(|claims| claims.parcel = ParcelId::from_random([9; 16]));
    assert_eq!(world.open(&renamed), Err(OpenError::Tampered));
    let clinic = agency("clinic");
    let readdressed = world.resign(|claims| claims.recipient = agency("clinic"));
    let at_clinic = Expected {
        recipient: &clinic,
        ..expected
    };
    let error = open(
        &readdressed,
        &world.source,
        &at_clinic,
        &world.seeds,
        &|_| None,
    )
    .unwrap_err();
    assert_eq!(error, OpenError::Tampered);
}

#[test]
fn a_label_that_differs_inside_and_outside_is_an_alarm() {
    // A dishonest source signs AGE outside over a field that says CARE_NEEDS inside.
    let world = World::new();
    let statement = world.sealed.parcel.verify(&world.source).unwrap();
    let claims = statement.claims();
    let seed = world.seeds.seed(&claims.kid).unwrap();
    let good = &world.sealed.parcel;
    let key = hpke::open(&seed, &good.enc, &parcel_info(claims), &good.wrapped).unwrap();
    let key: [u8; 32] = key.as_slice().try_into().unwrap();
    let mut parcel = good.clone();
    let care: Label = "CARE_NEEDS/CODED".parse().unwrap();
    let nth = good
        .labels
        .iter()
        .position(|item| item.label == care)
        .unwrap();
    let item = good.labels[nth];
    let plain = open_field(&key, claims.parcel, &item, &good.fields[nth]).unwrap();
    let lie = LabelledDigest {
        label: "AGE/BAND".parse().unwrap(),
        ..item
    };
    parcel.labels[nth] = lie;
    parcel.fields[nth] = seal_field(&key, claims.parcel, &lie, &plain);
    let labels = labels_digest(&parcel.labels);
    parcel.statement = world.resign(|claims| claims.labels = labels).statement;
    assert!(parcel.verify(&world.source).is_ok());
    let error = world.open(&parcel).unwrap_err();
    assert_eq!(error, OpenError::Mislabelled);
    assert_eq!(error.alarm(), Some(Alarm::MislabelledField));
}

#[test]
fn a_value_under_a_category_that_is_not_its_own_is_an_alarm() {
    // R4: forced criminality never travels under TRAFFICKING, nor health as language.
    for (path, label, value) in [
        (
            "trafficking.exploitation",
            "TRAFFICKING/WHOLE",
            json!(["FORCED_CRIMINALITY"]),
        ),
        (
            "trafficking.exploitation",
            "TRAFFICKING/WHOLE",
            json!(["FORCED_LABOUR", "FORCED_CRIMINALITY"]),
        ),
        (
            "trafficking.exploitation@PUNISHABLE_ACTS",
            "PUNISHABLE_ACTS/WHOLE",
            json!(["FORCED_LABOUR"]),
        ),
        (
            "trafficking.exploitation",
            "PUNISHABLE_ACTS/WHOLE",
            json!(["FORCED_CRIMINALITY"]),
        ),
        ("health.conditions", "LANGUAGE/WHOLE", json!(["x"])),
        ("health.conditions", "HEALTH/FUNCTIONAL", json!(["x"])),
        ("age.claimed", "AGE/BAND", json!(17)),
        (
            "language.languages",
            "LANGUAGE/WHOLE",
            json!("a text where a list belongs"),
        ),
    ] {
        let world = World::with(vec![field(path, label, value)]);
        assert_eq!(
            world.open(&world.sealed.parcel),
            Err(OpenError::Mislabelled),
            "{path} {label}"
        );
    }
    let newer = World::with(vec![field("age.star_sign", "AGE/EXACT", json!("?"))]);
    assert!(!newer.open(&newer.sealed.parcel).unwrap().fields[0].recognised);
}

#[test]
fn a_parcel_id_may_come_again_only_under_the_same_statement() {
    let world = World::new();
    let parcel = &world.sealed.parcel;
    let digest = *world.open(parcel).unwrap().statement.signed_digest();
    let again = |seen: [u8; 32]| {
        open(
            parcel,
            &world.source,
            &world.expected(),
            &world.seeds,
            &move |_| Some(seen),
        )
    };
    assert!(again(digest).is_ok());
    assert_eq!(again([0; 32]).unwrap_err(), OpenError::Replayed);
    // A second signature over the same claims is the same statement.
    let resigned = world.resign(|_| {});
    assert_ne!(resigned.statement, parcel.statement);
    assert_eq!(
        world.open(&resigned).unwrap().statement.signed_digest(),
        &digest
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Invariant 26.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Disclosure::from_padded(&bytes);
        let _ = Disclosure::parse(&bytes);
        let seed = crate::envelope::hpke::SealingSeed::from_bytes(Zeroizing::new(HOUSE));
        prop_assert!(hpke::open(&seed, &bytes, b"", &bytes).is_none());
    }
}
