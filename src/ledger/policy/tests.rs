use super::super::cosignature::Cosigner;
use super::super::hash::Hash;
use super::super::note::{NoteSigner, unverified_text};
use super::*;
use proptest::prelude::*;

fn log(number: u8) -> NoteSigner {
    NoteSigner::ed25519("safeconduct.example", &[100 + number; 32]).unwrap()
}

fn witness(number: u8) -> Cosigner {
    Cosigner::ed25519(&format!("witness.example/w{number}"), &[number; 32]).unwrap()
}

/// `X1` and so on in a policy's text become keys.
fn policy(text: &str) -> Result<Policy, PolicyError> {
    let mut text = text.replace("<log>", &log(0).vkey());
    for number in 1..=6 {
        text = text.replace(&format!("<{number}>"), &witness(number).vkey());
    }
    Policy::parse(&text)
}

fn cosigned(by: &[(u8, i64)]) -> String {
    let note = log(0).sign(&Checkpoint {
        origin: "safeconduct.example".into(),
        size: 7,
        root: Hash::from_bytes([5; 32]),
    });
    let text = unverified_text(&note).unwrap().to_owned();
    by.iter().fold(note, |note, (number, seconds)| {
        note + &witness(*number).cosign(&text, at(*seconds))
    })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

/// The example of the specification.
const EXAMPLE: &str = "log <log>\n\nwitness X1 <1>\nwitness X2 <2> https://x2.example/prefix\n\
    witness X3 <3>\ngroup X-witnesses 2 X1 X2 X3\n\n# another organisation\nwitness Y1 <4>\n  witness\tY2  <5> \n\
    witness Y3 <6>\ngroup Y-witnesses any Y1 Y2 Y3\n\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";

#[test]
fn the_example_of_the_specification_is_read_and_decides() {
    let policy = policy(EXAMPLE).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert_eq!(
        policy.witnesses()[1].url.as_deref(),
        Some("https://x2.example/prefix")
    );
    assert!(!policy.asks_nobody());
    for (by, enough) in [
        (&[][..], false),
        (&[(1, 5), (2, 5)], false),
        (&[(1, 5), (4, 5)], false),
        (&[(4, 5), (5, 5), (6, 5)], false),
        (&[(1, 5), (3, 5), (6, 5)], true),
        (&[(1, 5), (2, 5), (3, 5), (4, 5), (5, 5), (6, 5)], true),
    ] {
        let found = policy.check(&cosigned(by)).unwrap();
        assert_eq!((found.quorum, found.witnesses.len()), (enough, by.len()));
        assert_eq!(found.checkpoint.size, 7);
        assert_eq!(found.require_quorum().is_ok(), enough);
    }
}

#[test]
fn freshness_is_the_last_moment_at_which_a_whole_quorum_vouched() {
    let policy = policy(EXAMPLE).unwrap();
    let found = policy
        .check(&cosigned(&[(1, 90), (2, 50), (3, 70), (4, 60), (5, 10)]))
        .unwrap();
    assert_eq!(found.vouched, Some(at(60)));
    assert_eq!(found.oldest(), Some(at(10)));
    let found = policy.check(&cosigned(&[(1, 90), (2, 50)])).unwrap();
    assert_eq!(found.vouched, None);
}

#[test]
fn a_policy_that_asks_nobody_says_so() {
    let policy = policy("log <log>\nwitness w <1>\nquorum none").unwrap();
    assert!(policy.asks_nobody());
    let found = policy.check(&cosigned(&[])).unwrap();
    assert_eq!((found.quorum, found.vouched), (true, None));
    let found = policy.check(&cosigned(&[(1, 5)])).unwrap();
    assert_eq!(found.witnesses, [("w".to_owned(), at(5))]);
    assert_eq!(found.vouched, None);
}

#[test]
fn only_logs_of_the_policy_are_believed_and_made_up_witnesses_are_named() {
    let nobody = policy("quorum none\n").unwrap();
    let note = cosigned(&[(1, 5)]);
    assert_eq!(nobody.check(&note), Err(PolicyError::NoLog));
    let verifier = NoteVerifier::parse(&log(0).vkey()).unwrap();
    assert!(nobody.check_by(&verifier, &note).is_ok());
    let other = Policy::parse(&format!("log {}\nquorum none\n", log(1).vkey())).unwrap();
    assert_eq!(
        other.check(&note),
        Err(PolicyError::Log(NoteError::NotSigned))
    );
    let both = format!("log {}\nlog {}\nquorum none", log(1).vkey(), log(0).vkey());
    assert!(Policy::parse(&both).unwrap().check(&note).is_ok());

    let strict = policy("log <log>\nwitness Ombud <1>\nquorum Ombud\n").unwrap();
    let text = unverified_text(&note).unwrap();
    let other_text = text.replace("\n7\n", "\n8\n");
    let moved = format!("{}{}", cosigned(&[]), witness(1).cosign(&other_text, at(5)));
    let refused = strict.check(&moved).unwrap_err();
    assert_eq!(refused, PolicyError::Witness("Ombud".into()));
    assert!(refused.to_string().contains("Ombud"));
    // A stranger's line is ignored, also a wrong one.
    let stranger = format!(
        "{}{}",
        cosigned(&[(1, 5)]),
        witness(2).cosign(&other_text, at(5))
    );
    assert!(strict.check(&stranger).unwrap().quorum);
}

#[test]
fn what_cannot_stand_is_named_with_its_line() {
    use PolicyFault as F;
    for (text, line, fault) in [
        ("log\nquorum none", 1, F::Line),
        ("log <1>\nquorum none", 1, F::LogKey),
        ("log <log> u v\nquorum none", 1, F::Line),
        ("log <log>\nlog <log>\nquorum none", 2, F::KeyTwice),
        ("witness a <log>", 1, F::WitnessKey),
        ("witness a <1>\nwitness b <1>", 2, F::KeyTwice),
        ("witness a <1>\nwitness a <2>", 2, F::NameTaken),
        ("witness none <1>", 1, F::NameTaken),
        ("witness a <1> u v", 1, F::Line),
        ("witness a <1>\ngroup a any a", 2, F::NameTaken),
        ("group g any a\nwitness a <1>", 1, F::Unknown),
        ("group g any none", 1, F::Unknown),
        ("witness a <1>\ngroup g any", 2, F::Line),
        ("witness a <1>\ngroup g 0 a", 2, F::Threshold),
        ("witness a <1>\ngroup g 2 a", 2, F::Threshold),
        ("witness a <1>\ngroup g +1 a", 2, F::Line),
        (
            "witness a <1>\ngroup g 99999999999999999999 a",
            2,
            F::Threshold,
        ),
        ("witness a <1>\ngroup g any a a", 2, F::MemberTwice),
        (
            "witness a <1>\ngroup g any a\ngroup h any a",
            3,
            F::MemberTwice,
        ),
        ("quorum a\nwitness a <1>", 1, F::Unknown),
        ("quorum none\nquorum none", 2, F::QuorumTwice),
        ("quorum", 1, F::Line),
        ("witnesses a <1>", 1, F::Line),
    ] {
        assert_eq!(
            policy(text),
            Err(PolicyError::Line { line, fault }),
            "{text}"
        );
    }
    assert_eq!(policy("witness a <1>\n"), Err(PolicyError::NoQuorumLine));
    assert_eq!(policy("quorum none\r\n"), Err(PolicyError::Unreadable));
    assert_eq!(policy("quorum none\u{7f}\n"), Err(PolicyError::Unreadable));
    let long = format!("#{}\nquorum none\n", " ".repeat(POLICY_BYTES_MAX));
    assert_eq!(policy(&long), Err(PolicyError::Unreadable));
    // Names need not be ASCII, and are compared byte by byte.
    assert!(policy("witness \u{212a} <1>\nwitness K <2>\nquorum \u{212a}\n").is_ok());
}

#[test]
fn thirty_two_of_each_fit() {
    let mut text = String::new();
    for number in 1..=32 {
        let log = NoteSigner::ed25519(&format!("log{number}"), &[100 + number; 32]).unwrap();
        text += &format!(
            "log {}\nwitness w{number} {}\n",
            log.vkey(),
            witness(number).vkey()
        );
        text += &format!("group g{number} any w{number}\n");
    }
    text += "quorum g32\n";
    let policy = Policy::parse(&text).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (32, 32));
    assert_eq!(Policy::parse(&policy.text()), Ok(policy));
}

