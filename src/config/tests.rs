use super::*;

const EXAMPLE: &str = include_str!("../../deploy/router.toml");

fn parse(text: &str) -> Result<RouterConfig, ConfigError> {
    RouterConfig::parse(text, Path::new("/etc/safeconduct"))
}

#[test]
fn the_example_parses_and_shows_every_setting() {
    let config = parse(EXAMPLE).expect("the example is valid");
    assert_eq!(
        config.listener.private_key_file,
        Path::new("/etc/safeconduct/router/tls.key")
    );
    assert_eq!(
        config.data_directory,
        Path::new("/var/lib/safeconduct/store")
    );
    for setting in [
        "origin",
        "data_directory",
        "[listener]",
        "address",
        "certificate_file",
        "private_key_file",
        "agency_roots_file",
        "revocation_list_files",
        "reload_seconds",
        "[ledger]",
        "signing_key_file",
        "[admin]",
        "[log]",
        "filter",
        "format",
        "[limits]",
        "requests_max",
        "drain_seconds",
    ] {
        assert!(EXAMPLE.contains(setting), "{setting}");
    }
}

#[test]
fn the_examples_values_are_the_defaults_where_there_are_any() {
    let config = parse(EXAMPLE).expect("the example is valid");
    assert_eq!(config.admin.address, Admin::default().address);
    assert_eq!(config.log.filter, Log::default().filter);
    assert_eq!(config.log.format, Log::default().format);
    assert_eq!(config.listener.reload_seconds, reload_seconds());
    assert_eq!(config.limits.requests_max, Limits::default().requests_max);
    assert_eq!(config.limits.drain_seconds, Limits::default().drain_seconds);
}

#[test]
fn an_unknown_setting_is_an_error_that_names_it() {
    let text = EXAMPLE.replace("reload_seconds", "reload_secs");
    let error = parse(&text).expect_err("no such setting").to_string();
    assert!(error.contains("reload_secs"), "{error}");
    assert!(error.contains("deploy/router.toml"), "{error}");
}

#[test]
fn a_setting_that_moved_says_where_to_on_its_line_and_nothing_is_drawn() {
    let text = EXAMPLE.replacen("[ledger]\n", "[ledger]\naudit_retention_days = 1830\n", 1);
    let at = text
        .lines()
        .position(|line| line.starts_with("audit_retention_days"));
    let at = at.expect("written") + 1;
    let error = parse(&text).expect_err("moved").to_string();
    let wanted = format!(
        "line {at} (`audit_retention_days = 1830`): moved to the members' protocol: [audit] retention_days; take it \
         out here; "
    );
    assert!(error.starts_with(&wanted), "{error}");
    for text in [text, EXAMPLE.replace("[limits]", "[limits")] {
        let error = parse(&text).expect_err("not settings").to_string();
        assert!(!error.contains(['|', '^', '\n']), "{error}");
    }
}

#[test]
fn what_cannot_stand_is_refused_with_how_to_mend_it() {
    for (from, to, key) in [
        (
            "\"safeconduct.example\"",
            "\"Safeconduct Example\"",
            "origin",
        ),
        ("\"safeconduct.example\"", "\"a..b\"", "origin"),
        ("[\"ca/crl.pem\"]", "[]", "listener.revocation_list_files"),
        (
            "reload_seconds = 10",
            "reload_seconds = 300",
            "listener.reload_seconds",
        ),
        ("127.0.0.1:9464", "0.0.0.0:9464", "admin.address"),
        ("\"info\"", "\"safeconduct=shout\"", "log.filter"),
        (
            "requests_max = 4096",
            "requests_max = 1000000",
            "limits.requests_max",
        ),
        (
            "drain_seconds = 10",
            "drain_seconds = 0",
            "limits.drain_seconds",
        ),
    ] {
        let text = EXAMPLE.replace(from, to);
        assert_ne!(text, EXAMPLE, "{from}");
        match parse(&text) {
            Err(ConfigError::Setting { key: found, mend }) => {
                assert_eq!(found, key);
                assert!(!mend.is_empty());
            }
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn a_name_in_place_of_an_address_says_what_to_write() {
    let text = EXAMPLE.replace("0.0.0.0:8443", "localhost");
    let error = parse(&text).expect_err("not an address").to_string();
    assert!(error.contains("0.0.0.0:8443"), "{error}");
    assert!(error.contains("localhost"), "{error}");
}
