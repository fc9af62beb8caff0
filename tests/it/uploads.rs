//! Uploads side by side: what is under way at a time takes a chunk of memory each, however much is sent (invariant 25).

use safeconduct::client::agency::Desk;
use safeconduct::client::attachment::PreparedAttachment;
use safeconduct::client::error::{ClientError, Reason};
use safeconduct::client::source::Candidate;
use safeconduct::domain::id::OfferId;
use safeconduct::domain::vocabulary::{Purpose, Stage};

use crate::harness::scene::{basis_for, closed, facts, new_case, tonight};
use crate::harness::{own, run};

const LAWYER: Purpose = Purpose::LegalAssistance;

/// Bytes of one attachment: together twice what the router may grow by.
const SENT_BYTES: usize = 3 * 1024 * 1024;

/// Uploads at a time: more than the router lets in at once.
const UPLOADS: usize = 20;

/// What the router may take more at its peak, in KiB: half of what is sent.
const GROWTH_MAX_KIB: u64 = (UPLOADS * SENT_BYTES / 2 / 1024) as u64;

/// Sent again this often by whom the router kept waiting: it lets in only so many at a time.
const AGAIN_MAX: u32 = 20;

/// The most memory that a process ever had resident, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    words[1].parse().unwrap()
}

async fn asked(source: &Desk) -> OfferId {
    let case = new_case();
    let allowed = closed(&["LANGUAGE/WHOLE", "DOCUMENTS/COPY"]);
    let basis = basis_for(source, case, "law", LAWYER, allowed).await;
    let candidate = Candidate {
        basis: &basis,
        parcels: vec![(Stage::Triage, facts(&["LANGUAGE/WHOLE"]))],
    };
    let ask = tonight(source, case, LAWYER);
    let sent = source.create_referral(&ask, &[candidate]).await.unwrap();
    sent.offers[0].1
}

async fn sent(source: Desk, offer: OfferId, bytes: usize) {
    let content = vec![7; bytes];
    let prepared = PreparedAttachment::seal(Stage::Accepted, &mut content.as_slice()).unwrap();
    for _ in 0..AGAIN_MAX {
        match source.send_attachment(offer, &prepared).await {
            Ok(()) => return,
            Err(error) if is_busy(&error) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never let in");
}

fn is_busy(error: &ClientError) -> bool {
    let reason = error.reason();
    matches!(reason, Some(Reason::Overloaded | Reason::Unavailable))
        || matches!(error, ClientError::NoAnswer)
}

#[test]
fn twenty_uploads_at_a_time_take_a_chunk_of_memory_each() {
    run(async {
        let sources = ["alpha", "beta", "thief", "house1", "house2"];
        let members = [&sources[..], &["law"]].concat();
        let mut own = own(&members, "warn").await;
        let pid = own.town.router().pid().expect("it runs");
        let mut offers = Vec::new();
        for source in sources {
            let desk = own.world.source(source);
            let offer = asked(&desk).await;
            // Connections and buffers of each kind are there before it is measured.
            sent(own.world.source(source), offer, 100_000).await;
            offers.push((source, offer));
        }
        let before = peak_kib(pid);
        let mut under_way = tokio::task::JoinSet::new();
        for at in 0..UPLOADS {
            let (source, offer) = offers[at % offers.len()];
            under_way.spawn(sent(own.world.source(source), offer, SENT_BYTES));
        }
        while let Some(done) = under_way.join_next().await {
            done.unwrap();
        }
        let grown = peak_kib(pid) - before;
        assert!(grown < GROWTH_MAX_KIB, "{grown} KiB for {UPLOADS} uploads");
    });
}
