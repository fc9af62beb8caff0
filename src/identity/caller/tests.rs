use super::{Caller, Enrolled, Newcomer, Unrecognised};
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::identity::mint::{StaffKeyPair, TokenMinter};
use crate::identity::staff_key::StaffKeys;
use crate::identity::testing::{DAY, TRUST_DOMAIN, authority, certified, now, seconds};
use crate::identity::token::TokenCache;

#[test]
fn a_caller_is_certificate_register_and_token_together() {
    let peer = certified(&mut authority(), "shelter-b", 1);
    let pair = StaffKeyPair::generate().unwrap();
    let keys = StaffKeys::new(1, [pair.public().clone()]);
    let minter = TokenMinter::new(
        peer.agency().clone(),
        TRUST_DOMAIN.to_owned(),
        *peer.fingerprint(),
        pair,
    );
    let staff = "intake-3".parse().unwrap();
    let token = minter
        .mint(&staff, StaffRole::Intake, now(), seconds(300))
        .unwrap();
    let enrolled = Enrolled {
        kind: AgencyKind::Shelter,
        suspended: false,
        jwks: Some(keys),
    };
    let cache = TokenCache::new();
    let ask = |enrolled: Option<&Enrolled>, at| {
        Caller::authenticate(&peer, enrolled, &token, TRUST_DOMAIN, at, &cache)
    };

    let caller = ask(Some(&enrolled), now()).unwrap();
    assert_eq!(caller.agency().as_str(), "shelter-b");
    assert_eq!(caller.kind(), AgencyKind::Shelter);
    assert_eq!(caller.role(), StaffRole::Intake);
    assert_eq!(caller.staff(), &staff);

    let suspended = Enrolled {
        suspended: true,
        ..enrolled.clone()
    };
    let keyless = Enrolled {
        jwks: None,
        ..enrolled.clone()
    };
    for (result, reason) in [
        (ask(None, now()), Unrecognised::NotEnrolled),
        (ask(Some(&suspended), now()), Unrecognised::Suspended),
        (ask(Some(&keyless), now()), Unrecognised::NoKeys),
        (
            ask(Some(&enrolled), now().plus(91 * DAY)),
            Unrecognised::CertificateTime,
        ),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert_eq!(error.to_string(), "authentication failed");
    }
}

#[test]
fn a_newcomer_is_one_only_until_its_first_bundle() {
    let peer = certified(&mut authority(), "shelter-b", 1);
    let mut enrolled = Enrolled {
        kind: AgencyKind::Shelter,
        suspended: false,
        jwks: None,
    };
    let newcomer = Newcomer::authenticate(&peer, &enrolled, now()).unwrap();
    assert_eq!(newcomer.agency(), peer.agency());
    enrolled.jwks = Some(StaffKeys::new(1, []));
    let error = Newcomer::authenticate(&peer, &enrolled, now()).unwrap_err();
    assert_eq!(error.reason(), Unrecognised::KeysExist);
    let error = Newcomer::authenticate(&peer, None, now()).unwrap_err();
    assert_eq!(error.reason(), Unrecognised::NotEnrolled);
}
