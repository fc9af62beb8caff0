//! Parts of scenario A: what was done to him he tells the doctor only; what he was made to do, the lawyer only.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::source::{Candidate, SentReferral};
use crate::demo::narrate::Stop;
use crate::demo::people::{self, labels};
use crate::demo::profile::{Seeded, draw};
use crate::domain::basis::Basis;
use crate::domain::id::{CaseHandle, OfferId};
use crate::domain::vocabulary::{Category, Form, Purpose, StaffRole, Stage};
use crate::envelope::open::OpenedParcel;

use super::{SHELTER_TRIAGE, Story, consent, new_case, shelter_bundle, tonight};

/// People of the case load who are referred meanwhile.
const MEANWHILE: usize = 6;

/// What a doctor needs to decide, and what only the doctor is told.
const DOCTOR_TRIAGE: &[(Category, Form)] = &[
    (Category::Language, Form::Whole),
    (Category::CareNeeds, Form::Acuity),
];
const DOCTOR_ACCEPTED: &[(Category, Form)] = &[(Category::Identity, Form::AsStated)];
const DOCTOR_SPECIFIC: &[(Category, Form)] = &[(Category::Harm, Form::Whole)];

/// What the lawyer needs.
const LAWYER_TRIAGE: &[(Category, Form)] = &[(Category::Language, Form::Whole)];
const LAWYER_ACCEPTED: &[(Category, Form)] = &[(Category::Identity, Form::Alias)];
const LAWYER_SPECIFIC: &[(Category, Form)] = &[(Category::PunishableActs, Form::Whole)];

/// What later acts need of this one.
pub(super) struct Farid {
    pub(super) medic: SentReferral,
    pub(super) medic_offer: OfferId,
    pub(super) medic_basis: Basis,
}

/// Who is told what, by which request.
struct Telling {
    agency: &'static str,
    staff: &'static str,
    purpose: Purpose,
    alias: &'static str,
    triage: &'static [(Category, Form)],
    accepted: &'static [(Category, Form)],
    specific: &'static [(Category, Form)],
}

impl Story {
    pub(super) async fn only_the_doctor(&mut self) -> Result<Farid, Stop> {
        self.narrator
            .act("Farid, the same night: what was done to him, only the doctor");
        self.narrator.tell(
            "He is 27 and speaks Pashto. Smugglers held him and made him work for them. He does not \
             call himself trafficked; the field stays UNASSESSED, and nothing depends on it.",
        );
        let alpha = self.desk("alpha", "w-23", StaffRole::Caseworker)?;
        let case = new_case();
        self.cases.push(("Farid", case));
        let medic = Telling {
            agency: "medic",
            staff: "doctor-1",
            purpose: Purpose::MedicalCare,
            alias: "Zaman",
            triage: DOCTOR_TRIAGE,
            accepted: DOCTOR_ACCEPTED,
            specific: DOCTOR_SPECIFIC,
        };
        let (referral, offer, basis, parcel) = self.refer(&alpha, case, &medic).await?;
        let harm = holds(&parcel, Category::Harm) && !holds(&parcel, Category::PunishableActs);
        self.narrator.check(
            "medic reads the injuries and who did it; not what he was made to do.",
            harm,
        );
        let law = Telling {
            agency: "law",
            staff: "lawyer-1",
            purpose: Purpose::LegalDefence,
            alias: "Mr K.",
            triage: LAWYER_TRIAGE,
            accepted: LAWYER_ACCEPTED,
            specific: LAWYER_SPECIFIC,
        };
        let (_, _, _, parcel) = self.refer(&alpha, case, &law).await?;
        let forced = parcel
            .fields
            .iter()
            .any(|field| field.field.path.ends_with("@PUNISHABLE_ACTS"));
        self.narrator.check(
            "law reads what he was made to do, under privilege; forced criminality travels as a \
             punishable act, wherever it stands in his record.",
            holds(&parcel, Category::PunishableActs) && !holds(&parcel, Category::Harm) && forced,
        );
        let house2 = Telling {
            agency: "house2",
            staff: "desk-2",
            purpose: Purpose::SafeAccommodation,
            alias: "Omar",
            triage: SHELTER_TRIAGE,
            accepted: &[],
            specific: &[],
        };
        let (_, _, _, parcel) = self.refer(&alpha, case, &house2).await?;
        self.narrator.check(
            "house2 reads what a bed needs: no injuries, no acts, no name; and says yes.",
            !holds(&parcel, Category::Harm) && !holds(&parcel, Category::PunishableActs),
        );
        self.meanwhile(&alpha).await?;
        Ok(Farid {
            medic: referral,
            medic_offer: offer,
            medic_basis: basis,
        })
    }

