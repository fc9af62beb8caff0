//! The closed vocabularies of the field, with the names that travel.
//!
//! A name here is the proto enum value's name without its prefix; statements, the protocol file and
//! entries carry names, never numbers.

/// A word that is not in the vocabulary.
///
/// Does not repeat the word: it came from outside and might say something about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known {0}")]
pub struct UnknownWord(pub &'static str);

macro_rules! vocabulary {
    ($(#[$meta:meta])* $kind:literal $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_meta])* #[doc = concat!("`", $word, "`.")] $variant,)+ }

        impl $name {
            /// Every word, in the order declared.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that travels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord($kind)) }
            }
        }
    };
}

vocabulary! {
    /// What an agency is, as enrolled under two administrators' signatures.
    "agency kind" AgencyKind {
        Ngo = "NGO",
        Shelter = "SHELTER",
        ReceptionAuthority = "RECEPTION_AUTHORITY",
        Police = "POLICE",
        BorderPolice = "BORDER_POLICE",
        Prosecution = "PROSECUTION",
        AsylumService = "ASYLUM_SERVICE",
        IdentificationAuthority = "IDENTIFICATION_AUTHORITY",
        ChildProtection = "CHILD_PROTECTION",
        GuardianService = "GUARDIAN_SERVICE",
        SocialService = "SOCIAL_SERVICE",
        HealthService = "HEALTH_SERVICE",
        LegalService = "LEGAL_SERVICE",
        LabourInspectorate = "LABOUR_INSPECTORATE",
        InterpreterService = "INTERPRETER_SERVICE",
        Hotline = "HOTLINE",
        InternationalOrganisation = "INTERNATIONAL_ORGANISATION",
        NonMember = "NON_MEMBER",
        AgencyDpo = "AGENCY_DPO",
        DataProtectionAuthority = "DATA_PROTECTION_AUTHORITY",
        Ombudsperson = "OMBUDSPERSON",
        Operator = "OPERATOR",
    }
}

vocabulary! {
    /// What a member of staff may do at their agency.
    "staff role" StaffRole {
        Caseworker = "CASEWORKER",
        Intake = "INTAKE",
        Supervisor = "SUPERVISOR",
        DutyOfficer = "DUTY_OFFICER",
        Auditor = "AUDITOR",
        Administrator = "ADMINISTRATOR",
        /// The agency's unattended program.
        Process = "PROCESS",
    }
}

vocabulary! {
    /// The one thing a referral asks for.
    "purpose" Purpose {
        SafeAccommodation = "SAFE_ACCOMMODATION",
        MedicalCare = "MEDICAL_CARE",
        MentalHealthPsychosocial = "MENTAL_HEALTH_PSYCHOSOCIAL",
        SexualReproductiveHealth = "SEXUAL_REPRODUCTIVE_HEALTH",
        MedicoLegalDocumentation = "MEDICO_LEGAL_DOCUMENTATION",
        LegalAssistance = "LEGAL_ASSISTANCE",
        LegalDefence = "LEGAL_DEFENCE",
        AsylumProcedure = "ASYLUM_PROCEDURE",
        FormalIdentification = "FORMAL_IDENTIFICATION",
        ResidenceRecoveryPeriod = "RESIDENCE_RECOVERY_PERIOD",
        CrimeReport = "CRIME_REPORT",
        PhysicalProtection = "PHYSICAL_PROTECTION",
        ChildProtection = "CHILD_PROTECTION",
        Guardianship = "GUARDIANSHIP",
        FamilyTracingReunification = "FAMILY_TRACING_REUNIFICATION",
        Interpretation = "INTERPRETATION",
        TransportAccompaniment = "TRANSPORT_ACCOMPANIMENT",
        BasicAssistance = "BASIC_ASSISTANCE",
        CashAssistance = "CASH_ASSISTANCE",
        DocumentRecovery = "DOCUMENT_RECOVERY",
        InformationRights = "INFORMATION_RIGHTS",
        DisabilitySupport = "DISABILITY_SUPPORT",
        Education = "EDUCATION",
        Livelihoods = "LIVELIHOODS",
        LabourRights = "LABOUR_RIGHTS",
        Compensation = "COMPENSATION",
        VoluntaryReturn = "VOLUNTARY_RETURN",
        Reintegration = "REINTEGRATION",
        OnwardReferral = "ONWARD_REFERRAL",
        Other = "OTHER",
    }
}

vocabulary! {
    /// How soon a recipient must answer.
    "urgency" Urgency {
        Immediate = "IMMEDIATE",
        Emergency = "EMERGENCY",
        Urgent = "URGENT",
        Normal = "NORMAL",
    }
}

vocabulary! {
    /// How far an offer must have come before a parcel may be opened.
    "stage" Stage {
        Triage = "TRIAGE",
        Accepted = "ACCEPTED",
        InCare = "IN_CARE",
    }
}

vocabulary! {
    /// The lawful ground of a basis.
    "basis kind" BasisKind {
        Consent = "CONSENT",
        ChildSafeguarding = "CHILD_SAFEGUARDING",
        VitalInterest = "VITAL_INTEREST",
        LegalDuty = "LEGAL_DUTY",
        Complaint = "COMPLAINT",
    }
}

vocabulary! {
    /// Where a referral stands, for its source.
    "referral state" ReferralState {
        Open = "OPEN",
        Placed = "PLACED",
        InProgress = "IN_PROGRESS",
        Completed = "COMPLETED",
        Recalled = "RECALLED",
        Withdrawn = "WITHDRAWN",
        Expired = "EXPIRED",
        Unplaced = "UNPLACED",
        EnteredInError = "ENTERED_IN_ERROR",
    }
}

vocabulary! {
    /// Where one candidate's answer stands.
    "offer state" OfferState {
        Offered = "OFFERED",
        Received = "RECEIVED",
        InformationRequested = "INFORMATION_REQUESTED",
        Waitlisted = "WAITLISTED",
        Accepted = "ACCEPTED",
        InProgress = "IN_PROGRESS",
        Completed = "COMPLETED",
        Declined = "DECLINED",
        Lapsed = "LAPSED",
        /// Closed upstream, without a reason.
        Closed = "CLOSED",
        /// Next in line, and not asked yet: the recipient sees nothing of it.
        Queued = "QUEUED",
    }
}

vocabulary! {
    /// A coded, true reason to decline.
    "decline reason" DeclineReason {
        NoCapacity = "NO_CAPACITY",
        IntakeClosedNow = "INTAKE_CLOSED_NOW",
        OutOfArea = "OUT_OF_AREA",
        NoInterpreter = "NO_INTERPRETER",
        NoStaffOfRequestedGender = "NO_STAFF_OF_REQUESTED_GENDER",
        CannotKeepGroupTogether = "CANNOT_KEEP_GROUP_TOGETHER",
        BoyOverAgeLimit = "BOY_OVER_AGE_LIMIT",
        NotSuitableForAgeHere = "NOT_SUITABLE_FOR_AGE_HERE",
        Accessibility = "ACCESSIBILITY",
        NeedsBeyondService = "NEEDS_BEYOND_SERVICE",
        NeedsHigherLevelOfCare = "NEEDS_HIGHER_LEVEL_OF_CARE",
        NotSuitableHere = "NOT_SUITABLE_HERE",
        MissingInformation = "MISSING_INFORMATION",
        PersonDeclinedOffer = "PERSON_DECLINED_OFFER",
        PersonUnreachable = "PERSON_UNREACHABLE",
        Other = "OTHER",
        RequiresPoliceReport = "REQUIRES_POLICE_REPORT",
        RequiresFormalStatus = "REQUIRES_FORMAL_STATUS",
        RequiresAsylumRegistration = "REQUIRES_ASYLUM_REGISTRATION",
        RequiresDocuments = "REQUIRES_DOCUMENTS",
        RequiresNationality = "REQUIRES_NATIONALITY",
    }
}

impl DeclineReason {
    /// Whether oversight and the recipient's supervisor are told (R12).
    #[must_use]
    pub const fn alerts_oversight(self) -> bool {
        matches!(
            self,
            Self::RequiresPoliceReport
                | Self::RequiresFormalStatus
                | Self::RequiresAsylumRegistration
                | Self::RequiresDocuments
                | Self::RequiresNationality
        )
    }
}

vocabulary! {
    /// Who said no.
    "decliner" Decliner {
        Agency = "AGENCY",
        Person = "PERSON",
    }
}

vocabulary! {
    /// How a service ended.
    "outcome" Outcome {
        ServiceProvided = "SERVICE_PROVIDED",
        PartlyProvided = "PARTLY_PROVIDED",
        ReferredOnward = "REFERRED_ONWARD",
        MovedOnWithReferral = "MOVED_ON_WITH_REFERRAL",
        PersonLeft = "PERSON_LEFT",
        PersonDeclined = "PERSON_DECLINED",
        CouldNotContact = "COULD_NOT_CONTACT",
        TurnedAwayAtDoor = "TURNED_AWAY_AT_DOOR",
        ReturnedPushedBack = "RETURNED_PUSHED_BACK",
        Detained = "DETAINED",
        /// An alarm.
        ChildMissing = "CHILD_MISSING",
        Died = "DIED",
        NotEligible = "NOT_ELIGIBLE",
        ServiceUnavailable = "SERVICE_UNAVAILABLE",
    }
}

vocabulary! {
    /// What an agency says of its own places, at its own hours.
    "declared capacity" DeclaredCapacity {
        Places = "PLACES",
        Few = "FEW",
        Waitlist = "WAITLIST",
        None = "NONE",
    }
}

vocabulary! {
    /// What a recipient's own checks found wrong with a parcel.
    "alarm" Alarm {
        MislabelledField = "MISLABELLED_FIELD",
        TamperedParcel = "TAMPERED_PARCEL",
        ReplayedParcel = "REPLAYED_PARCEL",
    }
}

vocabulary! {
    /// Where a transfer of responsibility stands, once proposed.
    "transfer state" TransferState {
        Proposed = "PROPOSED",
        Accepted = "ACCEPTED",
        Declined = "DECLINED",
    }
}

vocabulary! {
    /// What a recipient says to becoming responsible.
    "answer to a transfer" TransferAnswer {
        Accept = "ACCEPT",
        Decline = "DECLINE",
    }
}

vocabulary! {
    /// In which way something of a case was told, and what became of it: what a person who asks is shown (R22).
    "kind of disclosure" DisclosureKind {
        /// A parcel was opened by its recipient.
        Opened = "OPENED",
        /// A recipient asked another agency that the person had agreed to, and sealed to it what it had been told.
        PassedOn = "PASSED_ON",
        /// Released under break-glass.
        BreakGlass = "BREAK_GLASS",
        /// Carried, sealed, to an agency that is not a member.
        Carried = "CARRIED",
        /// A message was opened.
        Message = "MESSAGE",
        /// An attachment was opened.
        Attachment = "ATTACHMENT",
        /// The source corrected what the recipient had read.
        Corrected = "CORRECTED",
        /// The recipient says that it erased what it had.
        Erased = "ERASED",
        /// The recipient says that a law makes it keep what it had.
        KeptByLaw = "KEPT_BY_LAW",
        /// The recipient says that the person stays in its care and agreed with it that it keeps what it had.
        KeptInCare = "KEPT_IN_CARE",
    }
}

vocabulary! {
    /// Why somebody must be told at once what they were not allowed to be told.
    "reason to break the glass" AccessReason {
        LifeInDanger = "LIFE_IN_DANGER",
        ChildInDanger = "CHILD_IN_DANGER",
        MedicalEmergency = "MEDICAL_EMERGENCY",
        MissingPerson = "MISSING_PERSON",
    }
}

vocabulary! {
    /// Where a break-glass request stands.
    "state of an access" AccessState {
        Requested = "REQUESTED",
        Approved = "APPROVED",
        Released = "RELEASED",
        /// The window is over; a review is due.
        Ended = "ENDED",
        Reviewed = "REVIEWED",
        Refused = "REFUSED",
        /// Nobody answered, or nothing was released, in time.
        Expired = "EXPIRED",
    }
}

vocabulary! {
    /// What a review of an access found.
    "finding of a review" AccessFinding {
        Justified = "JUSTIFIED",
        Misuse = "MISUSE",
        RuleWrong = "RULE_WRONG",
    }
}

vocabulary! {
    /// How a label was asked for: with the bundle of a recipient kind, or by itself.
    "way of asking" Asked {
        Bundle = "BUNDLE",
        Specific = "SPECIFIC",
    }
}

vocabulary! {
    /// Who gave a basis.
    "giver of a basis" GivenBy {
        /// The person.
        Itself = "SELF",
        Guardian = "GUARDIAN",
        /// The basis is not given by anyone: a duty, an emergency.
        NotApplicable = "NOT_APPLICABLE",
    }
}

vocabulary! {
    /// Who interpreted when a basis was given.
    "interpreter class" InterpreterClass {
        NoneNeeded = "NONE_NEEDED",
        Professional = "PROFESSIONAL",
        Telephone = "TELEPHONE",
        Staff = "STAFF",
        Companion = "COMPANION",
        Child = "CHILD",
    }
}

vocabulary! {
    /// Whether a child was told before others were.
    "record of telling a child" ChildTold {
        Yes = "YES",
        NoWithReason = "NO_WITH_REASON",
        NotApplicable = "NOT_APPLICABLE",
    }
}

vocabulary! {
    /// Whom an agency must tell by its own duty; shown before a person consents.
    "duty to report" ReportsTo {
        Police = "POLICE",
        Prosecutor = "PROSECUTOR",
        Ministry = "MINISTRY",
        ChildProtection = "CHILD_PROTECTION",
    }
}

vocabulary! {
    /// What an agency demands before it helps; shown before a person consents.
    "requirement" Requirement {
        FormalStatus = "FORMAL_STATUS",
        AsylumRegistration = "ASYLUM_REGISTRATION",
        PoliceReport = "POLICE_REPORT",
        Documents = "DOCUMENTS",
    }
}

vocabulary! {
    /// For whom a place is meant, or who interprets; as the person says.
    "placement gender" PlacementGender {
        Woman = "WOMAN",
        Man = "MAN",
        Other = "OTHER",
    }
}

vocabulary! {
    /// What kind of thing a field tells.
    "category" Category {
        Language = "LANGUAGE",
        PlacementNeeds = "PLACEMENT_NEEDS",
        Age = "AGE",
        Gender = "GENDER",
        CareNeeds = "CARE_NEEDS",
        Threat = "THREAT",
        Identity = "IDENTITY",
        Contact = "CONTACT",
        Nationality = "NATIONALITY",
        Family = "FAMILY",
        Health = "HEALTH",
        Harm = "HARM",
        Trafficking = "TRAFFICKING",
        PunishableActs = "PUNISHABLE_ACTS",
        LegalStatus = "LEGAL_STATUS",
        MeetingPoint = "MEETING_POINT",
        PlacementLocation = "PLACEMENT_LOCATION",
        DoNotMeet = "DO_NOT_MEET",
        Statement = "STATEMENT",
        Documents = "DOCUMENTS",
    }
}

vocabulary! {
    /// How much of a category a field tells.
    "form" Form {
        Whole = "WHOLE",
        ChildOrAdult = "CHILD_OR_ADULT",
        Band = "BAND",
        Exact = "EXACT",
        Alias = "ALIAS",
        AsStated = "AS_STATED",
        Full = "FULL",
        Acuity = "ACUITY",
        Coded = "CODED",
        Detail = "DETAIL",
        PresentDanger = "PRESENT_DANGER",
        Counts = "COUNTS",
        Relations = "RELATIONS",
        Members = "MEMBERS",
        Functional = "FUNCTIONAL",
        Clinical = "CLINICAL",
        ViaSource = "VIA_SOURCE",
        SafeDirect = "SAFE_DIRECT",
        Direct = "DIRECT",
        List = "LIST",
        Copy = "COPY",
    }
}

vocabulary! {
    /// Who may be in one room of a pool at a time.
    "sharing of rooms" Sharing {
        Shared = "SHARED",
        OnePartyPerRoom = "ONE_PARTY_PER_ROOM",
    }
}

vocabulary! {
    /// What a guardian is to the child.
    "relation of a guardian" GuardianRelation {
        Parent = "PARENT",
        Relative = "RELATIVE",
        /// By a court or an authority.
        Appointed = "APPOINTED",
        /// An institution that the child is entrusted to.
        Institution = "INSTITUTION",
        Other = "OTHER",
    }
}

vocabulary! {
    /// Whether a child's own view was heard; what the view is stays with the source.
    "record of a child's view" ChildView {
        Expressed = "EXPRESSED",
        NotYet = "NOT_YET",
        /// Too young, or not in a state to.
        NotAble = "NOT_ABLE",
        /// The person is an adult.
        NotApplicable = "NOT_APPLICABLE",
    }
}

vocabulary! {
    /// Whether a child agrees to what a guardian consented to.
    "child's assent" Assent {
        Given = "GIVEN",
        Withheld = "WITHHELD",
        NotAble = "NOT_ABLE",
        /// Nobody consented for the person.
        NotApplicable = "NOT_APPLICABLE",
    }
}

vocabulary! {
    /// What a recipient is told about an offer after it was made; never a reason.
    "notice" OfferNotice {
        /// The source shares nothing more.
        ClosedBySource = "CLOSED_BY_SOURCE",
        /// Please erase what was opened, and say what was done.
        PleaseErase = "PLEASE_ERASE",
        /// The person leaves the service.
        PersonLeaves = "PERSON_LEAVES",
        /// Nothing new comes until the source has spoken with the person.
        Paused = "PAUSED",
        /// A parcel that was opened has been corrected.
        Corrected = "CORRECTED",
    }
}

vocabulary! {
    /// Why a human must look.
    "alert kind" AlertKind {
        Unplaced = "UNPLACED",
        NotAcknowledged = "NOT_ACKNOWLEDGED",
        AlertingDecline = "ALERTING_DECLINE",
        ChildMissing = "CHILD_MISSING",
        ParcelAlarm = "PARCEL_ALARM",
        TurnedAway = "TURNED_AWAY",
        AskAgainAlone = "ASK_AGAIN_ALONE",
        ByCard = "BY_CARD",
        ResumeRequested = "RESUME_REQUESTED",
        BreakGlass = "BREAK_GLASS",
        ReviewDue = "REVIEW_DUE",
        ErasureUnanswered = "ERASURE_UNANSWERED",
        ChildView = "CHILD_VIEW",
    }
}

vocabulary! {
    /// What a recipient must know before it can decide.
    "question" Question {
        NeedsAge = "NEEDS_AGE",
        NeedsLanguage = "NEEDS_LANGUAGE",
        NeedsHealthFunctional = "NEEDS_HEALTH_FUNCTIONAL",
        NeedsGroup = "NEEDS_GROUP",
        NeedsArrivalTime = "NEEDS_ARRIVAL_TIME",
        OtherByMessage = "OTHER_BY_MESSAGE",
    }
}

vocabulary! {
    /// A day of the week, as in a calendar (RFC 5545).
    "day of the week" Weekday {
        Monday = "MO",
        Tuesday = "TU",
        Wednesday = "WE",
        Thursday = "TH",
        Friday = "FR",
        Saturday = "SA",
        Sunday = "SU",
    }
}

vocabulary! {
    /// Why a source ends its own referral.
    "reason to close" CloseReason {
        HelpedOtherwise = "HELPED_OTHERWISE",
        PersonLeft = "PERSON_LEFT",
        PersonDeclined = "PERSON_DECLINED",
        CouldNotContact = "COULD_NOT_CONTACT",
        /// There is no time left in which anybody could help.
        TimeRanOut = "TIME_RAN_OUT",
    }
}

vocabulary! {
    /// By which rule clocks change.
    "rule of summer time" SummerTime {
        /// They do not.
        None = "NONE",
        /// One hour ahead from the last Sunday of March to the last Sunday of October, 01:00 UTC
        /// (directive 2000/84/EC).
        Europe = "EU",
    }
}

vocabulary! {
    /// What a recipient did when it was asked to erase.
    "erasure answer" ErasureAnswer {
        Erased = "ERASED",
        KeptLegalDuty = "KEPT_LEGAL_DUTY",
        /// The person stays in its care and agreed with it directly.
        KeptInCareOwnConsent = "KEPT_IN_CARE_OWN_CONSENT",
    }
}

vocabulary! {
    /// What a source says to an agency that asked to go on with a case.
    "answer to a request to resume" ResumeAnswer {
        /// The source refers the person to the agency that asked.
        Agreed = "AGREED",
        Declined = "DECLINED",
    }
}

vocabulary! {
    /// Something said without a word about the person.
    "message code" MessageCode {
        /// Read and understood.
        Noted = "NOTED",
        PleaseCall = "PLEASE_CALL",
        WillCall = "WILL_CALL",
        OnTheWay = "ON_THE_WAY",
        /// Later than agreed.
        Delayed = "DELAYED",
        Arrived = "ARRIVED",
        NotArrived = "NOT_ARRIVED",
        /// For an answer.
        StillWaiting = "STILL_WAITING",
    }
}

vocabulary! {
    /// A kind of acts that an auditor asks for.
    "class of acts" ActClass {
        /// What disclosed something: parcels, messages, attachments, break-glass and carried referrals opened.
        Disclosures = "DISCLOSURES",
        /// Every act of break-glass.
        BreakGlass = "BREAK_GLASS",
        /// Declines for a reason that oversight is told of (R12).
        AlertingDeclines = "ALERTING_DECLINES",
        /// Acts of agencies while they say that they are closed.
        OutOfHours = "OUT_OF_HOURS",
        /// Refusals.
        Denials = "DENIALS",
        /// What auditors read and found.
        Oversight = "OVERSIGHT",
    }
}

vocabulary! {
    /// A rule of the review: why a person should look at an act again.
    "rule of the review" ReviewRule {
        /// Break-glass was used.
        BreakGlass = "BREAK_GLASS",
        /// Many more openings in an hour than that member of staff's agency is used to.
        Burst = "BURST",
        /// Opened while the agency says that it is closed.
        OutOfHours = "OUT_OF_HOURS",
        /// Opened, and nothing was done with it.
        NoFollowUp = "NO_FOLLOW_UP",
        /// Tried to open after the person had taken it back.
        TriedAfterWithdrawal = "TRIED_AFTER_WITHDRAWAL",
        /// Tried again and again what the agency may not do.
        RepeatedProbes = "REPEATED_PROBES",
        /// A pseudonym that was silent for long opens again.
        DormantStaff = "DORMANT_STAFF",
        /// A new pseudonym opens a lot on its first day.
        NewStaffInBulk = "NEW_STAFF_IN_BULK",
        /// Tried to open what was not to be seen.
        FailedOpens = "FAILED_OPENS",
        /// An auditor read a great deal that is about no case.
        AuditWithoutCase = "AUDIT_WITHOUT_CASE",
    }
}
