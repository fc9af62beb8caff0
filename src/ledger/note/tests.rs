use super::super::hash::Hash;
use super::*;
use proptest::prelude::*;

/// From the documentation of golang.org/x/mod/sumdb/note.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const PETERS_LINE: &str = "\u{2014} PeterNeumann \
    x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer() -> NoteSigner {
    NoteSigner::ed25519("safeconduct.example", &[3; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: "safeconduct.example".into(),
        size: 7,
        root: Hash::from_bytes([5; 32]),
    }
}

#[test]
fn the_example_of_gos_note_package_verifies() {
    let verifier = NoteVerifier::parse(PETER).unwrap();
    assert_eq!(verifier.vkey(), PETER);
    let note = format!("{TEXT}\n{PETERS_LINE}");
    assert_eq!(verifier.verify_text(&note), Ok(TEXT));
    let changed = note.replace("cryptography", "cryptographi");
    assert_eq!(verifier.verify_text(&changed), Err(NoteError::BadSignature));
}

#[test]
fn the_example_of_gos_note_package_is_signed_in_the_same_bytes() {
    let private = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let bytes = BASE64.decode(private.as_bytes()).unwrap();
    let seed: [u8; 32] = bytes[1..].try_into().unwrap();
    let signer = NoteSigner::ed25519("PeterNeumann", &seed).unwrap();
    assert_eq!(signer.vkey(), PETER);
    assert_eq!(signer.sign_text(TEXT), format!("{TEXT}\n{PETERS_LINE}"));
}

#[test]
fn a_signed_checkpoint_verifies_by_its_key_alone() {
    let signer = signer();
    let note = signer.sign(&checkpoint());
    let verifier = NoteVerifier::parse(&signer.vkey()).unwrap();
    assert_eq!(verifier.verify(&note), Ok(checkpoint()));
    let other = NoteSigner::ed25519("safeconduct.example", &[4; 32]).unwrap();
    let other = NoteVerifier::parse(&other.vkey()).unwrap();
    assert_eq!(other.verify(&note), Err(NoteError::NotSigned));
}

#[test]
fn lines_by_other_keys_are_ignored_and_sixteen_are_enough() {
    let signer = signer();
    let verifier = NoteVerifier::parse(&signer.vkey()).unwrap();
    let note = signer.sign(&checkpoint());
    let with_peter = |times: usize| {
        let (text, line) = note.rsplit_once("\n\n").unwrap();
        format!("{text}\n\n{}{line}", PETERS_LINE.repeat(times))
    };
    assert_eq!(verifier.verify(&with_peter(15)), Ok(checkpoint()));
    assert_eq!(
        verifier.verify(&with_peter(16)),
        Err(NoteError::TooManySignatures)
    );
}

#[test]
fn a_note_of_another_log_is_refused_though_the_key_signed_it() {
    let signer = signer();
    let verifier = NoteVerifier::parse(&signer.vkey()).unwrap();
    let other = Checkpoint {
        origin: "other.example".into(),
        ..checkpoint()
    };
    assert_eq!(
        verifier.verify(&signer.sign(&other)),
        Err(NoteError::NotACheckpoint)
    );
    assert_eq!(
        verifier.verify(&signer.sign_text("hello\n")),
        Err(NoteError::NotACheckpoint)
    );
}

#[test]
fn malformed_keys_and_names_are_refused() {
    for name in ["", "a b", "a+b", "a\nb", "a\u{a0}b"] {
        assert_eq!(
            NoteSigner::ed25519(name, &[1; 32]).err(),
            Some(NoteError::BadKey)
        );
    }
    let bad = [
        "",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+AR==",
    ];
    for vkey in bad {
        assert_eq!(NoteVerifier::parse(vkey), Err(NoteError::BadKey), "{vkey}");
    }
}

#[test]
fn broken_lines_make_no_note() {
    let verifier = NoteVerifier::parse(PETER).unwrap();
    let notes = [
        String::new(),
        TEXT.to_owned(),
        format!("{TEXT}\n"),
        format!("{TEXT}\n{}", PETERS_LINE.trim_end()),
        format!("{TEXT}\n{}", PETERS_LINE.replace('\u{2014}', "-")),
        format!("{TEXT}\n{PETERS_LINE}\u{2014} x \n"),
        format!("{TEXT}\n{PETERS_LINE}\u{2014} x AAAA\n"),
        format!("\t{TEXT}\n{PETERS_LINE}"),
        format!("{}\n{PETERS_LINE}", "a".repeat(NOTE_BYTES_MAX)),
    ];
    for note in notes {
        assert_eq!(
            verifier.verify_text(&note),
            Err(NoteError::Malformed),
            "{note:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_of_a_note_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let signer = signer();
        let verifier = NoteVerifier::parse(&signer.vkey()).unwrap();
        let mut bytes = signer.sign(&checkpoint()).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(note) = String::from_utf8(bytes) {
            prop_assert!(verifier.verify(&note).is_err());
        }
    }
}
