//! Two worlds, and the police unit that cannot tell them apart (R2, R3, invariant 22 a and b).
//!
//! One town, with every key and the past the same, lives three evenings: in one nothing happens, in one a woman gets
//! a bed at house1, in one somebody else does. Before each the router's store is set back. All that the police unit
//! may call is called, in every role, with the names that it might guess.

use std::path::Path;
use std::time::Duration;

use prost::Message as _;
use safeconduct::client::agency::{Agency, Desk};
use safeconduct::client::retry::RetryPolicy;
use safeconduct::domain::id::CaseHandle;
use safeconduct::domain::vocabulary::{Purpose, StaffRole, Stage};
use safeconduct::proto::v1;
use tokio::time::timeout;
use tonic::Streaming;

use crate::harness::forge::{self, Draft};
use crate::harness::normal::{Level, Reader};
use crate::harness::requests::{About, Call};
use crate::harness::scene::{
    ACCEPTED, BED, TRIAGE, ask_for_bed, basis_for, bed_basis, closed, facts, new_case, tonight,
};
use crate::harness::wire::{Refused, Wire};
use crate::harness::{Own, own, run};

const POLICE: &str = "moi-atu";
const RING_MAX: Duration = Duration::from_secs(10);

/// What happens of which the police unit must not know.
#[derive(Clone, Copy, PartialEq)]
enum Evening {
    Nothing,
    /// The person whom the police unit hears about later gets a bed.
    SamePerson,
    /// Somebody else does.
    AnotherPerson,
}

struct Town {
    own: Own,
    alpha: Agency,
    house1: Agency,
    police: Agency,
    saved_size: u64,
}

impl Town {
    async fn begin() -> Self {
        let own = own(&["alpha", "house1", "moi", POLICE], "warn").await;
        let agency = |id: &str| own.world.agency(id).clone();
        let (alpha, house1, police) = (agency("alpha"), agency("house1"), agency(POLICE));
        Self {
            own,
            alpha,
            house1,
            police,
            saved_size: 0,
        }
    }

    fn saved(&self) -> std::path::PathBuf {
        self.own.folder.path().join("saved")
    }

    /// Stops the router and keeps what it has.
    async fn save(&mut self) {
        self.saved_size = self.size().await;
        let router = self.own.town.router();
        router.stop().unwrap();
        let store = router.store();
        copy(&store, &self.saved());
    }

    /// A fresh evening: the store as it was saved, and agencies that remember nothing of the others.
    async fn morning(&mut self) {
        let saved = self.saved();
        let router = self.own.town.router();
        router.kill();
        let store = router.store();
        std::fs::remove_dir_all(&store).unwrap();
        copy(&saved, &store);
        router.start().unwrap();
        let fresh = |id: &str| self.own.town.impostor(id, RetryPolicy::default()).unwrap();
        (self.alpha, self.house1, self.police) = (fresh("alpha"), fresh("house1"), fresh(POLICE));
        for agency in [&self.alpha, &self.house1, &self.police] {
            agency
                .desk("m", StaffRole::Supervisor)
                .unwrap()
                .mirror()
                .await
                .unwrap();
        }
        self.lists_are_recorded().await;
    }

