use super::super::hash::{EMPTY_ROOT, leaf};
use super::super::note::NoteSigner;
use super::super::proof::consistency;
use super::super::tree::{Edge, NoTiles};
use super::*;
use proptest::prelude::*;

const ORIGIN: &str = "safeconduct.example";

fn signer() -> NoteSigner {
    NoteSigner::ed25519(ORIGIN, &[9; 32]).unwrap()
}

fn known() -> KnownLogs {
    let mut known = KnownLogs::default();
    known.add(NoteVerifier::parse(&signer().vkey()).unwrap());
    known
}

fn edge(size: u64, salt: u8) -> Edge {
    let mut edge = Edge::new();
    for number in 0..size {
        let _ = edge.append(leaf(&[number as u8, salt]));
    }
    edge
}

fn checkpoint(size: u64, salt: u8) -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.into(),
        size,
        root: edge(size, salt).root(),
    }
}

fn submission(old: u64, new: u64, salt: u8) -> Submission {
    let proof = if old == 0 || old >= new {
        Vec::new()
    } else {
        consistency(&edge(new, salt), &NoTiles, old, new).unwrap()
    };
    Submission {
        old,
        proof,
        note: signer().sign(&checkpoint(new, salt)),
    }
}

fn judged(latest: Option<(u64, u8)>, asked: &Submission) -> Result<(), Refused> {
    let signed = known().recognise(&asked.note)?;
    let latest = latest.map(|(size, salt)| checkpoint(size, salt));
    judge(latest.as_ref(), asked, &signed.checkpoint)
}

#[test]
fn the_example_of_the_specification_is_read_and_written_in_the_same_bytes() {
    let body = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\nexample.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa \
        Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let read = Submission::parse(body).unwrap();
    assert_eq!((read.old, read.proof.len()), (20_852_014, 4));
    assert_eq!(read.body(), body);
    // Whose log it is, this witness does not know.
    assert_eq!(known().recognise(&read.note), Err(Refused::UnknownLog));
}

#[test]
fn what_is_no_request_is_refused() {
    let note = submission(0, 3, 0).note;
    for head in [
        "old 00\n",
        "old +1\n",
        "old -1\n",
        "old 18446744073709551616\n",
        "old  1\n",
        "Old 1\n",
        "1\n",
        "",
        "old 1\nAAAA\n",
        "old 1\nnot base64\n",
        "old 1\r\n",
    ] {
        assert_eq!(
            Submission::parse(&format!("{head}\n{note}")),
            Err(NoSubmission),
            "{head:?}"
        );
    }
    let line = format!("{}\n", EMPTY_ROOT.base64());
    let with = |lines: usize| format!("old 1\n{}\n{note}", line.repeat(lines));
    assert!(Submission::parse(&with(63)).is_ok());
    assert_eq!(Submission::parse(&with(64)), Err(NoSubmission));
    assert_eq!(Submission::parse("old 1\n"), Err(NoSubmission));
    let long = format!("old 1\n\n{}", "x".repeat(SUBMISSION_BYTES_MAX));
    assert_eq!(Submission::parse(&long), Err(NoSubmission));
}

#[test]
fn a_growing_log_is_cosigned_from_nothing_on_and_again_at_the_same_size() {
    for (latest, old, new) in [
        (None, 0, 0),
        (None, 0, 1),
        (None, 0, 7),
        (Some((0, 0)), 0, 0),
        (Some((0, 0)), 0, 5),
        (Some((1, 0)), 1, 2),
        (Some((4, 0)), 4, 9),
        (Some((5, 0)), 5, 9),
        (Some((9, 0)), 9, 9),
    ] {
        assert_eq!(
            judged(latest, &submission(old, new, 0)),
            Ok(()),
            "{latest:?} {old} {new}"
        );
    }
}

