use super::*;
use crate::envelope::fixture::{agency, now};
use crate::envelope::keys::KeyPairSigner;

fn act(body: ActBody) -> Act {
    Act {
        issued: now(),
        origin: "safeconduct.example".to_owned(),
        body,
    }
}

#[test]
fn every_act_and_its_approval_come_back_as_they_were_signed() {
    let (one, _) = KeyPairSigner::generate().unwrap();
    let (two, _) = KeyPairSigner::generate().unwrap();
    let bodies = [
        ActBody::Enrol {
            agency: agency("house1"),
            kind: AgencyKind::Shelter,
            parent: None,
        },
        ActBody::Enrol {
            agency: agency("moi-atu"),
            kind: AgencyKind::Police,
            parent: Some(agency("moi")),
        },
        ActBody::PublishProtocol {
            version: 1,
            toml: "version = 1\n".to_owned(),
        },
        ActBody::Reinstate {
            agency: agency("house1"),
        },
        ActBody::Suspend {
            agency: agency("house1"),
        },
    ];
    for body in bodies {
        let act = act(body);
        let token = act.sign(&one).unwrap();
        assert_eq!(claimed_kid(&token), Ok(one.verifying_key().spki_kid()));
        assert_eq!(Act::parse(&token, one.verifying_key()), Ok(act));
        assert_eq!(
            Act::parse(&token, two.verifying_key()),
            Err(StatementError::Issuer)
        );
        let approval = Approval {
            issued: now(),
            act: act_digest(&token),
        };
        let approved = approval.sign(&two).unwrap();
        assert_eq!(
            Approval::parse(&approved, two.verifying_key()),
            Ok(approval)
        );
        assert!(Approval::parse(&token, one.verifying_key()).is_err());
        assert!(Act::parse(&approved, two.verifying_key()).is_err());
    }
}

#[test]
fn a_key_is_read_from_its_public_key_info_only() {
    let (one, _) = KeyPairSigner::generate().unwrap();
    let key = one.verifying_key();
    assert_eq!(VerifyingKey::from_spki(&key.spki()).as_ref(), Ok(key));
    let mut off_curve = key.spki();
    *off_curve.last_mut().unwrap() ^= 1;
    assert!(VerifyingKey::from_spki(&off_curve).is_err());
    assert!(VerifyingKey::from_spki(&key.spki()[..90]).is_err());
    assert!(VerifyingKey::from_certificate(b"no certificate").is_err());
}
