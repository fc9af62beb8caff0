use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn at() -> Timestamp {
    Timestamp::from_millis(1_794_000_000_000).unwrap()
}

fn opening() -> Opening {
    let decision = Decision::OfferClosed {
        offer: "abc".into(),
    };
    Opening {
        nonce: [7; 32],
        decision,
    }
}

fn bodies() -> Vec<EntryBody> {
    vec![
        EntryBody::Committed {
            event: "opened",
            commitment: [0xfb; 32],
        },
        EntryBody::Keys {
            bundle: "eyJ.a_b-c.sig".into(),
        },
        EntryBody::Tick,
        EntryBody::Digest {
            number: 3,
            size: 9,
            root: Hash::from_bytes([1; 32]),
            protocol: 2,
        },
        EntryBody::Erased {
            of: Erased::Content,
            indexes: vec![0, 4, INTEGER_MAX],
        },
        EntryBody::Erased {
            of: Erased::Decision,
            indexes: vec![7],
        },
    ]
}

#[test]
fn an_entry_is_written_as_the_design_shows_it() {
    let by = Actor::Agency("k7".parse().unwrap());
    let entry = Entry {
        by,
        at: at(),
        body: bodies().remove(0),
    };
    assert_eq!(
        String::from_utf8(entry.encode().unwrap()).unwrap(),
        r#"{"by":"agency:k7","c":"-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s","e":"opened","t":1794000000000,"v":1}"#
    );
}

#[test]
fn the_encoding_by_hand_is_the_canonical_one_and_reads_back() {
    for by in [
        Actor::Router,
        Actor::Admin,
        Actor::Agency("a-1".parse().unwrap()),
    ] {
        for body in bodies() {
            let entry = Entry {
                by: by.clone(),
                at: at(),
                body,
            };
            let bytes = entry.encode().unwrap();
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), bytes);
            assert_eq!(Entry::parse(&bytes).unwrap(), entry);
        }
    }
}

#[test]
fn every_event_of_a_decision_is_known() {
    assert!(Decision::EVENTS.contains(&opening().decision.event()));
    let names: std::collections::BTreeSet<_> = Decision::EVENTS.iter().collect();
    assert_eq!(names.len(), Decision::EVENTS.len());
    for event in Decision::EVENTS {
        let body = EntryBody::Committed {
            event,
            commitment: [0; 32],
        };
        let entry = Entry {
            by: Actor::Router,
            at: at(),
            body,
        };
        assert_eq!(Entry::parse(&entry.encode().unwrap()).unwrap(), entry);
    }
}

#[test]
fn what_would_not_be_written_so_again_is_refused() {
    let tick = r#"{"by":"router","e":"tick","t":5,"v":1}"#;
    assert!(Entry::parse(tick.as_bytes()).is_ok());
    let bad = [
        (
            r#" {"by":"router","e":"tick","t":5,"v":1}"#,
            EntryError::NotCanonical,
        ),
        (
            r#"{"e":"tick","by":"router","t":5,"v":1}"#,
            EntryError::NotCanonical,
        ),
        (
            r#"{"by":"router","e":"tick","number":1,"t":5,"v":1}"#,
            EntryError::NotCanonical,
        ),
        (
            r#"{"by":"ro\u0075ter","e":"tick","t":5,"v":1}"#,
            EntryError::NotCanonical,
        ),
        (
            r#"{"by":"router","c":null,"e":"tick","t":5,"v":1}"#,
            EntryError::NotCanonical,
        ),
        (
            r#"{"by":"router","e":"tick","t":5.0,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"tick","t":-5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"tick","t":5,"v":2}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","by":"router","e":"tick","t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"tick","t":5,"v":1,"z":0}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"tick","t":5,"v":1}x"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"agency:A","e":"tick","t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"erased","indexes":[],"t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"erased","indexes":[3,3],"t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"bundle":"a\"b","by":"router","e":"keys","t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","e":"opened","t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","c":"AA","e":"opened","t":5,"v":1}"#,
            EntryError::Malformed,
        ),
        (
            r#"{"by":"router","c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","e":"seen","t":5,"v":1}"#,
            EntryError::UnknownEvent,
        ),
    ];
    for (text, error) in bad {
        assert_eq!(Entry::parse(text.as_bytes()), Err(error), "{text}");
    }
}