#[test]
fn each_refusal_is_the_one_of_the_specification() {
    // Another size than the last cosigned: told, so that the log can prove from there.
    assert_eq!(
        judged(Some((5, 0)), &submission(0, 9, 0)),
        Err(Refused::OtherSize(5))
    );
    assert_eq!(
        judged(Some((5, 0)), &submission(3, 9, 0)),
        Err(Refused::OtherSize(5))
    );
    assert_eq!(
        judged(None, &submission(3, 9, 0)),
        Err(Refused::OtherSize(0))
    );
    // A log that was rewound cannot hide it: its own size is below what the witness saw.
    assert_eq!(
        judged(Some((5, 0)), &submission(3, 4, 0)),
        Err(Refused::OtherSize(5))
    );
    assert_eq!(
        judged(Some((5, 0)), &submission(5, 4, 0)),
        Err(Refused::Malformed)
    );
    // A fork.
    assert_eq!(
        judged(Some((5, 0)), &submission(5, 5, 1)),
        Err(Refused::OtherRoot(5))
    );
    assert_eq!(
        judged(Some((5, 0)), &submission(5, 9, 1)),
        Err(Refused::Inconsistent)
    );
    let mut asked = submission(0, 9, 0);
    asked.proof.push(EMPTY_ROOT);
    assert_eq!(judged(None, &asked), Err(Refused::Inconsistent));
    let mut asked = submission(9, 9, 0);
    asked.proof.push(EMPTY_ROOT);
    assert_eq!(judged(Some((9, 0)), &asked), Err(Refused::Inconsistent));
    // Keys.
    let mut asked = submission(0, 9, 0);
    let other = NoteSigner::ed25519(ORIGIN, &[8; 32]).unwrap();
    asked.note = other.sign(&checkpoint(9, 0));
    assert_eq!(judged(None, &asked), Err(Refused::NotSigned));
    asked.note = submission(0, 9, 0).note.replace("\n9\n", "\n8\n");
    assert_eq!(judged(None, &asked), Err(Refused::NotSigned));
    asked.note = "hello\n\n\u{2014} x AAAAAAA=\n".into();
    assert_eq!(judged(None, &asked), Err(Refused::Malformed));
}

#[test]
fn extension_lines_are_cosigned_with_the_rest_and_a_log_may_have_two_keys() {
    let text = format!("{}extension\n", checkpoint(4, 0).text());
    let signed = known().recognise(&signer().sign_text(&text)).unwrap();
    assert_eq!((signed.checkpoint.size, signed.text), (4, text));
    let mut known = known();
    let second = NoteSigner::ed25519(ORIGIN, &[8; 32]).unwrap();
    known.add(NoteVerifier::parse(&second.vkey()).unwrap());
    known.add(NoteVerifier::parse(&second.vkey()).unwrap());
    assert_eq!(known.origins().collect::<Vec<_>>(), [ORIGIN]);
    assert!(known.recognise(&second.sign(&checkpoint(4, 0))).is_ok());
    assert!(known.recognise(&signer().sign(&checkpoint(4, 0))).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is asked in whatever order, what was cosigned is one growing chain (invariant 10).
    #[test]
    fn what_is_cosigned_is_one_chain(
        asked in prop::collection::vec((0u64..12, 0u64..12, 0u8..2), 1..40),
    ) {
        let mut latest: Option<Checkpoint> = None;
        let mut cosigned: Vec<(Checkpoint, u8)> = Vec::new();
        for (old, new, salt) in asked {
            let asked = submission(old, new, salt);
            let Ok(signed) = known().recognise(&asked.note) else { continue };
            if judge(latest.as_ref(), &asked, &signed.checkpoint).is_ok() {
                latest = Some(signed.checkpoint.clone());
                cosigned.push((signed.checkpoint, salt));
            }
        }
        for pair in cosigned.windows(2) {
            let ((before, _), (after, salt)) = (&pair[0], &pair[1]);
            prop_assert!(before.size <= after.size);
            // The earlier tree is the beginning of the later one.
            prop_assert_eq!(edge(before.size, *salt).root(), before.root);
        }
    }

    #[test]
    fn any_body_is_read_or_refused(body in "(old [0-9]{1,3}|\n|[A-Za-z0-9+/=]{44}|\u{2014} a b|x){0,30}") {
        if let Ok(read) = Submission::parse(&body) {
            prop_assert_eq!(read.body(), body);
            let _ = known().recognise(&read.note);
        }
    }
}
