//! Resource names. They carry the viewer, so that another agency's name is refused before any read.

use super::refusal::Refusal;
use crate::domain::id::{
    AccessId, AgencyId, AlertId, BadId, BasisChainId, CarriedId, GroupId, OfferId, PoolId,
    ReferralId, ResumeId,
};
use crate::identity::caller::Caller;
use std::fmt;
use std::str::FromStr;

/// Cuts `agencies/{agency}/{collection}/{id}`.
fn split<'a>(text: &'a str, collection: &str) -> Option<(&'a str, &'a str)> {
    let (agency, rest) = text.strip_prefix("agencies/")?.split_once('/')?;
    let (kind, id) = rest.split_once('/')?;
    (kind == collection && !id.contains('/')).then_some((agency, id))
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $collection:literal, $field:ident: $id:ty) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name {
            /// The viewer.
            pub agency: AgencyId,
            /// The id.
            pub $field: $id,
        }

        impl $name {
            /// The name, if it is the caller's own.
            ///
            /// # Errors
            ///
            /// [`Refusal::NotPermitted`] for another agency's.
            pub fn owned_by(&self, caller: &Caller) -> Result<(), Refusal> {
                own(caller, &self.agency)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let (agency, id) = split(text, $collection).ok_or(BadId("resource name"))?;
                Ok(Self { agency: agency.parse()?, $field: id.parse()? })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "agencies/{}/{}/{}", self.agency, $collection, self.$field)
            }
        }
    };
}

name! {
    /// `agencies/{viewer}/offers/{offer}`, of the recipient or of the source.
    OfferName, "offers", offer: OfferId
}
name! {
    /// `agencies/{viewer}/accesses/{access}`.
    AccessName, "accesses", access: AccessId
}
name! {
    /// `agencies/{source}/referrals/{referral}`.
    ReferralName, "referrals", referral: ReferralId
}
name! {
    /// `agencies/{source}/bases/{chain}`.
    BasisName, "bases", chain: BasisChainId
}
name! {
    /// `agencies/{agency}/pools/{pool}`.
    PoolName, "pools", pool: PoolId
}
name! {
    /// `agencies/{viewer}/groups/{group}`: a group as one recipient knows it, or as its source does.
    GroupName, "groups", group: GroupId
}
name! {
    /// `agencies/{viewer}/alerts/{alert}`.
    AlertName, "alerts", alert: AlertId
}

name! {
    /// `agencies/{viewer}/resumes/{resume}`, of the agency that asks or of the source.
    ResumeName, "resumes", resume: ResumeId
}

name! {
    /// `agencies/{source}/carried/{carried}`.
    CarriedName, "carried", carried: CarriedId
}

/// Refuses what is not under the caller's own agency.
///
/// # Errors
///
/// [`Refusal::NotPermitted`].
pub fn own(caller: &Caller, agency: &AgencyId) -> Result<(), Refusal> {
    if caller.agency() == agency {
        Ok(())
    } else {
        Err(Refusal::NotPermitted)
    }
}