#[test]
fn a_policy_writes_itself() {
    let parsed = policy(EXAMPLE).unwrap();
    assert_eq!(Policy::parse(&parsed.text()), Ok(parsed));
    let verifier = |number| CosignatureVerifier::parse(&witness(number).vkey()).unwrap();
    let log = NoteVerifier::parse(&log(0).vkey()).unwrap();
    let two = [
        (verifier(1), Some("https://one.example".to_owned())),
        (verifier(2), None),
    ];
    for at_least in 0..=2 {
        let built = Policy::any_of(log.clone(), &two, at_least).unwrap();
        assert_eq!(built.asks_nobody(), at_least == 0);
        assert_eq!(built.satisfied(&[true, false]), at_least <= 1);
        assert_eq!(Policy::parse(&built.text()), Ok(built));
    }
    assert_eq!(
        Policy::any_of(log.clone(), &two, 3),
        Err(PolicyFault::Threshold)
    );
    let twice = [two[1].clone(), two[1].clone()];
    assert_eq!(Policy::any_of(log, &twice, 1), Err(PolicyFault::KeyTwice));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_read_or_refused(text in "(log|witness|group|quorum|none|any|all|[a-z0-9# \t\n]){0,40}") {
        if let Ok(policy) = Policy::parse(&text) {
            prop_assert_eq!(Policy::parse(&policy.text()), Ok(policy));
        }
    }

    #[test]
    fn more_witnesses_never_undo_a_quorum(seen in prop::collection::vec(any::<bool>(), 6), more in 0usize..6) {
        let policy = policy(EXAMPLE).unwrap();
        let mut after = seen.clone();
        after[more] = true;
        prop_assert!(!policy.satisfied(&seen) || policy.satisfied(&after));
    }
}
