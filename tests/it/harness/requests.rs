//! One well-formed request of every method, to be sent by whoever may not, or made wrong.

use prost::Message;
use safeconduct::client::session::request_id;
use safeconduct::proto::v1;

/// What the requests are about.
#[derive(Debug, Clone)]
pub struct About {
    /// Agency under whose name everything stands.
    pub agency: String,
    /// Another one, to be asked.
    pub recipient: String,
    pub offer: String,
    pub referral: String,
    pub basis: String,
    pub pool: String,
    pub case: String,
    pub deposit: v1::Deposit,
    pub statement: Vec<u8>,
}

/// A method and the bytes of one request.
pub type Call = (&'static str, Vec<u8>);

impl About {
    fn name(&self, collection: &str, id: &str) -> String {
        format!("{}/{collection}/{id}", self.parent())
    }

    fn parent(&self) -> String {
        format!("agencies/{}", self.agency)
    }

    /// What names one offer as its recipient.
    pub fn offers(&self) -> Vec<Call> {
        let name = || self.name("offers", &self.offer);
        let pool = || self.name("pools", &self.pool);
        // Nobody has a group of this id: what is asked of it is refused as for any other name that is not there.
        let group = || self.name("groups", &self.offer);
        vec![
            call(
                "OfferService/AnswerTransfer",
                &v1::AnswerTransferRequest {
                    name: name(),
                    request_id: request_id(),
                    answer: 1,
                },
            ),
            call(
                "ReferralService/CreateForward",
                &v1::CreateForwardRequest {
                    offer: name(),
                    request_id: request_id(),
                    case_handle: self.case.clone(),
                    purpose: 1,
                    urgency: 1,
                    decide_by: Some(prost_types::Timestamp {
                        seconds: 1_900_000_000,
                        nanos: 0,
                    }),
                    forward: Some(v1::NewOffer {
                        recipient: format!("agencies/{}", self.recipient),
                        deposits: vec![self.deposit.clone()],
                    }),
                },
            ),
            call(
                "OfferService/GetOffer",
                &v1::GetOfferRequest { name: name() },
            ),
            call(
                "OfferService/OpenParcel",
                &v1::OpenParcelRequest {
                    name: name(),
                    stage: 1,
                },
            ),
            call(
                "OfferService/AcknowledgeOffer",
                &v1::AcknowledgeOfferRequest {
                    name: name(),
                    request_id: request_id(),
                },
            ),
            call(
                "OfferService/HoldPlaces",
                &v1::HoldPlacesRequest {
                    name: name(),
                    request_id: request_id(),
                    pool: pool(),
                    places: 1,
                    room: String::new(),
                },
            ),
            call(
                "OfferService/AcceptOffer",
                &v1::AcceptOfferRequest {
                    name: name(),
                    request_id: request_id(),
                    pool: pool(),
                    places: 1,
                    room: String::new(),
                },
            ),
            call(
                "OfferService/DeclineOffer",
                &v1::DeclineOfferRequest {
                    name: name(),
                    request_id: request_id(),
                    reason: 1,
                    decliner: 1,
                },
            ),
            call(
                "OfferService/RequestInformation",
                &v1::RequestInformationRequest {
                    name: name(),
                    request_id: request_id(),
                    questions: vec![1, 5],
                },
            ),
            call(
                "OfferService/WaitlistOffer",
                &v1::WaitlistOfferRequest {
                    name: name(),
                    request_id: request_id(),
                },
            ),
            call(
                "OfferService/CheckIn",
                &v1::CheckInRequest {
                    name: name(),
                    request_id: request_id(),
                },
            ),
            call(
                "OfferService/CompleteOffer",
                &v1::CompleteOfferRequest {
                    name: name(),
                    request_id: request_id(),
                    outcome: 1,
                },
            ),
            call(
                "OfferService/ConfirmErasure",
                &v1::ConfirmErasureRequest {
                    name: name(),
                    request_id: request_id(),
                    answer: 1,
                },
            ),
            call(
                "OfferService/RaiseAlarm",
                &v1::RaiseAlarmRequest {
                    name: name(),
                    request_id: request_id(),
                    stage: 1,
                    alarm: 2,
                },
            ),
            call(
                "OfferService/ConfirmAmendment",
                &v1::ConfirmAmendmentRequest {
                    name: name(),
                    request_id: request_id(),
                    stage: 1,
                },
            ),
            call(
                "MessageService/PostMessage",
                &v1::PostMessageRequest {
                    offer: name(),
                    request_id: request_id(),
                    code: 1,
                    ..v1::PostMessageRequest::default()
                },
            ),
            call(
                "AttachmentService/DownloadAttachment",
                &v1::DownloadAttachmentRequest {
                    offer: name(),
                    attachment: self.offer.clone(),
                    first_chunk: 0,
                },
            ),
            call(
                "MessageService/ListMessages",
                &v1::ListMessagesRequest { offer: name() },
            ),
            call(
                "MessageService/OpenMessage",
                &v1::OpenMessageRequest {
                    offer: name(),
                    number: 1,
                },
            ),
            call(
                "OfferService/CheckOut",
                &v1::CheckOutRequest {
                    name: name(),
                    request_id: request_id(),
                },
            ),
            call(
                "OfferService/HoldGroup",
                &v1::HoldGroupRequest {
                    name: group(),
                    request_id: request_id(),
                    pool: pool(),
                    room: String::new(),
                    members: vec![v1::MemberPlaces {
                        offer: name(),
                        places: 1,
                        room: String::new(),
                    }],
                },
            ),
            call(
                "OfferService/AcceptGroup",
                &v1::AcceptGroupRequest {
                    name: group(),
                    request_id: request_id(),
                    pool: pool(),
                    room: String::new(),
                    members: Vec::new(),
                },
            ),
            call(
                "OfferService/DeclineGroup",
                &v1::DeclineGroupRequest {
                    name: group(),
                    request_id: request_id(),
                    reason: 1,
                    decliner: 1,
                },
            ),
        ]
    }

    /// What breaks the glass, and what names a request to.
    pub fn accesses(&self) -> Vec<Call> {
        let name = || self.name("accesses", &self.offer);
        vec![
            call(
                "BreakGlassService/RequestAccess",
                &v1::RequestAccessRequest {
                    offer: self.name("offers", &self.offer),
                    request_id: request_id(),
                    reason: 1,
                    labels: vec![v1::AccessLabel {
                        category: 1,
                        form: 1,
                    }],
                },
            ),
            call(
                "BreakGlassService/ApproveAccess",
                &v1::ApproveAccessRequest {
                    name: name(),
                    request_id: request_id(),
                },
            ),
            call(
                "BreakGlassService/RefuseAccess",
                &v1::RefuseAccessRequest {
                    name: name(),
                    request_id: request_id(),
                },
            ),
            call(
                "BreakGlassService/ReleaseAccess",
                &v1::ReleaseAccessRequest {
                    name: name(),
                    request_id: request_id(),
                    parcel: self.deposit.parcel.clone(),
                    salt: vec![7; 32],
                },
            ),
            call(
                "BreakGlassService/OpenAccess",
                &v1::OpenAccessRequest { name: name() },
            ),
            call(
                "BreakGlassService/ReviewAccess",
                &v1::ReviewAccessRequest {
                    name: name(),
                    request_id: request_id(),
                    finding: 1,
                },
            ),
            call(
                "BreakGlassService/GetAccess",
                &v1::GetAccessRequest { name: name() },
            ),
            call(
                "BreakGlassService/ListAccesses",
                &v1::ListAccessesRequest {
                    parent: self.parent(),
                    page_size: 3,
                    page_token: String::new(),
                },
            ),
        ]
    }

    /// What names one thing as its source.
    pub fn sources(&self) -> Vec<Call> {
        let deposits = || vec![self.deposit.clone()];
        let offer = || v1::NewOffer {
            recipient: format!("agencies/{}", self.recipient),
            deposits: deposits(),
        };
        let referral = || self.name("referrals", &self.referral);
        vec![
            call(
                "ReferralService/ProposeTransfer",
                &v1::ProposeTransferRequest {
                    offer: self.name("offers", &self.offer),
                    request_id: request_id(),
                    basis: self.name("bases", &self.basis),
                },
            ),
            call(
                "ReferralService/GetReferral",
                &v1::GetReferralRequest { name: referral() },
            ),
            call(
                "ReferralService/AddOffer",
                &v1::AddOfferRequest {
                    referral: referral(),
                    request_id: request_id(),
                    offer: Some(offer()),
                },
            ),
            call(
                "ReferralService/DepositParcel",
                &v1::DepositParcelRequest {
                    offer: self.name("offers", &self.offer),
                    request_id: request_id(),
                    deposit: Some(self.deposit.clone()),
                },
            ),
            call(
                "AttachmentService/UploadAttachment",
                &v1::UploadAttachmentRequest {
                    part: Some(v1::upload_attachment_request::Part::Header(
                        v1::UploadHeader {
                            offer: self.name("offers", &self.offer),
                            attachment: self.offer.clone(),
                            stage: 2,
                            chunks: 1,
                            digest: vec![7; 32],
                            first_chunk: 0,
                        },
                    )),
                },
            ),
            call(
                "AttachmentService/GetUpload",
                &v1::GetUploadRequest {
                    offer: self.name("offers", &self.offer),
                    attachment: self.offer.clone(),
                },
            ),
            call(
                "ReferralService/AmendParcel",
                &v1::AmendParcelRequest {
                    offer: self.name("offers", &self.offer),
                    request_id: request_id(),
                    deposit: Some(self.deposit.clone()),
                },
            ),
            call(
                "ReferralService/RecallReferral",
                &v1::RecallReferralRequest {
                    name: referral(),
                    request_id: request_id(),
                },
            ),
            call(
                "ReferralService/CloseReferral",
                &v1::CloseReferralRequest {
                    name: referral(),
                    request_id: request_id(),
                    reason: 1,
                },
            ),
            call(
                "ReferralService/MarkEnteredInError",
                &v1::MarkEnteredInErrorRequest {
                    name: referral(),
                    request_id: request_id(),
                },
            ),
            call(
                "ReferralService/AnswerInformation",
                &v1::AnswerInformationRequest {
                    offer: self.name("offers", &self.offer),
                    request_id: request_id(),
                },
            ),
            call(
                "BasisService/GetBasis",
                &v1::GetBasisRequest {
                    name: self.name("bases", &self.basis),
                },
            ),
            call(
                "BasisService/WithdrawBasis",
                &v1::WithdrawBasisRequest {
                    name: self.name("bases", &self.basis),
                    request_id: request_id(),
                    statement: self.statement.clone(),
                },
            ),
            call(
                "BasisService/AskRecipient",
                &v1::AskRecipientRequest {
                    name: self.name("bases", &self.basis),
                    request_id: request_id(),
                    erase: true,
                    leave: true,
                },
            ),
            call(
                "SlipService/GetResume",
                &v1::GetResumeRequest {
                    name: self.name("resumes", &self.offer),
                },
            ),
            call(
                "SlipService/AnswerResume",
                &v1::AnswerResumeRequest {
                    name: self.name("resumes", &self.offer),
                    request_id: request_id(),
                    answer: 1,
                },
            ),
        ]
    }

    /// What names an agency, or something that it makes.
    pub fn agencies(&self) -> Vec<Call> {
        let parent = || self.parent();
        vec![
            call(
                "BasisService/ConfirmSuccession",
                &v1::ConfirmSuccessionRequest {
                    parent: self.parent(),
                    request_id: request_id(),
                },
            ),
            call(
                "SlipService/RegisterCode",
                &v1::RegisterCodeRequest {
                    parent: parent(),
                    request_id: request_id(),
                    case_handle: self.case.clone(),
                    value: vec![7; 32],
                },
            ),
            call(
                "SlipService/WithdrawByCode",
                &v1::WithdrawByCodeRequest {
                    parent: parent(),
                    value: vec![8; 32],
                },
            ),
            call(
                "SlipService/RequestResume",
                &v1::RequestResumeRequest {
                    parent: parent(),
                    request_id: request_id(),
                    value: vec![8; 32],
                    purposes: vec![1],
                },
            ),
            call(
                "OfferService/ListOffers",
                &v1::ListOffersRequest {
                    parent: parent(),
                    page_size: 3,
                    page_token: String::new(),
                },
            ),
            call(
                "ReferralService/ListReferrals",
                &v1::ListReferralsRequest {
                    parent: parent(),
                    page_size: 3,
                    page_token: String::new(),
                },
            ),
            call(
                "BasisService/ListBases",
                &v1::ListBasesRequest {
                    parent: parent(),
                    case_handle: self.case.clone(),
                    page_size: 3,
                    page_token: String::new(),
                },
            ),
            call(
                "PersonService/ListDisclosures",
                &v1::ListDisclosuresRequest {
                    parent: parent(),
                    case_handle: self.case.clone(),
                    page_size: 3,
                    page_token: String::new(),
                },
            ),
            call(
                "PlaceService/ListPools",
                &v1::ListPoolsRequest { parent: parent() },
            ),
            call(
                "PlaceService/UpdatePool",
                &v1::UpdatePoolRequest {
                    name: self.name("pools", &self.pool),
                    request_id: request_id(),
                    total: 6,
                    closed: 1,
                    sharing: 2,
                    rooms: vec![v1::Room {
                        room: "r1".into(),
                        places: 6,
                        closed: 1,
                        ..v1::Room::default()
                    }],
                },
            ),
            call(
                "PlaceService/FinishPreparing",
                &v1::FinishPreparingRequest {
                    name: self.name("pools", &self.pool),
                    request_id: request_id(),
                    places: 1,
                    room: "r1".into(),
                },
            ),
            call(
                "BasisService/RecordBasis",
                &v1::RecordBasisRequest {
                    parent: parent(),
                    request_id: request_id(),
                    statement: self.statement.clone(),
                },
            ),
            call(
                "ReferralService/CreateReferral",
                &v1::CreateReferralRequest {
                    parent: parent(),
                    request_id: request_id(),
                    case_handle: self.case.clone(),
                    purpose: 1,
                    urgency: 1,
                    decide_by: Some(prost_types::Timestamp {
                        seconds: 1_900_000_000,
                        nanos: 0,
                    }),
                    offers: vec![v1::NewOffer {
                        recipient: format!("agencies/{}", self.recipient),
                        deposits: vec![self.deposit.clone()],
                    }],
                    place_by: Some(prost_types::Timestamp {
                        seconds: 1_900_000_000,
                        nanos: 0,
                    }),
                    parallel_offers: 2,
                },
            ),
            call(
                "ReferralService/CreateGroupReferral",
                &v1::CreateGroupReferralRequest {
                    parent: parent(),
                    request_id: request_id(),
                    purpose: 1,
                    urgency: 1,
                    decide_by: None,
                    keep_together: true,
                    members: [&self.case, &self.offer]
                        .map(|case| v1::NewMember {
                            case_handle: case.clone(),
                            offers: vec![v1::NewOffer {
                                recipient: format!("agencies/{}", self.recipient),
                                deposits: vec![self.deposit.clone()],
                            }],
                        })
                        .to_vec(),
                },
            ),
            call(
                "DirectoryService/DeclareCapacity",
                &v1::DeclareCapacityRequest {
                    name: parent(),
                    request_id: request_id(),
                    capacity: 2,
                },
            ),
        ]
    }

    /// What names one alert as its viewer, and what lists them.
    pub fn alerts(&self) -> Vec<Call> {
        vec![
            call(
                "AlertService/ListAlerts",
                &v1::ListAlertsRequest {
                    parent: self.parent(),
                    page_size: 3,
                    page_token: String::new(),
                },
            ),
            call(
                "AlertService/AcknowledgeAlert",
                &v1::AcknowledgeAlertRequest {
                    name: self.name("alerts", &self.offer),
                    request_id: request_id(),
                },
            ),
        ]
    }

    /// What records a carried referral, and what names one as its source.
    pub fn carried(&self) -> Vec<Call> {
        vec![
            call(
                "CarriedService/RecordCarried",
                &v1::RecordCarriedRequest {
                    parent: self.parent(),
                    request_id: request_id(),
                    statement: self.statement.clone(),
                },
            ),
            call(
                "CarriedService/ReleaseCarried",
                &v1::ReleaseCarriedRequest {
                    name: self.name("carried", &self.offer),
                    request_id: request_id(),
                    request_digest: vec![7; 32],
                },
            ),
        ]
    }

    /// What everybody may ask.
    pub fn open(&self) -> Vec<Call> {
        vec![
            call(
                "DirectoryService/GetDirectory",
                &v1::GetDirectoryRequest {
                    known_digest: u64::MAX,
                },
            ),
            call(
                "DirectoryService/GetAgency",
                &v1::GetAgencyRequest {
                    name: format!("agencies/{}", self.recipient),
                },
            ),
            call(
                "DirectoryService/GetProtocol",
                &v1::GetProtocolRequest { version: 1 },
            ),
            call("AuditService/GetCheckpoint", &v1::GetCheckpointRequest {}),
            call(
                "AuditService/ProveInclusion",
                &v1::ProveInclusionRequest { index: 1, size: 4 },
            ),
            call(
                "AuditService/ProveConsistency",
                &v1::ProveConsistencyRequest {
                    old_size: 2,
                    new_size: 5,
                },
            ),
        ]
    }

    /// What needs a key or a mandate.
    pub fn offices(&self) -> Vec<Call> {
        vec![
            call(
                "AuditService/RecordWatermark",
                &v1::RecordWatermarkRequest {
                    parent: self.parent(),
                    request_id: request_id(),
                    statement: self.statement.clone(),
                },
            ),
            call(
                "DirectoryService/PublishKeyBundle",
                &v1::PublishKeyBundleRequest {
                    name: self.parent(),
                    request_id: request_id(),
                    key_bundle: self.statement.clone(),
                },
            ),
            call(
                "AuditService/ListEntries",
                &v1::ListEntriesRequest {
                    start: 1,
                    page_size: 4,
                },
            ),
            call(
                "AuditService/ReadOpenings",
                &v1::ReadOpeningsRequest {
                    start: 1,
                    page_size: 4,
                },
            ),
            call(
                "AuditService/ListActs",
                &v1::ListActsRequest {
                    filter: Some(v1::ActFilter {
                        about: Some(v1::act_filter::About::CaseOf(self.offer.clone())),
                        ..Default::default()
                    }),
                    start: 1,
                    page_size: 4,
                    page_token: String::new(),
                },
            ),
            call(
                "AuditService/RecordDisposition",
                &v1::RecordDispositionRequest {
                    request_id: request_id(),
                    rule: 1,
                    index: 1,
                    finding: 1,
                },
            ),
            call(
                "AuditService/ConfirmDisposition",
                &v1::ConfirmDispositionRequest {
                    request_id: request_id(),
                    rule: 1,
                    index: 1,
                    finding: 1,
                },
            ),
            call(
                "AdministrationService/Propose",
                &v1::ProposeRequest {
                    request_id: request_id(),
                    act: self.statement.clone(),
                },
            ),
            call(
                "AdministrationService/Approve",
                &v1::ApproveRequest {
                    name: format!("proposals/{}", self.offer),
                    request_id: request_id(),
                    approval: self.statement.clone(),
                },
            ),
            call(
                "AdministrationService/SuspendAgency",
                &v1::SuspendAgencyRequest {
                    request_id: request_id(),
                    act: self.statement.clone(),
                },
            ),
        ]
    }

    /// All of the above: every method but the stream.
    pub fn all(&self) -> Vec<Call> {
        let parts = [
            self.offers(),
            self.sources(),
            self.agencies(),
            self.open(),
            self.offices(),
            self.alerts(),
            self.carried(),
            self.accesses(),
        ];
        parts.concat()
    }
}

fn call(method: &'static str, message: &impl Message) -> Call {
    (method, message.encode_to_vec())
}
