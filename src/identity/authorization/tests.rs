use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::{KindClass, TokenNeed, allows, authorize, authorize_newcomer, methods, token_need};
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::identity::caller::Caller;

const GOLDEN: &str = include_str!("../../../tests/golden/authorization.txt");

fn methods_of_the_protos() -> BTreeSet<String> {
    let files = prost_types::FileDescriptorSet::decode(crate::proto::DESCRIPTORS).unwrap();
    let mut methods = BTreeSet::new();
    for file in files.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service) = (file.package(), service.name());
                methods.insert(format!("/{package}.{service}/{}", method.name()));
            }
        }
    }
    methods
}

#[test]
fn every_rpc_is_in_the_table_and_nothing_else_but_health() {
    let ours = methods_of_the_protos();
    assert!(ours.len() > 30, "the descriptors hold the services");
    let table: BTreeSet<String> = methods().map(str::to_owned).collect();
    assert_eq!(
        table.len(),
        methods().count(),
        "a method is in the table twice"
    );
    let missing: Vec<_> = ours.difference(&table).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let others: Vec<_> = table.difference(&ours).map(String::as_str).collect();
    assert_eq!(
        others,
        [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch"
        ]
    );
}

const fn class_name(class: KindClass) -> &'static str {
    match class {
        KindClass::Member => "member",
        KindClass::OwnOversight => "own-oversight",
        KindClass::NationalOversight => "national-oversight",
        KindClass::Operator => "operator",
        KindClass::Outside => "outside",
    }
}

/// Invariant 17: every RPC, kind and role against a list written from the protos' comments.
#[test]
fn the_whole_matrix_is_the_golden_one() {
    let mut golden: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let (cell, roles) = line.split_once(": ").unwrap();
        let roles = roles.split(' ').collect();
        assert!(golden.insert(cell, roles).is_none(), "{cell} stands twice");
    }
    let mut allowed = 0;
    for method in methods() {
        for &kind in AgencyKind::ALL {
            for &role in StaffRole::ALL {
                let cell = format!("{method} {}", class_name(KindClass::of(kind)));
                let roles = golden.get(cell.as_str());
                let in_list = roles.is_some_and(|roles| roles.contains(role.name()));
                // The one rule by kind: no screen for a person's code at those whom they must be able to refuse.
                let code =
                    method.ends_with("/WithdrawByCode") || method.ends_with("/RequestResume");
                let no_screen = ["POLICE", "BORDER_POLICE", "PROSECUTION", "ASYLUM_SERVICE"];
                let expected = in_list && !(code && no_screen.contains(&kind.name()));
                let caller = Caller::pretend("ngo-a", kind, role);
                let got = authorize(method, &caller).is_ok();
                assert_eq!(got, expected, "{method} {kind} {role}");
                allowed += usize::from(got);
            }
        }
    }
    assert!(allowed > 0);
}

#[test]
fn what_the_table_does_not_know_is_denied_to_all() {
    for method in [
        "",
        "/",
        "/safeconduct.v1.OfferService/",
        "/safeconduct.v1.OfferService/openparcel",
    ] {
        for class in KindClass::ALL {
            for &role in StaffRole::ALL {
                assert!(!allows(method, class, role), "{method}");
            }
        }
        assert_eq!(token_need(method), TokenNeed::Always);
    }
}

#[test]
fn only_health_goes_without_a_token_and_only_a_first_bundle_on_the_certificate_alone() {
    let publish = "/safeconduct.v1.DirectoryService/PublishKeyBundle";
    for method in methods() {
        let expected = match method {
            method if method == publish => TokenNeed::UnlessNewcomer,
            method if method.starts_with("/grpc.health") => TokenNeed::Never,
            _ => TokenNeed::Always,
        };
        assert_eq!(token_need(method), expected, "{method}");
        let newcomer = authorize_newcomer(method, AgencyKind::Shelter).is_ok();
        assert_eq!(newcomer, method == publish, "{method}");
    }
    assert!(authorize_newcomer(publish, AgencyKind::NonMember).is_err());
}
