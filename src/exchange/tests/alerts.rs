//! Alerts at the level of the exchange: time is the test's.

use super::town::{Town, fresh, id};
use crate::domain::vocabulary::{AgencyKind, Alarm, AlertKind, StaffRole, Stage};
use crate::exchange::{Page, Refusal};

fn page() -> Page {
    Page {
        size: 50,
        token: String::new(),
    }
}

#[tokio::test]
async fn an_alarm_alerts_source_and_oversight_each_in_its_own_words_and_is_taken_once() {
    let mut town = Town::begin().await;
    town.join("ombudsperson", AgencyKind::Ombudsperson).await;
    let offers = town.refer(&["north"]).await;
    let exchange = &town.exchange;
    let north = town.intake("north");
    let alarm = Alarm::TamperedParcel;
    let _ = exchange
        .raise_alarm(&north, &offers[0], fresh(), Stage::Triage, alarm)
        .await
        .expect("raised");
    let (ngo, ombudsperson) = (
        town.caseworker(),
        town.staff("ombudsperson", StaffRole::Supervisor),
    );
    let of_source = exchange.alerts(&ngo, &id("ngo"), page()).await;
    let of_source = of_source.expect("listed").items;
    let of_oversight = exchange
        .alerts(&ombudsperson, &id("ombudsperson"), page())
        .await;
    let of_oversight = of_oversight.expect("listed").items;
    assert_eq!((of_source.len(), of_oversight.len()), (1, 1));
    assert_eq!(of_source[0].kind, AlertKind::ParcelAlarm);
    assert!(of_source[0].about.starts_with("agencies/ngo/offers/"));
    assert!(of_oversight[0].about.is_empty());
    assert_eq!(of_oversight[0].by, Some(id("north")));
    assert_ne!(of_source[0].name.alert, of_oversight[0].name.alert);
    let mine = exchange.alerts(&north, &id("north"), page()).await;
    assert!(mine.expect("listed").items.is_empty());

    let name = &of_source[0].name;
    let stolen = exchange.acknowledge_alert(&north, name, fresh()).await;
    assert_eq!(stolen.err(), Some(Refusal::NotPermitted));
    let _ = exchange
        .acknowledge_alert(&ngo, name, fresh())
        .await
        .expect("taken");
    let twice = exchange.acknowledge_alert(&ngo, name, fresh()).await;
    assert_eq!(twice.err(), Some(Refusal::AlreadyTaken));
    let after = exchange.alerts(&ngo, &id("ngo"), page()).await;
    assert!(after.expect("listed").items[0].acknowledged);
}
