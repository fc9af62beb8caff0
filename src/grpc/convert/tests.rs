use super::*;
use crate::domain::id::BasisChainId;
use crate::domain::vocabulary::{Category, Form};
use proptest::prelude::*;

fn message(fields: usize) -> proto::Deposit {
    let labels = (0..fields).map(|index| proto::Label {
        digest: vec![u8::try_from(index).expect("few fields"); 32],
        category: Category::Age.number(),
        form: Form::Band.number(),
    });
    let parcel = proto::Parcel {
        statement: b"statement".to_vec().into(),
        encapsulated_key: vec![1; 1120].into(),
        wrapped_key: vec![2; 48].into(),
        labels: labels.collect(),
        fields: (0..fields).map(|_| vec![3; 64].into()).collect(),
    };
    proto::Deposit {
        parcel: Some(parcel),
        basis_chain: BasisChainId::from_random([4; 16]).to_string(),
        basis_salt: vec![5; 32],
    }
}

fn parse(message: proto::Deposit) -> Result<Deposit, Vec<String>> {
    let mut fields = Fields::new();
    let parsed = deposit(&mut fields, message);
    match fields.all((parsed,)) {
        Ok((deposit,)) => Ok(deposit),
        Err(invalid) => Err(invalid
            .0
            .into_iter()
            .map(|violation| violation.path)
            .collect()),
    }
}

#[test]
fn what_was_deposited_is_what_is_disclosed_but_for_chain_and_salt() {
    for fields in [1, 12, FIELDS_MAX] {
        let given = message(fields);
        let deposit = parse(given.clone()).expect("well formed");
        assert_eq!(Some(sealed(deposit.parcel)), given.parcel);
    }
}

#[test]
fn each_way_to_be_malformed_is_named_by_its_path() {
    type Spoil = fn(&mut proto::Parcel);
    let spoils: [(Spoil, &str); 11] = [
        (|parcel| parcel.statement = Vec::new().into(), "statement"),
        (
            |parcel| parcel.statement = vec![0; 16 * 1024 + 1].into(),
            "statement",
        ),
        (
            |parcel| parcel.encapsulated_key = vec![0; 1119].into(),
            "encapsulated_key",
        ),
        (
            |parcel| parcel.wrapped_key = vec![0; 49].into(),
            "wrapped_key",
        ),
        (|parcel| drop(parcel.fields.pop()), "fields"),
        (|parcel| parcel.labels.swap(0, 1), "labels"),
        (
            |parcel| parcel.labels[1].digest = parcel.labels[0].digest.clone(),
            "labels",
        ),
        (
            |parcel| parcel.labels[2].digest.truncate(31),
            "labels[2].digest",
        ),
        (|parcel| parcel.labels[2].category = 0, "labels[2].category"),
        (|parcel| parcel.labels[2].form = 4711, "labels[2].form"),
        (
            |parcel| parcel.labels[2].form = Form::Alias.number(),
            "labels[2].form",
        ),
    ];
    for (spoil, path) in spoils {
        let mut spoilt = message(3);
        spoil(spoilt.parcel.as_mut().expect("set"));
        assert_eq!(parse(spoilt), Err(vec![format!("parcel.{path}")]));
    }
    let mut none = message(0);
    assert_eq!(parse(none.clone()), Err(vec!["parcel.labels".to_owned()]));
    none.parcel = None;
    none.basis_salt.pop();
    none.basis_chain.clear();
    let paths = ["parcel", "basis_chain", "basis_salt"].map(String::from);
    assert_eq!(parse(none), Err(paths.to_vec()));
}

proptest! {
    /// Invariant 26: no bytes from outside cause a panic.
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(message) = <proto::Deposit as prost::Message>::decode(&*bytes) {
            let _ = parse(message);
        }
    }
}
