//! The parts of `OfferService` and `ReferralService` that are about groups.

use super::Services;
use super::referral::new_offer;
use crate::domain::id::OfferId;
use crate::domain::vocabulary::{DeclineReason, Decliner, Purpose, Urgency};
use crate::exchange::Receipt;
use crate::exchange::group::{
    GROUP_PLACES_MAX, GroupPlaces, MEMBERS_MAX, MemberPlaces, MovedGroup,
};
use crate::exchange::referral::grouping::{GROUP_OFFERS_MAX, NewGroup, NewMember};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::proto::v1 as proto;
use tonic::{Request, Response, Status};

impl Services {
    pub(super) async fn create_group(
        &self,
        request: Request<proto::CreateGroupReferralRequest>,
    ) -> Result<Response<proto::CreateGroupReferralResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let group = new_group(&mut fields, message);
        let (requested, parent, group) = fields.all((requested, parent, group))?;
        let made = self
            .exchange
            .create_group(call.caller(), &parent, requested, group)
            .await?;
        let members = made.members.iter().map(|member| proto::CreatedMember {
            name: member.name.to_string(),
            offers: member.offers.iter().map(ToString::to_string).collect(),
        });
        Ok(Response::new(proto::CreateGroupReferralResponse {
            name: made.name.to_string(),
            members: members.collect(),
            receipts: call.receipts(&made.receipts)?,
        }))
    }

    pub(super) async fn hold_group_places(
        &self,
        request: Request<proto::HoldGroupRequest>,
    ) -> Result<Response<proto::HoldGroupResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.group("name", &message.name);
        let pool = fields.pool("pool", &message.pool);
        let rest = room_and_members(&mut fields, &message.room, message.members);
        let (requested, name, pool, (room, members)) = fields.all((requested, name, pool, rest))?;
        let places = GroupPlaces {
            pool,
            room,
            members,
        };
        let moved = self
            .exchange
            .hold_group(call.caller(), &name, requested, places)
            .await?;
        Ok(Response::new(proto::HoldGroupResponse {
            offers: offers(&moved),
            receipts: call.receipts(&moved.receipts)?,
            expire_time: Some(fields::time(moved.until)),
        }))
    }

    pub(super) async fn accept_whole_group(
        &self,
        request: Request<proto::AcceptGroupRequest>,
    ) -> Result<Response<proto::AcceptGroupResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.group("name", &message.name);
        let none = message.room.is_empty() && message.members.is_empty();
        let rest = room_and_members(&mut fields, &message.room, message.members);
        let pool = if message.pool.is_empty() {
            fields.when("pool", none, "must be set with a room or members", None)
        } else {
            fields.pool("pool", &message.pool).map(Some)
        };
        let (requested, name, pool, (room, members)) = fields.all((requested, name, pool, rest))?;
        let places = pool.map(|pool| GroupPlaces {
            pool,
            room,
            members,
        });
        let moved = self
            .exchange
            .accept_group(call.caller(), &name, requested, places)
            .await?;
        Ok(Response::new(proto::AcceptGroupResponse {
            offers: offers(&moved),
            receipts: call.receipts(&moved.receipts)?,
        }))
    }

    pub(super) async fn decline_whole_group(
        &self,
        request: Request<proto::DeclineGroupRequest>,
    ) -> Result<Response<proto::DeclineGroupResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.group("name", &message.name);
        let reason = fields.word::<DeclineReason>("reason", message.reason);
        let decliner = fields.word::<Decliner>("decliner", message.decliner);
        let (requested, name, reason, decliner) =
            fields.all((requested, name, reason, decliner))?;
        let moved = self
            .exchange
            .decline_group(call.caller(), &name, requested, reason, decliner)
            .await?;
        let awaiting_confirmation = (moved.receipts.iter()).any(Receipt::is_proposed_decline);
        Ok(Response::new(proto::DeclineGroupResponse {
            offers: offers(&moved),
            receipts: call.receipts(&moved.receipts)?,
            awaiting_confirmation,
        }))
    }
}

fn offers(moved: &MovedGroup) -> Vec<String> {
    moved.offers.iter().map(ToString::to_string).collect()
}

type RoomAndMembers = (Option<crate::domain::id::RoomId>, Vec<MemberPlaces>);

fn room_and_members(
    fields: &mut Fields,
    room: &str,
    members: Vec<proto::MemberPlaces>,
) -> Option<RoomAndMembers> {
    let room = fields.room("room", room);
    let few = members.len() <= MEMBERS_MAX;
    let members = fields.when("members", few, "must be at most 16", members)?;
    let members = fields.each("members", members, member_places);
    Some((room?, members?))
}

fn member_places(fields: &mut Fields, message: proto::MemberPlaces) -> Option<MemberPlaces> {
    let offer = fields.offer("offer", &message.offer);
    let fits = (1..=GROUP_PLACES_MAX).contains(&message.places);
    let places = fields.when("places", fits, "must be 1 to 64", message.places);
    let room = fields.room("room", &message.room);
    // Whose name it is does not matter: only an offer of the caller's own group is found in it.
    let offer: OfferId = offer?.offer;
    Some(MemberPlaces {
        offer,
        places: places?,
        room: room?,
    })
}

fn new_group(fields: &mut Fields, message: proto::CreateGroupReferralRequest) -> Option<NewGroup> {
    let purpose = fields.word::<Purpose>("purpose", message.purpose);
    let urgency = fields.word::<Urgency>("urgency", message.urgency);
    let decide_by = match message.decide_by {
        None => Some(None),
        time => fields.time("decide_by", time).map(Some),
    };
    let few = (2..=MEMBERS_MAX).contains(&message.members.len());
    let members = fields.when("members", few, "must be 2 to 16", message.members)?;
    let members = fields.each("members", members, new_member);
    Some(NewGroup {
        purpose: purpose?,
        urgency: urgency?,
        decide_by: decide_by?,
        together: message.keep_together,
        members: members?,
    })
}

fn new_member(fields: &mut Fields, message: proto::NewMember) -> Option<NewMember> {
    let case = fields.case_handle("case_handle", &message.case_handle);
    let few = (1..=GROUP_OFFERS_MAX).contains(&message.offers.len());
    let expected = "must be 1 to 64 in the whole group";
    let offers = fields.when("offers", few, expected, message.offers)?;
    let offers = fields.each("offers", offers, new_offer);
    Some(NewMember {
        case: case?,
        offers: offers?,
    })
}
