use super::*;
use crate::domain::id::{BasisChainId, CaseHandle};
use crate::envelope::fixture::{DAY, agency, now, signer, signing_key};

fn statement() -> BasisStatement {
    let labels = ["AGE/BAND", "LANGUAGE/WHOLE"].map(|label| label.parse::<Label>().unwrap());
    BasisStatement {
        basis: Basis {
            chain: BasisChainId::from_random([3; 16]),
            source: agency("alpha"),
            recipient: agency("house1"),
            case: CaseHandle::from_random([4; 16]),
            seq: 1,
            from: now(),
            kind: "CONSENT".parse().unwrap(),
            allows: vec![Allow {
                purposes: vec!["SAFE_ACCOMMODATION".parse().unwrap()],
                labels: labels.into_iter().collect::<LabelSet>().closed(),
                asked: "BUNDLE".parse().unwrap(),
                until: now().plus(DAY * 30),
                reply: false,
            }],
            given_by: "SELF".parse().unwrap(),
            asked_alone: true,
            interpreter: "TELEPHONE".parse().unwrap(),
            child_told: "NOT_APPLICABLE".parse().unwrap(),
            for_child: Default::default(),
        },
        issued: now(),
        evidence: [5; 32],
    }
}

#[test]
fn a_basis_comes_back_as_it_was_signed() {
    let alpha = signer();
    let token = statement().sign(&alpha).unwrap();
    let read = BasisStatement::parse(&token, &signing_key("alpha", &alpha));
    assert_eq!(read, Ok(statement()));
    let beta = signing_key("beta", &alpha);
    assert_eq!(
        BasisStatement::parse(&token, &beta),
        Err(StatementError::Issuer)
    );
}

#[test]
fn a_basis_out_of_bounds_is_refused() {
    let alpha = signer();
    type Change = (StatementError, fn(&mut Basis));
    let changes: [Change; 7] = [
        (StatementError::Time, |basis| {
            basis.allows[0].until = basis.from
        }),
        (StatementError::Time, |basis| {
            basis.allows[0].until = basis.from.plus(DAY * 367)
        }),
        (StatementError::Sequence, |basis| basis.seq = 0),
        (StatementError::Claim, |basis| basis.allows.clear()),
        (StatementError::Claim, |basis| {
            basis.allows[0].labels = LabelSet::EMPTY
        }),
        (StatementError::Claim, |basis| {
            basis.recipient = basis.source.clone()
        }),
        (StatementError::Size, |basis| {
            basis.allows = vec![basis.allows[0].clone(); 33]
        }),
    ];
    for (error, change) in changes {
        let mut statement = statement();
        change(&mut statement.basis);
        let token = statement.sign(&alpha).unwrap();
        let read = BasisStatement::parse(&token, &signing_key("alpha", &alpha));
        assert_eq!(read, Err(error));
    }
}
