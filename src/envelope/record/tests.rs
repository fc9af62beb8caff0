use super::*;
use crate::proto::v1;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;

fn schema() -> &'static Schema {
    Schema::shared()
}

fn all(record: &v1::Record) -> BTreeMap<String, (String, Value)> {
    let fields = schema()
        .disclose(&record.encode_to_vec(), LabelSet::ALL)
        .unwrap();
    fields
        .into_iter()
        .map(|field| (field.path, (field.label.to_string(), field.value)))
        .collect()
}

#[test]
fn every_category_and_form_has_a_field_and_every_field_a_label() {
    let told: LabelSet = schema().fields().map(|field| field.label).collect();
    assert_eq!(told, LabelSet::ALL);
    assert!(schema().fields().count() > 70);
}

#[test]
fn no_value_with_a_category_of_its_own_hides_inside_a_message() {
    // Below a labelled field nothing is split, so nothing there may need it.
    fn walk(message: &MessageDescriptor) {
        let pool = message.parent_pool();
        for field in message.fields() {
            match field.kind() {
                Kind::Enum(words) => assert!(overrides(pool, &words).unwrap().is_empty()),
                Kind::Message(inner) => walk(&inner),
                _ => {}
            }
        }
    }
    for item in schema().fields() {
        if let Kind::Message(message) = item.field.kind() {
            walk(&message);
        }
    }
}

