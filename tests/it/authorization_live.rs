//! Every RPC of the file descriptor, by every role of five kinds of agency, over the wire (invariant 17).

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::proto::DESCRIPTORS;
use tonic::Code;

use crate::harness::wire::{Refused, Wire};
use crate::harness::{World, run, world};

/// An agency, and what the golden file calls its kind.
const KINDS: [(&str, &str); 5] = [
    ("alpha", "member"),
    ("moi-atu", "member"),
    ("ombud", "national-oversight"),
    ("dpo-house1", "own-oversight"),
    ("operator", "operator"),
];

/// `METHOD CLASS ROLE` for everything that is allowed.
fn allowed() -> BTreeSet<String> {
    let golden = include_str!("../golden/authorization.txt");
    let mut allowed = BTreeSet::new();
    for line in golden
        .lines()
        .filter(|line| line.starts_with("/safeconduct."))
    {
        let (head, roles) = line.split_once(": ").unwrap();
        allowed.extend(roles.split(' ').map(|role| format!("{head} {role}")));
    }
    allowed
}

fn methods() -> Vec<(String, bool)> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    pool.services()
        .flat_map(|service| {
            let methods: Vec<_> = service
                .methods()
                .map(|method| {
                    let path = format!("/{}/{}", service.full_name(), method.name());
                    (path, method.is_server_streaming())
                })
                .collect();
            methods
        })
        .collect()
}

async fn answer(wire: &Wire, method: &str, streaming: bool) -> Option<Refused> {
    let status = if streaming {
        match wire.stream(method, &()).await {
            Err(status) => status,
            Ok(mut stream) => stream.message().await.err()?,
        }
    } else {
        wire.raw(method, Vec::new()).await.err()?
    };
    Some(Refused::read(&status))
}

async fn by(world: &World, agency: &str, class: &str, allowed: &BTreeSet<String>) -> usize {
    let mut permitted = 0;
    for &role in StaffRole::ALL {
        let wire = world.wire(agency, role);
        for (method, streaming) in methods() {
            // The one rule by kind: the police and the asylum service have no screen for a person's code (R2).
            let code = method.ends_with("/WithdrawByCode") || method.ends_with("/RequestResume");
            let no_screen = code && agency.starts_with("moi");
            let may = allowed.contains(&format!("{method} {class} {}", role.name())) && !no_screen;
            let answer = answer(&wire, &method, streaming).await;
            let denied = answer
                .as_ref()
                .is_some_and(|refused| refused.code == Code::PermissionDenied);
            assert_eq!(
                !denied,
                may,
                "{method} by {agency} {}: {answer:?}",
                role.name()
            );
            if let Some(refused) = answer {
                let codes = [
                    Code::PermissionDenied,
                    Code::InvalidArgument,
                    Code::NotFound,
                    Code::OutOfRange,
                ];
                assert!(codes.contains(&refused.code), "{method}: {refused:?}");
            }
            permitted += usize::from(may);
        }
    }
    permitted
}

#[test]
fn every_rpc_answers_each_role_and_kind_as_the_table_says() {
    run(async {
        let world = world().await;
        let allowed = allowed();
        let mut permitted = BTreeSet::new();
        for (agency, class) in KINDS {
            permitted.insert((agency, by(world, agency, class, &allowed).await));
        }
        assert!(
            permitted.iter().all(|(_, count)| *count > 0),
            "{permitted:?}"
        );
    });
}

#[test]
fn a_method_that_nobody_named_is_refused() {
    run(async {
        let world = world().await;
        let wire = world.wire("alpha", StaffRole::Supervisor);
        for method in [
            "/safeconduct.v1.OfferService/Nothing",
            "/safeconduct.v1.NoService/GetOffer",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/",
        ] {
            let status = wire.raw(method, Vec::new()).await.unwrap_err();
            let codes = [Code::PermissionDenied, Code::Unimplemented];
            assert!(codes.contains(&status.code()), "{method}: {status:?}");
        }
    });
}
