//! What is refused, and by whom: the source's own gate, the router, or the recipient.

use std::time::{Duration, Instant};

use crate::client::agency::Desk;
use crate::client::error::{ClientError, Reason};
use crate::client::random::SystemRandom;
use crate::client::retry::RetryPolicy;
use crate::client::source::{Candidate, to_proto};
use crate::client::words;
use crate::demo::narrate::Stop;
use crate::demo::people::{self, FARID_CANARIES, SAMIRA_CANARIES, labels};
use crate::domain::basis::Basis;
use crate::domain::id::OfferId;
use crate::domain::label::{Label, LabelSet};
use crate::domain::vocabulary::{Category, Form, Purpose, StaffRole, Stage};
use crate::envelope::disclosure::Field;
use crate::envelope::open::{OpenError, OpenedParcel};
use crate::envelope::seal::{ParcelDraft, seal};
use crate::envelope::statement::Forward;
use crate::proto::v1;

use super::bed::Samira;
use super::doctor::Farid;
use super::{SHELTER_TRIAGE, Story, consent, new_case, tonight};
use crate::client::source::AlsoAsked;

/// A revoked certificate is cut off within this time, new and open connections alike.
const REVOKED_WITHIN: Duration = Duration::from_secs(60);

impl Story {
    pub(super) async fn what_is_refused(&mut self, samira: &Samira) -> Result<(), Stop> {
        self.narrator.act("What is refused");
        let alpha = self.desk("alpha", "w-17", StaffRole::Caseworker)?;
        let Some(basis) = samira
            .bases
            .iter()
            .find(|basis| basis.recipient.as_str() == "house1")
        else {
            return Err(Stop);
        };
        self.beyond_the_basis(&alpha, basis).await?;
        self.tampered(&alpha).await?;
        self.mislabelled(&alpha).await?;
        self.another_name(samira).await?;
        self.stolen_certificate().await
    }

    async fn beyond_the_basis(&mut self, alpha: &Desk, basis: &Basis) -> Result<(), Stop> {
        let full = labels(&[(Category::Nationality, Form::Whole)]);
        let fields = people::cut(&people::samira(), "Rima", full);
        let fields = self.narrator.quietly("the record is cut", fields)?;
        let sealed = alpha.seal(basis, Purpose::SafeAccommodation, Stage::Triage, fields);
        self.narrator.check(
            "alpha tries to add her nationality: its own gate refuses, and nothing is sealed.",
            matches!(sealed, Err(ClientError::Gate(_))),
        );
        let name = labels(&[(Category::Identity, Form::AsStated)]);
        let fields = people::cut(&people::farid(), "x", name);
        let fields = self.narrator.quietly("the record is cut", fields)?;
        let sent = self.around_the_gate(alpha, basis, fields).await;
        let refused = matches!(
            sent.as_ref().err().and_then(ClientError::reason),
            Some(Reason::BasisNotCovering | Reason::ProtocolRefused)
        );
        self.narrator.step(
            "A program that skips its gate and seals a name all the same: the router refuses the label.",
            refused,
            Some(format!("{sent:?}")),
        );
        Ok(())
    }

    /// A referral by a client that does not ask its own gate.
    async fn around_the_gate(
        &mut self,
        alpha: &Desk,
        basis: &Basis,
        fields: Vec<Field>,
    ) -> Result<v1::CreateReferralResponse, ClientError> {
        let mut prepared = self.honest_request(alpha, basis)?;
        let forced = force_seal(alpha, basis, fields)?;
        if let Some(offer) = prepared.offers.first_mut() {
            offer.deposits = vec![forced];
        }
        send(alpha, prepared).await
    }

    /// A referral that the router would accept, not yet sent.
    fn honest_request(
        &mut self,
        alpha: &Desk,
        basis: &Basis,
    ) -> Result<v1::CreateReferralRequest, ClientError> {
        let fields = people::cut(&people::samira(), "Rima", labels(SHELTER_TRIAGE))
            .map_err(|_| ClientError::Reply("a record"))?;
        let candidate = Candidate {
            basis,
            parcels: vec![(Stage::Triage, fields)],
        };
        let ask = tonight(alpha, basis.case, Purpose::SafeAccommodation);
        Ok(alpha.prepare_referral(&ask, &[candidate])?.into_request())
    }

    /// A yes for house2 alone, for parcels that are spoilt on the way.
    async fn spoilt_basis(&mut self, alpha: &Desk) -> Result<Basis, Stop> {
        let house2 = self.id("house2")?;
        let purpose = Purpose::SafeAccommodation;
        let bundle = labels(SHELTER_TRIAGE);
        let draft = consent(alpha, new_case(), &house2, purpose, bundle, LabelSet::EMPTY);
        let recorded = alpha.record_basis(draft).await;
        self.narrator.quietly("a basis is recorded", recorded)
    }

