//! Who may not know of a house does not hear of it from a clock either (R3).

use super::*;

#[tokio::test]
async fn a_duty_line_that_may_not_know_a_house_is_not_rung_for_it() {
    let town = town().await;
    let toml = crate::domain::protocol::SHIPPED.replace("version = 1", "version = 2");
    let toml = format!("{toml}\n[duty]\nline = \"police\"\n");
    let _ = town
        .enact(ActBody::PublishProtocol { version: 2, toml })
        .await;
    let asked = ask(&town, Urgency::Immediate, None);
    let (name, _) = town.refer_in_turn(asked, &["north"]).await;
    let _ = town
        .enact(ActBody::Enrol {
            agency: id("ngo"),
            kind: AgencyKind::Shelter,
            parent: None,
        })
        .await;
    town.live(41).await;
    assert_eq!(town.states(&name).await.0, R::Unplaced);
    let duty = town.staff("police", StaffRole::DutyOfficer);
    assert!(town.alerts_of(&duty).await.is_empty());
    let own = town.alerts_of(&town.caseworker()).await;
    let unplaced = own.iter().filter(|alert| alert.kind == AlertKind::Unplaced);
    assert_eq!(unplaced.count(), 2, "the source again, as without a line");
    town.replays();
}
