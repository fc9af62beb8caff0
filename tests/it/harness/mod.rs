//! The town that tests play in, and the tools to misbehave in it.

pub mod cast;
pub mod eyes;
pub mod forge;
pub mod frames;
pub mod jose;
pub mod liar;
pub mod normal;
pub mod person;
pub mod record;
pub mod requests;
pub mod scene;
pub mod search;
pub mod simulated;
pub mod wire;
pub mod witness;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use safeconduct::client::agency::{Agency, Desk};
use safeconduct::client::connect::RouterAddress;
use safeconduct::client::trust::TrustAnchors;
use safeconduct::demo::town::members::{self, MemberSpec};
use safeconduct::demo::town::{OPERATOR, Reachable, Town, TownOptions};
use safeconduct::domain::vocabulary::{AgencyKind, StaffRole};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use wire::Wire;

/// One runtime for all tests: the shared town's connections live in it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made")
});

static SHARED: OnceCell<(Mutex<Town>, World)> = OnceCell::const_new();

/// Runs a test to its end.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

/// The agencies of one town and where they are; every agency has mirrored the directory.
pub struct World {
    pub address: RouterAddress,
    pub trust: TrustAnchors,
    pub folder: PathBuf,
    agencies: BTreeMap<String, Agency>,
}

impl World {
    pub async fn of<R: Reachable>(town: &Town<R>, members: &[MemberSpec]) -> Self {
        let ids = members.iter().map(|member| member.id).chain([OPERATOR]);
        let agencies: BTreeMap<String, Agency> = ids
            .map(|id| (id.to_owned(), town.agency(id).unwrap().clone()))
            .collect();
        for agency in agencies.values() {
            let desk = agency.desk("mirror", StaffRole::Administrator).unwrap();
            desk.mirror().await.unwrap();
        }
        Self {
            address: town.address(),
            trust: town.trust().clone(),
            folder: town.folder().to_owned(),
            agencies,
        }
    }

    /// A member of staff of one agency.
    pub fn desk(&self, agency: &str, role: StaffRole) -> Desk {
        let pseudonym = format!("w-{}", role.name().to_lowercase());
        self.agency(agency).desk(&pseudonym, role).unwrap()
    }

    pub fn agency(&self, agency: &str) -> &Agency {
        self.agencies.get(agency).expect("an agency of the town")
    }

    /// A source's desk.
    pub fn source(&self, agency: &str) -> Desk {
        self.desk(agency, StaffRole::Caseworker)
    }

    /// A recipient's desk.
    pub fn intake(&self, agency: &str) -> Desk {
        self.desk(agency, StaffRole::Intake)
    }

    /// The same without the SDK: bytes in, bytes or a status out.
    pub fn wire(&self, agency: &str, role: StaffRole) -> Wire {
        Wire::of(&self.desk(agency, role))
    }

    /// Folder of an agency's certificates and keys.
    pub fn home(&self, agency: &str) -> PathBuf {
        self.folder.join("agencies").join(agency)
    }
}

/// The members of the demo, and a few more whom only tests need.
pub fn members() -> Vec<MemberSpec> {
    let more = [
        ("beta", AgencyKind::Ngo),
        ("alpha-house", AgencyKind::Shelter),
        ("csw", AgencyKind::ChildProtection),
        ("ident", AgencyKind::IdentificationAuthority),
        ("thief", AgencyKind::Ngo),
        ("leaver", AgencyKind::Shelter),
    ];
    let mut all = members::all();
    all.extend(more.map(|(id, kind)| MemberSpec::new(id, kind)));
    let offices = [("dpo-house1", "house1"), ("dpo-house2", "house2")];
    all.extend(offices.map(|(id, of)| MemberSpec::new(id, AgencyKind::AgencyDpo).unit_of(of)));
    all.push(MemberSpec::new("dpa", AgencyKind::DataProtectionAuthority));
    all
}

async fn shared() -> &'static (Mutex<Town>, World) {
    SHARED
        .get_or_init(|| async {
            let folder = shared_folder();
            let mut options = TownOptions::new(binary(), folder);
            options.members = members();
            let town = Town::start(options.clone()).await.unwrap();
            let world = World::of(&town, &options.members).await;
            (Mutex::new(town), world)
        })
        .await
}

/// The town that tests share.
pub async fn world() -> &'static World {
    &shared().await.1
}

/// The shared town itself, for its authority. Nobody kills or restarts this router.
pub async fn shared_town() -> MutexGuard<'static, Town> {
    shared().await.0.lock().await
}

/// A town of one's own, gone with the test.
pub struct Own {
    pub town: Town,
    pub world: World,
    // Dropped last: the router writes in it until it is gone.
    pub folder: TempDir,
}

/// A town of these members of [`members`].
pub async fn own(ids: &[&str], log_filter: &str) -> Own {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut options = TownOptions::new(binary(), folder.path().join("town"));
    options.members = members();
    options.members.retain(|member| ids.contains(&member.id));
    options.log_filter = log_filter.to_owned();
    let town = Town::start(options.clone()).await.unwrap();
    let world = World::of(&town, &options.members).await;
    Own {
        town,
        world,
        folder,
    }
}

/// Lets the ombudsperson replay the whole log, as its own program would: every act and every disclosure, again.
pub fn assert_replays(world: &World) {
    let router = format!("https://{}:{}", world.address.host, world.address.port);
    let output = std::process::Command::new(binary())
        .args(["audit", "replay", "--router", &router])
        .args(["--server-name", &world.address.server_name])
        .arg("--identity")
        .arg(world.home("ombud"))
        .arg("--trust")
        .arg(world.folder.join("trust"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    // 3: all is as it must be, and there was no earlier state to compare with.
    assert_eq!(output.status.code(), Some(3), "{said}{why}");
}

pub fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_safeconduct"))
}

/// A static is never dropped, so the shared town's folder is swept by the next run.
fn shared_folder() -> PathBuf {
    const PREFIX: &str = "shared-town-";
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(parent).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pid) = name.strip_prefix(PREFIX)
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    parent.join(format!("{PREFIX}{}", std::process::id()))
}