    async fn tampered(&mut self, alpha: &Desk) -> Result<(), Stop> {
        let basis = self.spoilt_basis(alpha).await?;
        let request = self.honest_request(alpha, &basis);
        let mut request = self.narrator.quietly("a referral is sealed", request)?;
        flip_label(&mut request);
        let sent = send(alpha, request).await;
        self.narrator.step(
            "A label changed after signing: the router refuses the parcel.",
            sent.as_ref().err().and_then(ClientError::reason).is_some(),
            Some(format!("{sent:?}")),
        );
        let request = self.honest_request(alpha, &basis);
        let mut request = self.narrator.quietly("a referral is sealed", request)?;
        flip_ciphertext(&mut request);
        let sent = send(alpha, request).await;
        let sent = self
            .narrator
            .quietly("the router cannot read it, and takes it", sent)?;
        let opened = self.open_sent(&sent).await?;
        self.narrator.step(
            "One bit of a sealed field flipped, which no router can see: house2 refuses to read it, \
             and its alarm is in the log.",
            matches!(opened, Err(ClientError::Parcel(OpenError::Tampered))),
            Some(format!("{:?}", opened.err())),
        );
        Ok(())
    }

    async fn mislabelled(&mut self, alpha: &Desk) -> Result<(), Stop> {
        let basis = self.spoilt_basis(alpha).await?;
        let harm = labels(&[(Category::Harm, Form::Whole)]);
        let fields = people::cut(&people::farid(), "x", harm);
        let mut fields = self.narrator.quietly("the record is cut", fields)?;
        let label = Label::new(Category::CareNeeds, Form::Coded);
        let label = self.narrator.quietly("a label", label)?;
        fields.iter_mut().for_each(|field| field.label = label);
        let sent = self.around_the_gate(alpha, &basis, fields).await;
        let sent = self
            .narrator
            .quietly("the router sees a label that is allowed", sent)?;
        let opened = self.open_sent(&sent).await?;
        self.narrator.step(
            "Injuries sealed under the label of care needs: house2 computes the label again and \
             refuses; its alarm is in the log.",
            matches!(opened, Err(ClientError::Parcel(OpenError::Mislabelled))),
            Some(format!("{:?}", opened.err())),
        );
        Ok(())
    }

    /// house2 opens what was just sent, as its intake would.
    async fn open_sent(
        &mut self,
        sent: &v1::CreateReferralResponse,
    ) -> Result<Result<OpenedParcel, ClientError>, Stop> {
        let desk = self.desk("house2", "desk-2", StaffRole::Intake)?;
        let alpha = self.id("alpha")?;
        let offer = sent.offers.first().ok_or(ClientError::Reply("no offer"));
        let offer = offer.and_then(|name| words::own_id::<OfferId>(name, &alpha, "offers"));
        let offer = self.narrator.quietly("the offer's name", offer)?;
        let view = desk.offer(offer).await;
        let view = self.narrator.quietly("house2 sees the offer", view)?;
        Ok(desk.open(&view, Stage::Triage).await)
    }

    async fn another_name(&mut self, samira: &Samira) -> Result<(), Stop> {
        let atu = self.desk("moi-atu", "inspector-3", StaffRole::Supervisor)?;
        let name = words::offer_name(&self.id("house1")?, samira.house1);
        let request = v1::GetOfferRequest { name };
        let answer = atu
            .agency()
            .session()
            .call(atu.staff(), request, |channel, request| async move {
                v1::offer_service_client::OfferServiceClient::new(channel)
                    .get_offer(request)
                    .await
            })
            .await;
        self.narrator.step(
            "moi-atu asks for house1's offer by its true name: not permitted, before anything is read.",
            answer.as_ref().err().and_then(ClientError::reason) == Some(Reason::NotPermitted),
            Some(format!("{answer:?}")),
        );
        Ok(())
    }

