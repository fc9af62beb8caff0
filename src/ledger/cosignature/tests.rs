use super::super::checkpoint::Checkpoint;
use super::super::hash::Hash;
use super::super::note::{NoteSigner, NoteVerifier};
use super::*;
use proptest::prelude::*;

/// A running witness's key, as the tests of transparency-dev/formats have it.
const REMORA: &str = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";

fn log() -> NoteSigner {
    NoteSigner::ed25519("safeconduct.example", &[3; 32]).unwrap()
}

fn note() -> String {
    log().sign(&Checkpoint {
        origin: "safeconduct.example".into(),
        size: 7,
        root: Hash::from_bytes([5; 32]),
    })
}

fn witness(number: u8) -> Cosigner {
    Cosigner::ed25519(&format!("witness.example/w{number}"), &[number; 32]).unwrap()
}

fn verifier(witness: &Cosigner) -> CosignatureVerifier {
    CosignatureVerifier::parse(&witness.vkey()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

fn cosigned(by: &[(&Cosigner, i64)]) -> String {
    let note = note();
    let text = note::unverified_text(&note).unwrap();
    let lines: String = by
        .iter()
        .map(|(witness, seconds)| witness.cosign(text, at(*seconds)))
        .collect();
    format!("{note}{lines}")
}

#[test]
fn the_key_of_a_running_witness_is_read() {
    let verifier = CosignatureVerifier::parse(REMORA).unwrap();
    assert_eq!(verifier.name(), "remora.n621.de");
    assert_eq!(verifier.vkey(), REMORA);
    // The same text as a log's key, and a log's key as a witness's, are refused: the type is part of the id.
    assert_eq!(NoteVerifier::parse(REMORA), Err(NoteError::BadKey));
    assert_eq!(
        CosignatureVerifier::parse(&log().vkey()),
        Err(NoteError::BadKey)
    );
}

#[test]
fn what_is_signed_is_what_the_specification_shows() {
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    assert_eq!(
        message(text, 1_679_315_147),
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n\
         CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    );
    // The time is the first eight bytes behind the key id, as in the specification's example.
    let line = witness(1).cosign(text, at(1_679_315_147));
    let (_, _, timestamped) = note::signature_line(line.trim_end()).unwrap();
    assert_eq!(timestamped[..8], [0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
    assert_eq!(timestamped.len(), 72);
}

#[test]
fn each_witness_finds_its_own_line_and_the_newest() {
    let (one, two, three) = (witness(1), witness(2), witness(3));
    let note = cosigned(&[(&one, 100), (&two, 150), (&one, 200), (&one, 180)]);
    assert_eq!(verifier(&one).verify(&note), Ok(Some(at(200))));
    assert_eq!(verifier(&two).verify(&note), Ok(Some(at(150))));
    assert_eq!(verifier(&three).verify(&note), Ok(None));
    let (line, _) = verifier(&one).newest(&note).unwrap().unwrap();
    assert_eq!(
        line,
        one.cosign(note::unverified_text(&note).unwrap(), at(200))
    );
    // To the log's own verifier, cosignatures are lines of strangers.
    let log = NoteVerifier::parse(&log().vkey()).unwrap();
    assert_eq!(log.verify(&note).unwrap().size, 7);
}

#[test]
fn a_time_cannot_be_changed_nor_a_line_moved_to_another_checkpoint() {
    let one = witness(1);
    let note = cosigned(&[(&one, 100)]);
    let text = note::unverified_text(&note).unwrap();
    let line = one.cosign(text, at(100));
    let (name, id, mut timestamped) = note::signature_line(line.trim_end()).unwrap();
    timestamped[7] += 1;
    let forged = note.replace(&line, &note::line(name, id, &timestamped));
    assert_eq!(verifier(&one).verify(&forged), Err(NoteError::BadSignature));
    let moved = note.replace("\n7\n", "\n8\n");
    assert_eq!(verifier(&one).verify(&moved), Err(NoteError::BadSignature));
    // Too short for a time, or a time that no calendar has.
    for bytes in [vec![0; 7], vec![0xff; 72]] {
        let short = note.replace(&line, &note::line(name, id, &bytes));
        assert_eq!(verifier(&one).verify(&short), Err(NoteError::BadSignature));
    }
}

#[test]
fn fifteen_witnesses_fit_beside_the_log_and_strangers_are_ignored() {
    let all: Vec<Cosigner> = (1..=15).map(witness).collect();
    let by: Vec<(&Cosigner, i64)> = all.iter().map(|witness| (witness, 100)).collect();
    let note = cosigned(&by);
    assert_eq!(verifier(&all[14]).verify(&note), Ok(Some(at(100))));
    let more = format!(
        "{note}{}",
        note::line("stranger", [1, 2, 3, 4], &[9; 2_428])
    );
    assert_eq!(
        verifier(&all[0]).verify(&more),
        Err(NoteError::TooManySignatures)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_is_noticed_or_hides_the_line(at_index in any::<prop::sample::Index>(), bit in 0u8..8) {
        let one = witness(1);
        let note = cosigned(&[(&one, 100)]);
        let mut bytes = note.clone().into_bytes();
        let index = at_index.index(bytes.len());
        bytes[index] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes) {
            // A bit of the log's own line is none of the witness's business.
            let found = verifier(&one).verify(&changed);
            let untouched = verifier(&one).newest(&note).unwrap().unwrap().0;
            let same_text = note::unverified_text(&changed) == note::unverified_text(&note);
            if found == Ok(Some(at(100))) {
                prop_assert!(same_text && changed.contains(&untouched));
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = verifier(&witness(1)).verify(&text);
        let _ = CosignatureVerifier::parse(&text);
    }
}
