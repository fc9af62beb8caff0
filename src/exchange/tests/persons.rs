//! What a person who asks is shown, from the first look to what became of it (R22).

use super::sequences::cast::{Cast, Draft, told_at};
use super::town::{fresh, id};
use crate::domain::id::BasisChainId;
use crate::domain::vocabulary::{
    BasisKind, DisclosureKind as D, ErasureAnswer, MessageCode, Purpose, Stage, Urgency,
};
use crate::envelope::statement::Forward;
use crate::exchange::message::Said;
use crate::exchange::referral::{NewOffer, NewReferral};
use crate::exchange::withdrawal::Wishes;
use crate::exchange::{BasisName, OfferName, Page};
use std::time::Duration;

#[tokio::test]
async fn the_list_tells_of_readings_corrections_and_what_was_erased() {
    let mut cast = Cast::begin().await;
    let (source, north) = (id("ngo"), id("north"));
    let (caller, house) = (cast.staff(&source), cast.staff(&north));
    let exchange = cast.town.exchange.clone();
    let chain = BasisChainId::from_random(cast.fresh_bytes());
    let until = cast.now().plus(Duration::from_secs(3 * 24 * 3600));
    let case = super::sequences::cast::case_of("ngo", 0);
    let parties = ("ngo", "north", case);
    let statement = cast.basis(
        (chain, 1),
        parties,
        BasisKind::Consent,
        (until, true),
        false,
    );
    let recorded = exchange.record_basis(&caller, &source, fresh(), statement);
    let _ = recorded.await.expect("recorded");
    let draft = |supersedes| Draft {
        source: &source,
        recipient: &north,
        purpose: Purpose::SafeAccommodation,
        stage: Stage::Triage,
        chain,
        until,
        labels: told_at(BasisKind::Consent, "north", Stage::Triage),
        forward: Forward::default(),
        supersedes,
        parent: None,
    };
    let deposit = cast.deposit(draft(None)).expect("sealed");
    let new = NewReferral {
        case,
        purpose: Purpose::SafeAccommodation,
        urgency: Urgency::Emergency,
        decide_by: None,
        place_by: None,
        parallel: None,
        offers: vec![NewOffer {
            recipient: north.clone(),
            deposits: vec![deposit],
        }],
    };
    let made = exchange.create_referral(&caller, &source, fresh(), new);
    let made = made.await.expect("created");
    let of_source = made.offers[0].clone();
    let offer = OfferName {
        agency: north.clone(),
        offer: of_source.offer,
    };
    let opened = exchange.open_parcel(&house, &offer, Stage::Triage).await;
    let _ = opened.expect("opened");
    // A code tells nothing of the person, and is not on the list.
    let code = Said::Code(MessageCode::Noted);
    let posted = exchange.post_message(&caller, &of_source, fresh(), code);
    let _ = posted.await.expect("posted");
    let said = cast
        .message(draft(None), offer.offer, false)
        .expect("sealed");
    let said = Said::Sealed(said.parcel, said.chain, said.salt);
    let posted = exchange.post_message(&caller, &of_source, fresh(), said);
    let (number, _) = posted.await.expect("posted");
    let read = exchange.open_message(&house, &offer, number).await;
    let _ = read.expect("read");
    let seen = exchange.referral(&caller, &made.name).await.expect("seen");
    let in_hand = seen.offers[0].parcels[0].1;
    let correction = cast.deposit(draft(Some(in_hand))).expect("sealed");
    let corrected = exchange.amend_parcel(&caller, &of_source, fresh(), correction);
    let _ = corrected.await.expect("corrected");
    let opened = exchange.open_parcel(&house, &offer, Stage::Triage).await;
    let _ = opened.expect("opened");
    let basis = BasisName {
        agency: source.clone(),
        chain,
    };
    let wishes = Wishes {
        erase: true,
        leave: false,
    };
    let asked = exchange.ask_recipient(&caller, &basis, fresh(), wishes);
    let _ = asked.await.expect("asked");
    for answer in [ErasureAnswer::KeptLegalDuty, ErasureAnswer::Erased] {
        let answered = exchange.confirm_erasure(&house, &offer, fresh(), answer);
        let _ = answered.await.expect("answered");
    }
    let page = Page {
        size: 50,
        token: String::new(),
    };
    let list = exchange.disclosures(&caller, &source, case, page).await;
    let list = list.expect("a list").items;
    let kinds: Vec<D> = list.iter().map(|told| told.kind).collect();
    let all = [
        D::Opened,
        D::Message,
        D::Corrected,
        D::Opened,
        D::KeptByLaw,
        D::Erased,
    ];
    assert_eq!(kinds, all);
    assert!(
        list.iter()
            .all(|told| told.recipient == north && told.by == source)
    );
    assert!(cast.town.replayed().is_empty());
}
