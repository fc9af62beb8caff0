use super::*;
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::cosignature::CosignatureVerifier;
use crate::ledger::hash::leaf;
use crate::ledger::note::{NoteSigner, NoteVerifier};
use crate::ledger::proof::consistency;
use crate::ledger::tree::{Edge, NoTiles};
use axum::http::{Method, Request};
use tempfile::TempDir;
use tower::ServiceExt;

const ORIGIN: &str = "safeconduct.example";

fn signer() -> NoteSigner {
    NoteSigner::ed25519(ORIGIN, &[9; 32]).unwrap()
}

fn edge(size: u64, salt: u8) -> Edge {
    let mut edge = Edge::new();
    for number in 0..size {
        let _ = edge.append(leaf(&[number as u8, salt]));
    }
    edge
}

fn body(old: u64, new: u64, salt: u8) -> String {
    let tree = edge(new, salt);
    let proof = if old == 0 || old >= new {
        Vec::new()
    } else {
        consistency(&tree, &NoTiles, old, new).unwrap()
    };
    let note = signer().sign(&Checkpoint {
        origin: ORIGIN.into(),
        size: new,
        root: tree.root(),
    });
    Submission { old, proof, note }.body()
}

struct Served {
    app: axum::Router,
    vkey: String,
    _folder: TempDir,
}

fn served() -> Served {
    let folder = TempDir::new().unwrap();
    let mut known = KnownLogs::default();
    known.add(NoteVerifier::parse(&signer().vkey()).unwrap());
    let kept = Kept::open(folder.path(), &known).unwrap();
    let cosigner = Cosigner::ed25519("witness.example/w1", &[1; 32]).unwrap();
    let vkey = cosigner.vkey();
    let now: Now = Arc::new(|| Timestamp::from_seconds(1_800_000_000).unwrap());
    let witness = Witness {
        cosigner,
        known,
        kept,
        now,
    };
    Served {
        app: app(Arc::new(witness)),
        vkey,
        _folder: folder,
    }
}

impl Served {
    async fn ask(&self, method: Method, path: &str, body: String) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::from(body)).unwrap();
        let reply = self.app.clone().oneshot(request).await.unwrap();
        let kind = reply.headers().get(header::CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap()).to_owned();
        let status = reply.status().as_u16();
        let bytes = axum::body::to_bytes(reply.into_body(), 1 << 20).await;
        (
            status,
            kind,
            String::from_utf8(bytes.unwrap().to_vec()).unwrap(),
        )
    }

    async fn add(&self, body: String) -> (u16, String, String) {
        self.ask(Method::POST, "/add-checkpoint", body).await
    }
}

#[tokio::test]
async fn a_cosignature_is_given_and_verifies_with_the_checkpoint_that_was_sent() {
    let served = served();
    for (old, new) in [(0, 3), (3, 3), (3, 8)] {
        let sent = body(old, new, 0);
        let (status, _, lines) = served.add(sent.clone()).await;
        assert_eq!(status, 200, "{lines}");
        let note = Submission::parse(&sent).unwrap().note;
        let verifier = CosignatureVerifier::parse(&served.vkey).unwrap();
        let at = verifier.verify(&format!("{note}{lines}")).unwrap();
        assert_eq!(at.unwrap().seconds(), 1_800_000_000);
    }
}

#[tokio::test]
async fn every_refusal_has_the_status_of_the_specification() {
    let served = served();
    assert_eq!(served.add(body(0, 5, 0)).await.0, 200);
    let size = (409, SIZE_CONTENT_TYPE.to_owned(), "5\n".to_owned());
    for (old, new, salt) in [(0, 9, 0), (3, 4, 0), (3, 9, 0), (5, 5, 1)] {
        assert_eq!(
            served.add(body(old, new, salt)).await,
            size,
            "{old} {new} {salt}"
        );
    }
    assert_eq!(served.add(body(5, 9, 1)).await.0, 422);
    assert_eq!(served.add(body(6, 5, 0)).await.0, 400);
    assert_eq!(served.add("old 5\n".into()).await.0, 400);
    assert_eq!(
        served.add("x".repeat(SUBMISSION_BYTES_MAX + 1)).await.0,
        400
    );
    assert_eq!(
        served.add(body(5, 9, 0).replace("\n9\n", "\n8\n")).await.0,
        403
    );
    let stranger = body(5, 9, 0).replace("safeconduct.example", "other.example");
    assert_eq!(served.add(stranger).await.0, 404);
    assert_eq!(
        served
            .ask(Method::GET, "/add-checkpoint", String::new())
            .await
            .0,
        405
    );
    assert_eq!(served.ask(Method::POST, "/", String::new()).await.0, 404);
    // After all this, the log still goes on.
    assert_eq!(served.add(body(5, 9, 0)).await.0, 200);
}