#[test]
fn an_entry_fits_sixteen_bits_of_length() {
    let keys = |length| {
        let body = EntryBody::Keys {
            bundle: "a".repeat(length),
        };
        Entry {
            by: Actor::Router,
            at: at(),
            body,
        }
        .encode()
    };
    let overhead = keys(0).unwrap().len();
    assert_eq!(
        keys(ENTRY_BYTES_MAX - overhead).unwrap().len(),
        ENTRY_BYTES_MAX
    );
    assert_eq!(
        keys(ENTRY_BYTES_MAX - overhead + 1),
        Err(EntryError::TooLong)
    );
    assert_eq!(
        Entry::parse(&[b' '; ENTRY_BYTES_MAX + 1]),
        Err(EntryError::TooLong)
    );
}

#[test]
fn an_opening_reads_back_and_opens_its_commitment() {
    let opening = opening();
    let bytes = opening.decision_bytes();
    assert_eq!(
        String::from_utf8(bytes.clone()).unwrap(),
        r#"{"act":"offer_closed","offer":"abc"}"#
    );
    assert_eq!(Opening::parse(&[7; 32], &bytes).unwrap(), opening);
    assert_eq!(opening.commitment(), commitment(&[7; 32], &bytes));
    // Recomputed with Python: hmac.new(bytes([7]*32), b"safeconduct/v1/entry\0" + jcs, "sha256").
    assert_eq!(
        data_encoding::HEXLOWER.encode(&opening.commitment()),
        "015ede49f4ba2e476c81aacc8dcdb3031b10462dff2f08800123d3fed05dbbf6"
    );
    assert_ne!(opening.commitment(), commitment(&[8; 32], &bytes));
    assert!(Opening::parse(&[7; 31], &bytes).is_err());
    let spaced = br#"{"act": "offer_closed","offer":"abc"}"#;
    assert_eq!(
        Opening::parse(&[7; 32], spaced),
        Err(EntryError::NotCanonical)
    );
    let more = br#"{"act":"offer_closed","more":1,"offer":"abc"}"#;
    assert!(Opening::parse(&[7; 32], more).is_err());
}

#[test]
fn the_short_way_takes_what_the_general_way_takes_and_nothing_else() {
    let by = [Actor::Router, Actor::Agency("k7".parse().unwrap())];
    for (by, body) in by.into_iter().zip([EntryBody::Tick, bodies().remove(0)]) {
        let entry = Entry { by, at: at(), body };
        let bytes = entry.encode().unwrap();
        assert_eq!(Entry::parse_usual(&bytes), Some(entry));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Some(entry) = Entry::parse_usual(&flipped) {
                assert_eq!(Entry::parse_any(&flipped), Ok(entry), "{bit}");
            }
            let mut cut = bytes.clone();
            cut.remove(bit / 8);
            assert_eq!(
                Entry::parse_usual(&cut),
                Entry::parse_any(&cut).ok(),
                "{bit}"
            );
        }
        for time in ["0", "01794000000000", "-1", "1794000000000.0", "+1", ""] {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let odd = text.replace("1794000000000", time).into_bytes();
            if let Some(entry) = Entry::parse_usual(&odd) {
                assert_eq!(Entry::parse_any(&odd), Ok(entry), "{time}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Entry::parse(&bytes).is_err());
        prop_assert!(Opening::parse(&[0; 32], &bytes).is_err());
    }

    #[test]
    fn decisions_with_any_text_are_canonical(text in "\\PC{0,20}", number in 0u64..INTEGER_MAX) {
        let decision = Decision::AuditRead { what: text.clone(), start: number, count: 1, question: None, staff: text };
        let opening = Opening { nonce: [1; 32], decision };
        let bytes = opening.decision_bytes();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(serde_json_canonicalizer::to_vec(&value).unwrap(), bytes.clone());
        prop_assert_eq!(value["start"].clone(), json!(number));
        prop_assert_eq!(Opening::parse(&[1; 32], &bytes).unwrap(), opening);
    }
}