    /// One basis, one referral, one acceptance, everything opened that may be.
    async fn refer(
        &mut self,
        alpha: &Desk,
        case: CaseHandle,
        telling: &Telling,
    ) -> Result<(SentReferral, OfferId, Basis, OpenedParcel), Stop> {
        let recipient = self.id(telling.agency)?;
        let desk = self.desk(telling.agency, telling.staff, StaffRole::Supervisor)?;
        let outcome = refer(alpha, &desk, case, &recipient, telling).await;
        let (sent, offer, basis, parcels) = self
            .narrator
            .quietly(&format!("{} is asked and accepts", telling.agency), outcome)?;
        for parcel in &parcels {
            self.seen.opened(telling.agency, 'F', parcel);
        }
        let last = parcels.into_iter().next_back().ok_or("no parcel");
        let last = self.narrator.quietly("a parcel was opened", last)?;
        Ok((sent, offer, basis, last))
    }

    /// The night's other people, in the shares of a real case load.
    async fn meanwhile(&mut self, alpha: &Desk) -> Result<(), Stop> {
        let recipient = self.id("house2")?;
        let mut seeded = Seeded::new(20_161_031);
        let mut referred = Ok(());
        for _ in 0..MEANWHILE {
            referred = meanwhile(alpha, &recipient, people::drawn(&draw(&mut seeded))).await;
            if referred.is_err() {
                break;
            }
        }
        self.narrator.need(
            &format!(
                "Meanwhile {MEANWHILE} more people are referred, drawn from the shares of a case load \
                 (CTDC, synthetic data)."
            ),
            referred,
        )
    }
}

fn holds(parcel: &OpenedParcel, category: Category) -> bool {
    parcel
        .fields
        .iter()
        .any(|field| field.field.label.category() == category)
}

async fn refer(
    alpha: &Desk,
    desk: &Desk,
    case: CaseHandle,
    recipient: &crate::domain::id::AgencyId,
    telling: &Telling,
) -> Result<(SentReferral, OfferId, Basis, Vec<OpenedParcel>), ClientError> {
    let bundle = match telling.agency {
        "house2" => shelter_bundle(),
        _ => labels(telling.triage).union(labels(telling.accepted)),
    };
    let draft = consent(
        alpha,
        case,
        recipient,
        telling.purpose,
        bundle,
        labels(telling.specific),
    );
    let basis = alpha.record_basis(draft).await?;
    let record = people::farid();
    let cut = |wanted| {
        people::cut(&record, telling.alias, wanted).map_err(|_| ClientError::Reply("a record"))
    };
    let later = labels(telling.accepted).union(labels(telling.specific));
    let triage = vec![(Stage::Triage, cut(labels(telling.triage))?)];
    let ask = tonight(alpha, case, telling.purpose);
    let sent = alpha
        .create_referral(
            &ask,
            &[Candidate {
                basis: &basis,
                parcels: triage,
            }],
        )
        .await?;
    let (_, offer) = sent
        .offers
        .first()
        .ok_or(ClientError::Reply("no offer"))?
        .clone();
    let view = desk.offer(offer).await?;
    let mut parcels = vec![desk.open(&view, Stage::Triage).await?];
    desk.accept(offer, None).await?;
    if !later.is_empty() {
        alpha
            .deposit(offer, &basis, telling.purpose, Stage::Accepted, cut(later)?)
            .await?;
        parcels.push(desk.open(&view, Stage::Accepted).await?);
    }
    Ok((sent, offer, basis, parcels))
}

async fn meanwhile(
    alpha: &Desk,
    recipient: &crate::domain::id::AgencyId,
    record: crate::proto::v1::Record,
) -> Result<(), ClientError> {
    let case = new_case();
    let purpose = Purpose::SafeAccommodation;
    let draft = consent(
        alpha,
        case,
        recipient,
        purpose,
        labels(SHELTER_TRIAGE),
        labels(&[]),
    );
    let basis = alpha.record_basis(draft).await?;
    let fields = people::cut(&record, "someone", labels(SHELTER_TRIAGE));
    let fields = fields.map_err(|_| ClientError::Reply("a record"))?;
    let candidate = Candidate {
        basis: &basis,
        parcels: vec![(Stage::Triage, fields)],
    };
    alpha
        .create_referral(&tonight(alpha, case, purpose), &[candidate])
        .await?;
    Ok(())
}