    /// house3's certificate and keys, copied by a thief.
    async fn stolen_certificate(&mut self) -> Result<(), Stop> {
        let policy = RetryPolicy {
            deadline: Duration::from_secs(2),
            ..RetryPolicy::default()
        };
        let id = self.id("house3")?;
        let thief = self.town.impostor("house3", policy);
        let thief = self
            .narrator
            .quietly("a thief copies house3's keys", thief)?;
        let thief = self
            .narrator
            .quietly("a desk", thief.desk("night-1", StaffRole::Intake))?;
        let before = thief.offers().await;
        let revoked = self.town.authority().revoke_agency(&id);
        self.narrator
            .quietly("house3 reports the theft; the authority revokes", revoked)?;
        let begun = Instant::now();
        let mut refused = None;
        while refused.is_none() && begun.elapsed() < REVOKED_WITHIN {
            match thief.offers().await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(error) => refused = Some(error),
            }
        }
        let again = thief.offers().await;
        self.narrator.step(
            &format!(
                "house3's certificate is stolen, and works until it is revoked; {:.0} s later the open \
                 connection is cut and no new one opens.",
                begun.elapsed().as_secs_f64().ceil()
            ),
            before.is_ok() && refused.is_some() && again.is_err(),
            Some(format!("{before:?}, then {refused:?}, then {again:?}")),
        );
        Ok(())
    }

    /// Consent taken back: the next opening finds nothing.
    pub(super) async fn she_said_stop(&mut self, farid: &Farid) -> Result<(), Stop> {
        self.narrator.act("Farid takes it back");
        self.narrator.tell(
            "Three separate questions: stop sharing with the doctor? ask to erase? leave the \
             service? He says yes, yes, no.",
        );
        let alpha = self.desk("alpha", "w-23", StaffRole::Caseworker)?;
        let also = AlsoAsked {
            erase: true,
            leave: false,
        };
        self.narrator.need(
            "alpha withdraws the basis; the withdrawal is in the log.",
            alpha.withdraw_basis(&farid.medic_basis, also).await,
        )?;
        let medic = self.desk("medic", "doctor-1", StaffRole::Supervisor)?;
        let view = medic.offer(farid.medic_offer).await;
        let view = self.narrator.quietly("medic looks at its offer", view)?;
        let opened = medic.open(&view, Stage::Accepted).await;
        self.narrator.step(
            "medic opens the parcel again and finds nothing: the same answer as for one that never was.",
            opened.as_ref().err().and_then(ClientError::reason) == Some(Reason::NotFound),
            Some(format!("{:?}", opened.err())),
        );
        let fields = people::cut(
            &people::farid(),
            "x",
            labels(&[(Category::Harm, Form::Whole)]),
        );
        let fields = self.narrator.quietly("the record is cut", fields)?;
        let forced = alpha.seal(
            &farid.medic_basis,
            Purpose::MedicalCare,
            Stage::Accepted,
            fields,
        );
        let deposited = match forced {
            Ok(deposit) => alpha
                .deposit_sealed(farid.medic_offer, deposit)
                .await
                .map(|_| ()),
            Err(error) => Err(error),
        };
        self.narrator.step(
            "A parcel sealed on the old basis is refused from that entry on.",
            deposited
                .as_ref()
                .err()
                .and_then(ClientError::reason)
                .is_some(),
            Some(format!("{deposited:?}")),
        );
        Ok(())
    }

    /// Searches everything that the router wrote for what the two told.
    pub(super) fn nothing_readable(&mut self) {
        self.narrator.act("What the router holds");
        let folder = self.town.router().folder().to_owned();
        let mut files = 0;
        let mut found = Vec::new();
        search(&folder, &mut |bytes| {
            files += 1;
            for canary in SAMIRA_CANARIES.iter().chain(&FARID_CANARIES) {
                let mut windows = bytes.windows(canary.len());
                if windows.any(|window| window == canary.as_bytes()) {
                    found.push(*canary);
                }
            }
        });
        self.narrator.step(
            &format!(
                "All {files} files of the router, its log included, are searched byte by byte: none of \
                 what they told is in them."
            ),
            found.is_empty() && files > 0,
            Some(format!("found: {}", found.join(", "))),
        );
    }
}

/// Seals without asking the gate, as a broken or hostile program would.
fn force_seal(desk: &Desk, basis: &Basis, fields: Vec<Field>) -> Result<v1::Deposit, ClientError> {
    let directory = desk.agency().directory()?;
    let now = desk.now();
    let draft = ParcelDraft {
        source: desk.agency().id(),
        recipient: &basis.recipient,
        key: directory.sealing_key(&basis.recipient, now)?,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        chain: basis.chain,
        now,
        until: basis.expires(),
        forward: Forward {
            recipients: Vec::new(),
            hops: 0,
        },
        supersedes: None,
        parent: None,
        fields,
        carried: Vec::new(),
    };
    let sealed = seal(draft, desk.agency().keys().signer(), &mut SystemRandom)?;
    Ok(v1::Deposit {
        parcel: Some(to_proto(sealed.parcel)),
        basis_chain: basis.chain.to_string(),
        basis_salt: sealed.basis_salt.to_vec(),
    })
}

async fn send(
    desk: &Desk,
    request: v1::CreateReferralRequest,
) -> Result<v1::CreateReferralResponse, ClientError> {
    desk.agency()
        .session()
        .call(desk.staff(), request, |channel, request| async move {
            v1::referral_service_client::ReferralServiceClient::new(channel)
                .create_referral(request)
                .await
        })
        .await
}

fn parcel(request: &mut v1::CreateReferralRequest) -> Option<&mut v1::Parcel> {
    request
        .offers
        .first_mut()?
        .deposits
        .first_mut()?
        .parcel
        .as_mut()
}

fn flip_label(request: &mut v1::CreateReferralRequest) {
    if let Some(label) = parcel(request).and_then(|parcel| parcel.labels.first_mut()) {
        label.category = words::category_number(Category::Health);
        label.form = words::form_number(Form::Clinical);
    }
}

fn flip_ciphertext(request: &mut v1::CreateReferralRequest) {
    if let Some(field) = parcel(request).and_then(|parcel| parcel.fields.first_mut()) {
        let mut bytes = field.to_vec();
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        *field = bytes.into();
    }
}

/// Hands every file under `folder` to `look`.
fn search(folder: &std::path::Path, look: &mut dyn FnMut(&[u8])) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, look);
        } else if let Ok(bytes) = std::fs::read(&path) {
            look(&bytes);
        }
    }
}
