//! `DirectoryService`: the members, their keys and their agreement.

use super::Services;
use crate::domain::vocabulary::DeclaredCapacity;
use crate::exchange::Refusal;
use crate::exchange::directory::{AgencyEntry, Digest};
use crate::grpc::call::{About, Call};
use crate::grpc::fields::{self, Fields};
use crate::grpc::words::Word;
use crate::grpc::{convert, names, status};
use crate::identity::caller::{Caller, Newcomer};
use crate::proto::v1 as proto;
use proto::directory_service_server::DirectoryService;
use tonic::{Request, Response, Status};

/// Longest key bundle, in bytes.
const KEY_BUNDLE_BYTES_MAX: usize = 48 << 10;

#[tonic::async_trait]
impl DirectoryService for Services {
    async fn get_directory(
        &self,
        request: Request<proto::GetDirectoryRequest>,
    ) -> Result<Response<proto::GetDirectoryResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let directory = self
            .exchange
            .directory(call.caller(), message.known_digest)
            .await?;
        Ok(Response::new(proto::GetDirectoryResponse {
            agencies: directory.agencies.into_iter().map(view).collect(),
            digest: Some(digest(&call, &directory.digest)?),
        }))
    }

    async fn get_agency(
        &self,
        request: Request<proto::GetAgencyRequest>,
    ) -> Result<Response<proto::GetAgencyResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.agency("name", &message.name);
        let (name,) = fields.all((name,))?;
        let (agency, under) = self.exchange.agency(call.caller(), &name).await?;
        Ok(Response::new(proto::GetAgencyResponse {
            agency: Some(view(agency)),
            digest: Some(digest(&call, &under)?),
        }))
    }

    async fn publish_key_bundle(
        &self,
        request: Request<proto::PublishKeyBundleRequest>,
    ) -> Result<Response<proto::PublishKeyBundleResponse>, Status> {
        // The first bundle brings the keys that staff tokens are verified with, so a newcomer has no token.
        let (about, extensions, message) = About::of(request)?;
        let staff = extensions.get::<Caller>();
        let agency = match (staff, extensions.get::<Newcomer>()) {
            (Some(caller), _) => caller.agency(),
            (None, Some(newcomer)) => newcomer.agency(),
            (None, None) => {
                return Err(status::internal(&"a request that did not pass the door").into());
            }
        };
        let mut fields = Fields::new();
        let requested = about.requested(&mut fields, &message, &message.request_id);
        let name = fields.agency("name", &message.name);
        let bundle = fields.bytes(
            "key_bundle",
            message.key_bundle,
            KEY_BUNDLE_BYTES_MAX,
            "must be a key bundle of at most 48 KiB",
        );
        let (requested, name, bundle) = fields.all((requested, name, bundle))?;
        if name != *agency {
            let pseudonym = staff.map(Caller::staff);
            return Err(about
                .denied(&self.exchange, agency, pseudonym, Refusal::NotPermitted)
                .await);
        }
        let receipt = self
            .exchange
            .publish_key_bundle(agency, staff, requested, bundle)
            .await?;
        let receipt = Some(about.receipt(&receipt)?);
        Ok(Response::new(proto::PublishKeyBundleResponse { receipt }))
    }

    async fn declare_capacity(
        &self,
        request: Request<proto::DeclareCapacityRequest>,
    ) -> Result<Response<proto::DeclareCapacityResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.agency("name", &message.name);
        let capacity = fields.word::<DeclaredCapacity>("capacity", message.capacity);
        let (requested, name, capacity) = fields.all((requested, name, capacity))?;
        let receipt = self
            .exchange
            .declare_capacity(call.caller(), &name, requested, capacity)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::DeclareCapacityResponse { receipt }))
    }

    async fn get_protocol(
        &self,
        request: Request<proto::GetProtocolRequest>,
    ) -> Result<Response<proto::GetProtocolResponse>, Status> {
        let (_, message) = Call::of(request)?;
        let protocol = self.exchange.protocol(message.version).await?;
        Ok(Response::new(proto::GetProtocolResponse {
            version: protocol.version,
            toml: protocol.toml.into_bytes(),
            proposal: protocol.proposal,
            approval: protocol.approval,
        }))
    }
}

fn view(entry: AgencyEntry) -> proto::Agency {
    let enrolment = proto::Enrolment {
        proposal: entry.proposal,
        approval: entry.approval,
    };
    proto::Agency {
        name: names::agency(&entry.agency),
        kind: entry.kind.number(),
        parent: entry.parent.as_ref().map(names::agency).unwrap_or_default(),
        key_bundle: entry.bundle,
        bundle_digest: entry.bundle_digest,
        signers: entry
            .signers
            .into_iter()
            .map(|certificates| proto::SigningChain { certificates })
            .collect(),
        enrolment: Some(enrolment),
        capacity: entry.capacity.map_or(0, |(capacity, _)| capacity.number()),
        capacity_time: entry.capacity.map(|(_, at)| fields::time(at)),
        suspended: entry.suspended,
        digest_index: entry.digest_index,
        digest_proof: convert::hashes(entry.digest_proof.iter().map(|hash| hash.as_bytes())),
    }
}

fn digest(call: &Call, digest: &Digest) -> Result<proto::DirectoryDigest, Status> {
    Ok(proto::DirectoryDigest {
        number: digest.number,
        size: digest.size,
        root: digest.root.as_bytes().to_vec(),
        receipt: Some(call.receipt(&digest.receipt)?),
    })
}
