//! `deploy/README.md`, command by command: the page that an operator follows is the test.

use safeconduct::client::keys::{AgencyKeys, KeyRotation, SentBundle};
use safeconduct::client::random::SystemRandom;
use safeconduct::client::session::request_id;
use safeconduct::demo::town::{OPERATOR, Town, TownOptions};
use safeconduct::domain::directory::AgencyFacts;
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::proto::v1;
use safeconduct::proto::v1::directory_service_client::DirectoryServiceClient;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_safeconduct");
const PAGE: &str = include_str!("../../deploy/README.md");

/// Longest run of the whole page, in seconds; it takes a few.
const SECONDS_MAX: &str = "240";

/// The page's shell blocks, in order.
fn commands() -> String {
    let mut inside = false;
    let mut script = String::new();
    for line in PAGE.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

/// A port that was free a moment ago.
fn port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port().to_string()
}

/// Runs the page in `folder`, with the names of this machine in place of the example's.
fn follow(folder: &Path, after: &str) -> Output {
    let (listening, admin) = (port(), port());
    let here = |text: &str| {
        text.replace("router.example:8443", &format!("localhost:{listening}"))
            .replace("router.example", "localhost")
            .replace("0.0.0.0:8443", &format!("127.0.0.1:{listening}"))
            .replace(":9464", &format!(":{admin}"))
    };
    let deploy = folder.join("deploy");
    fs::create_dir(&deploy).expect("made");
    for name in ["router.toml", "protocol.toml", "facts.toml"] {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy")
            .join(name);
        let text = fs::read_to_string(shipped).expect("shipped");
        fs::write(deploy.join(name), here(&text)).expect("written");
    }
    // The router in the background ends with the shell; `timeout` ends both if a command hangs.
    let script = format!(
        "set -eu\ntrap 'kill $!' EXIT\n{}\n{after}",
        here(&commands())
    );
    let path = Path::new(BINARY)
        .parent()
        .expect("a folder")
        .display()
        .to_string();
    let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
    Command::new("timeout")
        .args([SECONDS_MAX, "sh", "-c", &script])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("a shell")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_pages_commands_found_a_router_with_a_joined_agency_and_a_clean_check() {
    let folder = tempfile::tempdir().expect("a folder");
    // Run as the page says, then once more what a timer runs, and one administrator's emergency brake.
    let after = "echo ---\n\
        propose() { sed \"s/^version = 1/version = $1/; s/^retention_days = .*/retention_days = $2/\" \
          deploy/protocol.toml > v$1.toml; safeconduct administrator propose protocol v$1.toml --act-out v$1.act \
          --key first.key --router https://localhost:PORT --identity operator; }\n\
        approve() { safeconduct administrator approve --act v$1.act --yes --key second.key \
          --router https://localhost:PORT --identity operator; }\n\
        propose 2 400; approve 2; propose 3 2000; approve 3\n\
        safeconduct agency join --router https://localhost:PORT --identity my-ngo --facts facts.toml\n\
        safeconduct administrator suspend --agency my-ngo --key second.key \
          --router https://localhost:PORT --identity operator\n\
        if safeconduct agency status --router https://127.0.0.1:PORT --identity operator; then exit 8; fi\n\
        if propose 3 2000; then exit 7; fi\n\
        if safeconduct agency status --router https://localhost:PORT --identity my-ngo; then exit 9; fi\n";
    let settings =
        "$(sed -n 's/^address = \"127.0.0.1:\\([0-9]*\\)\"/\\1/p' router.toml | head -n 1)";
    let followed = follow(folder.path(), &after.replace("PORT", settings));
    let (said, why) = (text(&followed.stdout), text(&followed.stderr));
    assert!(followed.status.success(), "{said}\n{why}");
    let (page, later) = said.split_once("---\n").expect("the page ran to its end");
    assert!(page.contains("reports to  nobody"), "{page}");
    assert!(
        page.contains("ok   protocol: version 1; decisions can be opened for 1830 days"),
        "{page}"
    );
    let none_yet = "Against the shipped one: this router has none in force yet.";
    assert_eq!(page.matches(none_yet).count(), 2, "{page}");
    // Who proposes reads the same comparison as who approves.
    for told in [
        "Against version 1, which is in force:\nSHORTENED",
        "\n  1830 -> 400 days\n",
        "Against version 2, which is in force:\nLENGTHENED",
        "\n  400 -> 2000 days\n",
        "Under it, decisions can be opened for 2000 days.",
    ] {
        assert_eq!(later.matches(told).count(), 2, "{told}: {later}");
    }
    assert!(page.trim_end().ends_with("ok   open files"), "{page}");
    assert!(!page.contains("bad "), "{page}");
    assert!(later.contains("nothing to publish"), "{later}");
    assert!(later.contains("suspended my-ngo"), "{later}");
    assert!(why.contains("AUTHENTICATION_FAILED"), "{why}");
    // What was typed wrong on the way.
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    for mend in [
        "the router's certificate is for localhost, not 127.0.0.1: give --server-name localhost",
        "v3.act: it is there already, and nothing was sent: give --act-out a new name",
    ] {
        assert!(why.contains(mend), "{mend}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_bundle_whose_answer_was_lost_is_published_once_and_can_be_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = TownOptions::new(BINARY.into(), folder.path().join("town"));
    let mut town = Town::begin(&options).expect("a router");
    let operator = OPERATOR.parse().expect("an id");
    let home = town.home(OPERATOR);
    fs::create_dir_all(&home).expect("made");
    let issued = town.authority().issue_agency(&operator, &home);
    let keys = AgencyKeys::load(operator, &issued.expect("certificates")).expect("keys");
    let agency = town
        .connect(keys, &home.join("checkpoint"))
        .expect("connected");
    let desk = agency
        .desk("desk", StaffRole::Administrator)
        .expect("a desk");

    // As publishing does it, but the process ends before it hears the answer.
    let (keys, session) = (agency.keys(), agency.session());
    let facts = AgencyFacts::default();
    let token = KeyRotation::next_bundle(keys, facts.clone(), desk.now(), &mut SystemRandom);
    let sent = SentBundle {
        request_id: request_id(),
        token: token.expect("a bundle"),
    };
    keys.keep_sent(&sent).expect("kept");
    let message = v1::PublishKeyBundleRequest {
        name: format!("agencies/{OPERATOR}"),
        request_id: sent.request_id.clone(),
        key_bundle: sent.token.clone(),
    };
    let request = session.request(None, message, 0, None).expect("a request");
    let mut client = DirectoryServiceClient::new(session.channel());
    client.publish_key_bundle(request).await.expect("published");
    assert_eq!(keys.published(), None);

    let heard = desk.publish_keys(facts).await.expect("heard again");
    assert_eq!(heard.index, 3, "no second entry");
    let bundle = keys.published_bundle().expect("remembered");
    assert_eq!(bundle.content().seq, 1);
    assert_eq!(keys.sent().expect("readable"), None);
    let changed = AgencyFacts {
        hours: "day and night".into(),
        ..AgencyFacts::default()
    };
    desk.publish_keys(changed).await.expect("followed");
    let bundle = keys.published_bundle().expect("remembered");
    assert_eq!(bundle.content().seq, 2);
}

#[test]
fn the_page_names_only_files_that_are_shipped() {
    for word in PAGE.split(|c: char| c.is_whitespace() || "`()".contains(c)) {
        if let Some(name) = word.strip_prefix("deploy/").filter(|name| !name.is_empty()) {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("deploy")
                .join(name);
            assert!(file.exists(), "{word}");
        }
    }
}