#[test]
fn forced_criminality_never_travels_under_trafficking() {
    // R4. It is taken out of its list, and alone it leaves no list behind.
    let mut record = v1::Record {
        trafficking: Some(v1::TraffickingFacts {
            exploitation: vec![
                v1::Exploitation::ForcedLabour.into(),
                v1::Exploitation::ForcedCriminality.into(),
            ],
            sexual_exploitation: vec![v1::SexualExploitation::SurvivalSex.into()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let fields = all(&record);
    let own = "trafficking.exploitation@PUNISHABLE_ACTS";
    assert_eq!(
        fields["trafficking.exploitation"],
        ("TRAFFICKING/WHOLE".to_owned(), json!(["FORCED_LABOUR"]))
    );
    assert_eq!(
        fields[own],
        (
            "PUNISHABLE_ACTS/WHOLE".to_owned(),
            json!(["FORCED_CRIMINALITY"])
        )
    );
    assert!(!fields.contains_key("trafficking.sexual_exploitation"));
    let trafficking = "TRAFFICKING/WHOLE".parse::<Label>().unwrap().and_below();
    let told = schema()
        .disclose(&record.encode_to_vec(), trafficking)
        .unwrap();
    assert!(!format!("{:?}", told.iter().map(|f| &f.value).collect::<Vec<_>>()).contains("CRIM"));

    record.trafficking.as_mut().unwrap().exploitation.remove(0);
    assert!(!all(&record).contains_key("trafficking.exploitation"));
}

#[test]
fn what_is_cut_has_the_label_that_the_recipient_recomputes() {
    for field in schema()
        .disclose(&full().encode_to_vec(), LabelSet::ALL)
        .unwrap()
    {
        assert_eq!(
            schema().label_of(&field.path, &field.value),
            Ok(Some(field.label))
        );
    }
}

#[test]
fn only_the_forms_asked_for_are_cut() {
    let record = full().encode_to_vec();
    for label in Label::all() {
        let fields = schema()
            .disclose(&record, [label].into_iter().collect())
            .unwrap();
        assert!(!fields.is_empty(), "{label}");
        assert!(fields.iter().all(|field| field.label == label));
    }
    assert_eq!(schema().disclose(&record, LabelSet::EMPTY), Ok(Vec::new()));
    assert_eq!(schema().labels(&record), Ok(LabelSet::ALL));
}

#[test]
fn unknown_fields_and_unknown_numbers_are_refused() {
    assert_eq!(schema().labels(&[0xff, 1, 2]), Err(RecordError::NotARecord));
    // Field 99 of the record, and field 99 of a group.
    let unknown = [0x9a, 0x06, 0x01, 0x41];
    assert_eq!(schema().labels(&unknown), Err(RecordError::NotARecord));
    let inner = [&[0x1a, 0x04][..], &unknown].concat();
    assert_eq!(schema().labels(&inner), Err(RecordError::NotARecord));
    for number in [0, 99] {
        let record = v1::Record {
            care: Some(v1::CareFacts {
                needs: vec![number],
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(
            schema().labels(&record.encode_to_vec()),
            Err(RecordError::Value)
        );
    }
}

#[test]
fn the_twins_say_less_and_never_contradict() {
    let record = v1::Record {
        age: Some(v1::AgeFacts {
            claimed: Some(31),
            ..Default::default()
        }),
        placement: Some(v1::PlacementFacts {
            placement_gender: v1::PlacementPreference::Woman.into(),
            ..Default::default()
        }),
        care: Some(v1::CareFacts {
            needs: vec![
                v1::CareNeed::Pregnant.into(),
                v1::CareNeed::MedicationTonight.into(),
            ],
            ..Default::default()
        }),
        threat: Some(v1::ThreatFacts {
            level: v1::ThreatLevel::PossibleNearby.into(),
            ..Default::default()
        }),
        contact: Some(v1::ContactFacts {
            mobile_phone: "+0".to_owned(),
            ..Default::default()
        }),
        family: Some(v1::FamilyFacts {
            members: vec![
                member("a", v1::Relation::Child, 9),
                member("b", v1::Relation::Child, 8),
            ],
            ..Default::default()
        }),
        documents: Some(v1::DocumentFacts {
            copies: vec![v1::DocumentCopy {
                kind: v1::DocumentKind::Passport.into(),
                content: vec![1],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let twins = derive_twins(&record.encode_to_vec(), Some("Maya")).unwrap();
    let fields = all(&v1::Record::decode(&*twins).unwrap());
    for (path, label, value) in [
        ("age.band", "AGE/BAND", json!("ADULT")),
        ("age.child_or_adult", "AGE/CHILD_OR_ADULT", json!("ADULT")),
        ("care.acuity", "CARE_NEEDS/ACUITY", json!("TONIGHT")),
        (
            "threat.present_danger",
            "THREAT/PRESENT_DANGER",
            json!(false),
        ),
        ("contact.via_source", "CONTACT/VIA_SOURCE", json!(true)),
        ("identity.alias", "IDENTITY/ALIAS", json!("Maya")),
        (
            "family.relations",
            "FAMILY/RELATIONS",
            json!(["CHILD", "CHILD"]),
        ),
        (
            "family.counts",
            "FAMILY/COUNTS",
            json!([
                {"band": "ADULT", "placement_gender": "WOMAN", "count": 1},
                {"band": "CHILD", "placement_gender": "WOMAN", "count": 2},
            ]),
        ),
        ("documents.kinds", "DOCUMENTS/LIST", json!(["PASSPORT"])),
    ] {
        assert_eq!(fields[path], (label.to_owned(), value), "{path}");
    }
    assert_eq!(derive_twins(&twins, Some("other")).unwrap(), twins);
    assert_eq!(derive_twins(&[], None).unwrap(), Vec::<u8>::new());
}

#[test]
fn in_doubt_the_person_is_a_child() {
    // R11: by the least age told, and by the doubt itself.
    let child = |age: v1::AgeFacts| {
        let record = v1::Record {
            age: Some(age),
            ..Default::default()
        };
        let twins = derive_twins(&record.encode_to_vec(), None).unwrap();
        all(&v1::Record::decode(&*twins).unwrap())["age.child_or_adult"].1 == json!("CHILD")
    };
    let age = v1::AgeFacts::default();
    assert!(child(v1::AgeFacts {
        claimed: Some(17),
        assessed: Some(19),
        ..age.clone()
    }));
    assert!(child(v1::AgeFacts {
        claimed: Some(18),
        doubt: v1::AgeDoubt::MayBeChild.into(),
        ..age.clone()
    }));
    assert!(!child(v1::AgeFacts {
        claimed: Some(18),
        ..age
    }));
}

fn member(name: &str, relation: v1::Relation, age: u32) -> v1::FamilyMember {
    v1::FamilyMember {
        name: name.to_owned(),
        relation: relation.into(),
        age: Some(age),
        placement_gender: v1::PlacementPreference::Woman.into(),
    }
}

/// A record with every field set, made from the descriptors, so that new fields are in it.
fn full() -> v1::Record {
    let mut record = DynamicMessage::new(schema().record.clone());
    fill(&mut record);
    v1::Record::decode(&*prost_reflect::prost::Message::encode_to_vec(&record)).unwrap()
}

fn fill(message: &mut DynamicMessage) {
    for field in message.descriptor().fields() {
        let value = match field.kind() {
            Kind::Message(inner) => {
                let mut inner = DynamicMessage::new(inner);
                fill(&mut inner);
                Reflected::Message(inner)
            }
            Kind::Enum(_) => Reflected::EnumNumber(1),
            Kind::String => Reflected::String("x".to_owned()),
            Kind::Bytes => Reflected::Bytes(vec![1].into()),
            Kind::Bool => Reflected::Bool(true),
            Kind::Uint32 => Reflected::U32(2),
            Kind::Int64 => Reflected::I64(3),
            other => panic!("{other:?}"),
        };
        let value = if field.is_list() {
            Reflected::List(vec![value])
        } else {
            value
        };
        message.set_field(&field, value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariant 26; and what is taken is taken whole.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = schema().disclose(&bytes, LabelSet::ALL);
        if let Ok(twins) = derive_twins(&bytes, Some("A")) {
            let _ = schema().labels(&twins);
        }
    }
}
