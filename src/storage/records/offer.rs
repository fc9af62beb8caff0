//! Offers.

use super::{Record, Table};

/// One ask as put to one candidate.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OfferRecord {
    /// Source's agency id.
    #[prost(string, tag = "1")]
    pub source: String,
    /// Recipient's agency id.
    #[prost(string, tag = "2")]
    pub recipient: String,
    /// Referral id.
    #[prost(string, tag = "3")]
    pub referral: String,
    /// Case handle.
    #[prost(string, tag = "4")]
    pub case: String,
    /// Purpose, by name.
    #[prost(string, tag = "5")]
    pub purpose: String,
    /// Urgency, by name.
    #[prost(string, tag = "6")]
    pub urgency: String,
    /// Time to decide by, milliseconds since the epoch.
    #[prost(int64, tag = "7")]
    pub decide_by: i64,
    /// State, by name.
    #[prost(string, tag = "8")]
    pub state: String,
    /// Decline reason, by name; empty unless declined.
    #[prost(string, tag = "9")]
    pub reason: String,
    /// Who declined, by name; empty unless declined.
    #[prost(string, tag = "10")]
    pub decliner: String,
    /// Outcome, by name; empty unless completed.
    #[prost(string, tag = "11")]
    pub outcome: String,
    /// Recipient's pool that places are held in or taken from; empty for none.
    #[prost(string, tag = "12")]
    pub pool: String,
    /// Places held, taken or occupied.
    #[prost(uint32, tag = "13")]
    pub places: u32,
    /// When the hold ends, milliseconds since the epoch; zero when the places are taken.
    #[prost(int64, tag = "14")]
    pub hold_until: i64,
    /// Stages deposited, as in keys.
    #[prost(uint32, repeated, tag = "15")]
    pub deposited: Vec<u32>,
    /// Stages opened, as in keys.
    #[prost(uint32, repeated, tag = "16")]
    pub opened: Vec<u32>,
    /// When the state last changed, milliseconds since the epoch.
    #[prost(int64, tag = "17")]
    pub updated: i64,
    /// The recipient's id of the group that the offer came in; empty for none.
    #[prost(string, tag = "30")]
    pub group: String,
    /// Whether that group is to be kept together.
    #[prost(bool, tag = "31")]
    pub together: bool,
    /// Room that the places are in; empty for none.
    #[prost(string, tag = "32")]
    pub room: String,
    /// Notices to the recipient, by name.
    #[prost(string, repeated, tag = "35")]
    pub notices: Vec<String>,
    /// When the recipient was asked to erase, milliseconds since the epoch; zero for not.
    #[prost(int64, tag = "36")]
    pub erasure_asked: i64,
    /// The recipient's answer, by name; empty for none.
    #[prost(string, tag = "37")]
    pub erasure: String,
    /// When the recipient was asked, milliseconds since the epoch; zero while, or when, it never was.
    #[prost(int64, tag = "20")]
    pub asked: i64,
    /// Whether a waiting list has used its turn: the next may be asked.
    #[prost(bool, tag = "21")]
    pub turn_over: bool,
    /// Who of the recipient's staff proposed to decline with OTHER; empty for nobody.
    #[prost(string, tag = "22")]
    pub proposed_by: String,
    /// What the recipient last asked for, by name.
    #[prost(string, repeated, tag = "23")]
    pub questions: Vec<String>,
    /// The offer whose parcels this one passes on; empty for none.
    #[prost(string, tag = "50")]
    pub forwards: String,
    /// Of a forward: who held it before, the original source first, this offer's source last.
    #[prost(string, repeated, tag = "51")]
    pub holders: Vec<String>,
    /// The parcel last opened, per stage.
    #[prost(message, repeated, tag = "52")]
    pub opened_parcels: Vec<OpenedParcel>,
    /// Where a transfer of responsibility stands, by name; empty when none was proposed.
    #[prost(string, tag = "53")]
    pub transfer: String,
    /// The source's chain that the transfer rests on.
    #[prost(string, tag = "54")]
    pub transfer_chain: String,
    /// Stages corrected since the recipient opened them and not yet confirmed, as in keys.
    #[prost(uint32, repeated, tag = "45")]
    pub corrected: Vec<u32>,
    /// Stages whose last correction the recipient confirmed, as in keys.
    #[prost(uint32, repeated, tag = "46")]
    pub confirmed: Vec<u32>,
    /// Messages posted: the last one's number.
    #[prost(uint32, tag = "48")]
    pub messages: u32,
    /// Ids of its attachments, finished or not.
    #[prost(bytes = "vec", repeated, tag = "49")]
    pub attachments: Vec<Vec<u8>>,
    /// Whether the recipient has read what is no parcel of the offer: a message, or what break-glass released.
    #[prost(bool, tag = "65")]
    pub told: bool,
    /// How often a parcel was put in another's place.
    #[prost(uint32, tag = "66")]
    pub replaced: u32,
}

/// Which parcel of a stage was last opened.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpenedParcel {
    /// Stage, as in keys.
    #[prost(uint32, tag = "1")]
    pub stage: u32,
    /// Parcel id.
    #[prost(string, tag = "2")]
    pub parcel: String,
}

impl Record for OfferRecord {
    const TABLE: Table = Table::Offer;
}

/// A row of a recipient's inbox.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InboxRecord {
    /// Offer id.
    #[prost(string, tag = "1")]
    pub offer: String,
}

impl Record for InboxRecord {
    const TABLE: Table = Table::Inbox;
}

/// Says that something is due; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DeadlineRecord {}

impl Record for DeadlineRecord {
    const TABLE: Table = Table::Deadline;
}

/// Says that a source has made an offer to a recipient; the key says it all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct MetRecord {}

impl Record for MetRecord {
    const TABLE: Table = Table::Met;
}
