//! Publishing the agency's own key bundle, so that a lost answer never leaves it unable to publish the next.

use super::agency::Desk;
use super::directory::{Directory, DirectoryError, Own};
use super::error::{ClientError, Reason};
use super::keys::{KeyRotation, SentBundle};
use super::log::{LogViolation, Proven};
use super::random::SystemRandom;
use super::session::request_id;
use super::staff::Staff;
use super::words;
use crate::domain::directory::AgencyFacts;
use crate::envelope::bundle::KeyBundle;
use crate::ledger::entry::EntryBody;
use crate::proto::v1;
use crate::proto::v1::directory_service_client::DirectoryServiceClient;

impl Desk {
    /// Publishes the agency's next key bundle with these facts, rotating sealing keys where they are due.
    ///
    /// A bundle that was sent before and never answered is sent again first, byte for byte and under its own request
    /// id; if it says the same and nothing is due, it is the one.
    ///
    /// # Errors
    ///
    /// [`ClientError::Keys`] when the bundle cannot be made or kept; otherwise as any call.
    pub async fn publish_keys(&self, facts: AgencyFacts) -> Result<Proven, ClientError> {
        let keys = self.agency().keys();
        let _publishing = keys.publishing()?;
        if let Some(sent) = keys.sent()? {
            match self.publish(&sent).await {
                Ok(proven) => {
                    let same = keys
                        .published_bundle()
                        .is_some_and(|bundle| bundle.content().facts == facts);
                    if same && !KeyRotation::is_due(keys, self.now()) {
                        return Ok(proven);
                    }
                }
                // It never arrived, and would not be taken any more: another may go in its place.
                Err(error) if is_final(error.reason()) => keys.forget_sent(&sent.token)?,
                Err(error) => return Err(error),
            }
        }
        let sent = SentBundle {
            token: KeyRotation::next_bundle(keys, facts, self.now(), &mut SystemRandom)?,
            request_id: request_id(),
        };
        keys.keep_sent(&sent)?;
        let published = self.publish(&sent).await;
        if let Err(error) = &published
            && is_final(error.reason())
        {
            keys.forget_sent(&sent.token)?;
        }
        published
    }

    /// Publishes the newest bundle again where an earlier one of this agency stands in its place: the router was
    /// restored from a backup that is older, and would take none that follows a bundle which it lost. True if it took
    /// it.
    ///
    /// Where it lost more than one the newest does not follow what it has: it is refused, and nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`Desk::mirror`] for what an honest router cannot show: above all [`DirectoryError::NotOurs`] where what
    /// stands under this agency's name was never its own, which no backup explains. Otherwise as
    /// [`Desk::publish_keys`].
    pub async fn bring_keys(&self) -> Result<bool, ClientError> {
        let keys = self.agency().keys();
        let _publishing = keys.publishing()?;
        match self.mirror().await {
            Err(ClientError::Directory(DirectoryError::NotOurs)) if self.stands_back().await? => {}
            Err(error) if error.is_alarm() => return Err(error),
            _ => return Ok(false),
        }
        let Some(again) = keys.published_again()? else {
            return Ok(false);
        };
        match self.publish(&again).await {
            Ok(_) => Ok(true),
            Err(error) if is_final(error.reason()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether what stands under this agency's name is a bundle that it signed before its newest, and all else there is
    /// its own.
    async fn stands_back(&self) -> Result<bool, ClientError> {
        let agency = self.agency();
        let (reply, proven) = self.fetch_directory(0).await?;
        let name = words::agency_name(agency.id());
        let record = reply.agencies.iter().find(|record| record.name == name);
        let shown = record.and_then(|record| KeyBundle::parse(&record.key_bundle).ok());
        let certificates = agency.keys().published_certificates();
        let earlier = shown.zip(agency.keys().published_bundle());
        let earlier = earlier.filter(|(shown, newest)| {
            shown.content().agency == *agency.id()
                && shown.content().seq < newest.content().seq
                && certificates.contains(&shown.signing_key().fingerprint)
        });
        let Some((shown, _)) = earlier else {
            return Ok(false);
        };
        let own = Own {
            agency: agency.id(),
            bundle: Some(shown.digest()),
            certificates: &certificates,
        };
        let now = self.now();
        let verified = Directory::verify(&reply, &proven.entry, None, agency.trust(), own, now);
        Ok(verified.is_ok())
    }

    /// Sends one bundle until it is answered, and remembers it as published once its receipt is proved.
    async fn publish(&self, sent: &SentBundle) -> Result<Proven, ClientError> {
        // The first one goes without a staff token: the key that would sign it is inside the bundle. Where it arrived
        // before and its answer was lost, the token is needed to hear it again.
        let keys = self.agency().keys();
        let first = keys.published().is_none();
        let answered = match self.send((!first).then(|| self.staff()), sent).await {
            Err(error) if first && is_known_already(error.reason()) => {
                self.send(Some(self.staff()), sent).await.map_err(|_| error)
            }
            answered => answered,
        };
        let proven = answered?;
        match &proven.entry.body {
            EntryBody::Keys { bundle } if bundle.as_bytes() == sent.token => {
                keys.remember_published(&sent.token)?;
                Ok(proven)
            }
            _ => Err(LogViolation::OtherEntry.into()),
        }
    }

    async fn send(&self, staff: Option<&Staff>, sent: &SentBundle) -> Result<Proven, ClientError> {
        let request = v1::PublishKeyBundleRequest {
            name: words::agency_name(self.agency().id()),
            request_id: sent.request_id.clone(),
            key_bundle: sent.token.clone(),
        };
        let (reply, known) = self
            .agency()
            .session()
            .call_known(staff, request, |channel, request| async move {
                DirectoryServiceClient::new(channel)
                    .publish_key_bundle(request)
                    .await
            })
            .await?;
        // The proof of consistency, where one is asked for, needs the token that is good from here on.
        self.prove(reply.receipt.as_ref(), known).await
    }
}

/// Whether the router has judged the bundle itself, so that sending it again changes nothing.
const fn is_final(reason: Option<Reason>) -> bool {
    matches!(
        reason,
        Some(
            Reason::KeyBundleInvalid
                | Reason::SignatureInvalid
                | Reason::InvalidField
                | Reason::RequestIdReused
        )
    )
}

/// What a router says to a newcomer that is none any more.
const fn is_known_already(reason: Option<Reason>) -> bool {
    matches!(
        reason,
        Some(Reason::AuthenticationFailed | Reason::NotPermitted)
    )
}