    async fn size(&self) -> u64 {
        let wire = self.wire(StaffRole::Caseworker);
        let request = v1::GetCheckpointRequest {};
        let reply: v1::GetCheckpointResponse = wire
            .ask("AuditService/GetCheckpoint", &request)
            .await
            .unwrap();
        reply.checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    /// The router notes the revocation lists that it loaded, a moment after it starts: wait, or sizes differ.
    async fn lists_are_recorded(&self) {
        let recorded = timeout(RING_MAX, async {
            while self.size().await <= self.saved_size {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        recorded
            .await
            .expect("the lists are recorded at every start");
    }

    fn wire(&self, role: StaffRole) -> Wire {
        Wire::of(&self.police.desk("officer", role).unwrap())
    }

    fn source(&self) -> Desk {
        self.alpha.desk("w", StaffRole::Caseworker).unwrap()
    }

    /// A bed at house1, from the asking to the parcel that an accepted place opens; gives what a guess would hit.
    async fn a_bed(&self, case: CaseHandle) -> About {
        let source = self.source();
        let house1 = self.house1.desk("n", StaffRole::Intake).unwrap();
        let basis = bed_basis(&source, case, "house1").await;
        let sent = ask_for_bed(&source, case, std::slice::from_ref(&basis)).await;
        let offer = sent.offers[0].1;
        let pool = "beds".parse().unwrap();
        house1.update_pool(&pool, 6, 0).await.unwrap();
        crate::harness::scene::open(&house1, offer, Stage::Triage)
            .await
            .unwrap();
        house1.hold(offer, &pool, 1).await.unwrap();
        house1.accept(offer, None).await.unwrap();
        source
            .deposit(offer, &basis, BED, Stage::Accepted, facts(ACCEPTED))
            .await
            .unwrap();
        crate::harness::scene::open(&house1, offer, Stage::Accepted)
            .await
            .unwrap();
        house1.check_in(offer).await.unwrap();
        let mut guess = self.guess(case);
        guess.offer = offer.to_string();
        guess.referral = sent.referral.to_string();
        guess.basis = basis.chain.to_string();
        guess
    }

    /// What the police unit would try: its own seal, and names of alpha and house1.
    fn guess(&self, case: CaseHandle) -> About {
        let police = self.police.desk("w", StaffRole::Caseworker).unwrap();
        let chain = safeconduct::domain::id::BasisChainId::from_random([5; 16]);
        // The unit does not even see house1 in the directory; it seals to whom it sees.
        let draft = Draft::new("alpha", chain, BED, Stage::Triage, facts(TRIAGE));
        let deposit = forge::seal(&police, draft, self.police.keys().signer()).deposit();
        About {
            agency: POLICE.into(),
            recipient: "house1".into(),
            offer: new_case().to_string(),
            referral: new_case().to_string(),
            basis: new_case().to_string(),
            pool: "beds".into(),
            case: case.to_string(),
            statement: deposit.parcel.as_ref().unwrap().statement.to_vec(),
            deposit,
        }
    }

    /// The one conversation about the police, with its own consent: what the unit lawfully gets.
    async fn a_report(&self, case: CaseHandle) -> String {
        let source = self.source();
        let told = &["LANGUAGE/WHOLE", "AGE/CHILD_OR_ADULT"];
        let crime = Purpose::CrimeReport;
        let basis = basis_for(&source, case, POLICE, crime, closed(told)).await;
        let candidate = safeconduct::client::source::Candidate {
            basis: &basis,
            parcels: vec![(Stage::Triage, facts(told))],
        };
        let ask = tonight(&source, case, crime);
        let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
        sent.offers[0].1.to_string()
    }

    /// One evening, as the police unit sees it: read at both levels.
    async fn live(&mut self, evening: Evening) -> [Vec<String>; 2] {
        self.morning().await;
        let watch = v1::WatchRequest {
            parent: format!("agencies/{POLICE}"),
            resume_token: String::new(),
        };
        let officer = self.wire(StaffRole::DutyOfficer);
        let mut bells = officer.stream("EventService/Watch", &watch).await.unwrap();
        let mut heard = vec![bells.message().await.unwrap().unwrap()];

        let person = new_case();
        let guess = match evening {
            Evening::Nothing => self.guess(person),
            Evening::SamePerson => self.a_bed(person).await,
            Evening::AnotherPerson => self.a_bed(new_case()).await,
        };
        let report = self.a_report(person).await;
        heard.extend(until_report(&mut bells).await);

        let mut answers: Vec<(&str, Result<Vec<u8>, Refused>)> = heard
            .into_iter()
            .map(|bell| ("EventService/Watch", Ok(bell)))
            .collect();
        for (role, calls) in self.calls(&guess, &report) {
            let wire = self.wire(role);
            for (method, body) in calls {
                let answer = wire.raw(method, body).await;
                answers.push((method, answer.map_err(|status| Refused::read(&status))));
            }
        }
        [Level::Ids, Level::Listed].map(|level| {
            let mut reader = Reader::new(level);
            let read = answers.iter().map(|(method, answer)| match answer {
                Ok(reply) => format!("{method} {}", reader.reply(method, reply)),
                Err(refused) => format!("{method} {refused:?}"),
            });
            read.collect()
        })
    }

    /// Everything: on the unit's own offer, on names it can only guess, on other agencies' names, in every role.
    fn calls(&self, guess: &About, report: &str) -> Vec<(StaffRole, Vec<Call>)> {
        let under = |agency: &str| About {
            agency: agency.into(),
            ..guess.clone()
        };
        let own = About {
            offer: report.to_owned(),
            ..guess.clone()
        };
        let supervisor = [
            own.agencies(),
            guess.offers(),
            guess.sources(),
            under("house1").offers(),
            under("house1").agencies(),
            under("alpha").sources(),
            under("alpha").agencies(),
            own.open(),
            own.offices(),
            own.offers(),
            own.alerts(),
            // And again, now that the unit has acted.
            own.agencies(),
            own.open(),
        ];
        let mut calls = vec![(StaffRole::Supervisor, supervisor.concat())];
        for &role in StaffRole::ALL {
            let parts = [own.offers(), guess.offers(), own.agencies(), own.open()];
            let everything = [parts.concat(), own.alerts()];
            calls.push((role, everything.concat()));
        }
        let directory = v1::GetDirectoryRequest { known_digest: 0 };
        let bundle = ("DirectoryService/GetDirectory", directory.encode_to_vec());
        calls.push((StaffRole::Caseworker, vec![bundle]));
        calls
    }
}

/// Every bell up to the one that announces the report.
async fn until_report(bells: &mut Streaming<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut heard = Vec::new();
    timeout(RING_MAX, async {
        loop {
            let bell = bells.message().await.unwrap().unwrap();
            let kind = v1::WatchResponse::decode(bell.as_slice()).unwrap().kind();
            if kind != v1::EventKind::Heartbeat {
                heard.push(bell);
            }
            if kind == v1::EventKind::OfferReceived {
                return;
            }
        }
    })
    .await
    .expect("the unit hears of its own offer");
    heard
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn same(left: &[String], right: &[String]) {
    for (at, (left, right)) in left.iter().zip(right).enumerate() {
        assert_eq!(left, right, "answer {at}");
    }
    assert_eq!(left.len(), right.len());
}

#[test]
fn the_police_unit_cannot_tell_whether_anybody_got_a_bed() {
    run(async {
        let mut town = Town::begin().await;
        town.save().await;
        let nothing = town.live(Evening::Nothing).await;
        let same_person = town.live(Evening::SamePerson).await;
        let another_person = town.live(Evening::AnotherPerson).await;
        // (a) With and without: equal but for ids, times and the listed set.
        same(&nothing[1], &same_person[1]);
        // (b) The same volume, another person: equal altogether.
        same(&same_person[0], &another_person[0]);
        // The comparison sees something: the log did grow.
        assert_ne!(nothing[0], same_person[0]);
        assert!(nothing[0].len() > 200, "{}", nothing[0].len());
    });
}
