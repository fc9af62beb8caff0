use super::rows::{Place, Skip};
use super::*;
use crate::domain::time::Timestamp;
use proptest::prelude::*;

const TODAY: &str = "2026-11-21";

fn vectors(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors/hsds")
        .join(path)
}

fn imported(path: &Path, terms: &[(&str, Purpose)]) -> (Vec<Service>, Vec<Skip>) {
    let terms = terms
        .iter()
        .map(|(term, purpose)| ((*term).to_owned(), vec![*purpose]))
        .collect();
    let (tables, mut skipped) = read::read(path).expect("readable");
    let context = hsds::Context {
        today: TODAY,
        terms: &terms,
    };
    let (services, left_out) = hsds::services(&tables, &context);
    skipped.extend(left_out);
    (services, skipped)
}

fn told(skipped: &[Skip], place: &str, why: &str) -> bool {
    let found = |skip: &Skip| skip.place == Place(place.to_owned()) && skip.why.contains(why);
    skipped.iter().any(found)
}

#[test]
fn the_published_csv_package_is_read_and_every_thing_left_out_is_named_by_file_and_line() {
    let (services, skipped) = imported(&vectors("csv"), &[]);
    let [service] = &services[..] else {
        panic!("one service: {services:?}")
    };
    assert_eq!(service.name, "Community Counselling");
    assert_eq!(service.location, "MyCity Civic Center");
    assert_eq!((service.facts.age_from, service.facts.age_to), (12, 100));
    assert_eq!(service.facts.languages, ["ur".parse().unwrap()]);
    let access: Vec<&str> = (service.facts.accessibility.iter())
        .map(|tag| tag.as_str())
        .collect();
    assert_eq!(access, ["HEARING_LOOP", "WHEELCHAIR"]);
    assert_eq!(service.facts.requires, ["DOCUMENTS".parse().unwrap()]);
    assert_eq!(service.facts.intake_phone, "+44 1234 234567");
    assert!(!service.duties_stated && service.member.is_none());
    assert!(
        told(&skipped, "schedules.csv:2", "has ended"),
        "{skipped:?}"
    );
    assert!(told(&skipped, "service_areas.csv:2", "area"), "{skipped:?}");
    assert!(
        told(&skipped, "services.csv:2", "no taxonomy term"),
        "{skipped:?}"
    );
    assert!(
        told(&skipped, "datapackage.json", "no list of files"),
        "{skipped:?}"
    );
}

#[test]
fn the_published_json_says_the_same_and_is_pointed_into() {
    let (services, skipped) = imported(&vectors("service_full.json"), &[]);
    let (csv, _) = imported(&vectors("csv"), &[]);
    let [service] = &services[..] else {
        panic!("one service: {services:?}")
    };
    assert_eq!((&service.id, &service.name), (&csv[0].id, &csv[0].name));
    assert_eq!(service.facts.languages, csv[0].facts.languages);
    assert_eq!(service.facts.accessibility, csv[0].facts.accessibility);
    assert_eq!(service.facts.intake_phone, csv[0].facts.intake_phone);
    assert!(
        told(&skipped, "service_full.json#/schedules/0", "has ended"),
        "{skipped:?}"
    );
    let (listed, _) = imported(&vectors("service_list.json"), &[]);
    assert_eq!(listed[0].id, service.id);
    let (of_organisation, _) = imported(&vectors("organization_full.json"), &[]);
    assert!(
        of_organisation.iter().any(|one| one.id == service.id),
        "{of_organisation:?}"
    );
}

fn package(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

const SERVICE: &str = "id,organization_id,name,status,minimum_age,maximum_age\n";

#[test]
fn a_schedule_an_area_a_term_and_a_member_become_what_the_matcher_weighs() {
    let folder = package(&[
        (
            "services.csv",
            &format!("{SERVICE}s1,o1,\"House, by the river\",active,18,\n"),
        ),
        ("organizations.csv", "id,name\no1,River\n"),
        (
            "organization_identifiers.csv",
            "id,organization_id,identifier_scheme,identifier\ni1,o1,safeconduct,house1\n",
        ),
        (
            "languages.csv",
            "id,service_id,location_id,code\nl1,s1,,ara\nl2,s1,,qqq\nl3,s1,,xx\nl4,s1,,4\n",
        ),
        (
            "schedules.csv",
            "id,service_id,timezone,freq,interval,byday,opens_at,closes_at\n\
             h1,s1,1,WEEKLY,1,\"MO,TU\",20:00,06:00\nh2,s1,1,MONTHLY,1,1MO,10:00,11:00\n",
        ),
        (
            "service_areas.csv",
            "id,service_id,name\na1,s1,Novi Sad\na2,s1,\"everywhere, but for the islands in the river\"\n",
        ),
        (
            "attributes.csv",
            "id,link_id,taxonomy_term_id\nt1,s1,bed\nt2,s1,tea\n",
        ),
        (
            "taxonomy_terms.csv",
            "id,code,name\nbed,,Safe accommodation\ntea,T,Tea\n",
        ),
    ]);
    let (services, skipped) = imported(folder.path(), &[("T", Purpose::BasicAssistance)]);
    let service = &services[0];
    assert_eq!(service.member, Some("house1".parse().unwrap()));
    let facts = &service.facts;
    assert_eq!(
        facts.purposes,
        [Purpose::SafeAccommodation, Purpose::BasicAssistance]
    );
    assert_eq!(facts.languages, ["ar".parse().unwrap()]);
    assert_eq!(facts.areas, ["NOVI_SAD".parse().unwrap()]);
    assert_eq!(facts.open.spans()[0].to_string(), "MO,TU 20:00-06:00");
    assert_eq!(facts.open.offset().to_string(), "+01:00");
    assert!(told(&skipped, "languages.csv:3", "language"), "{skipped:?}");
    assert!(told(&skipped, "languages.csv:5", "language"), "{skipped:?}");
    assert!(
        told(&skipped, "schedules.csv:3", "every week"),
        "{skipped:?}"
    );
    assert!(told(&skipped, "service_areas.csv:3", "area"), "{skipped:?}");
    // What is written is what is read.
    let text = services::written(&services).unwrap();
    assert_eq!(
        services::parse(&text, Path::new("services.json")).unwrap(),
        services
    );
    // It is ranked beside the members, and its silence about duties is no absence of them.
    let text = include_str!("../../../deploy/needs.toml");
    let saturday = Timestamp::from_seconds(1_795_225_200).unwrap();
    let mut needs = needs::parse(text, Path::new("needs.toml"), saturday).unwrap();
    needs.areas = vec!["NOVI_SAD".parse().unwrap()];
    needs.interpreter_gender = None;
    needs.place_by = None;
    let ranking = matching::rank(&needs, &[service.clone().candidate()]);
    assert_eq!(ranking.apart[0].agency.member, service.member);
    let mut shown = Vec::new();
    print::ranking(&mut shown, &ranking).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains("has not said whom it reports to"), "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    assert!(print::json(&ranking).unwrap().contains("\"apart\""));
}

#[test]
fn impossible_ages_ended_services_and_ragged_rows_are_named_and_left_out() {
    let rows = "s1,o1,A,active,40,20\ns2,o1,B,defunct,,\ns3,o1,C,active,-1,\ns4,o1,D,active\ns5,o1,E,gone,,\n";
    let folder = package(&[("services.csv", &format!("{SERVICE}{rows}"))]);
    let (services, skipped) = imported(folder.path(), &[]);
    assert!(services.is_empty(), "{services:?}");
    for (line, why) in [
        (2, "impossible"),
        (3, "defunct"),
        (4, "below 0"),
        (5, "columns"),
        (6, "status"),
    ] {
        assert!(
            told(&skipped, &format!("services.csv:{line}"), why),
            "{line}: {skipped:?}"
        );
    }
}

#[test]
fn a_package_reads_nothing_outside_its_folder() {
    let listing = r#"{"resources":[{"name":"services","path":"../services.csv"}]}"#;
    let folder = package(&[("datapackage.json", listing)]);
    assert!(matches!(
        read::read(folder.path()),
        Err(read::ReadError::NoPackage(_))
    ));
}

#[test]
fn access_that_is_denied_is_no_access() {
    let words = |text: &str| plain::accessibility(text, "").len();
    assert_eq!(words("Wheelchair access on all levels."), 1);
    assert_eq!(
        words("There is no wheelchair access. Induction loop at the desk"),
        1
    );
    assert_eq!(words("Wheelchairs cannot enter"), 0);
}

#[test]
fn needs_name_what_is_wrong_and_never_repeat_it() {
    let parse = |text: &str| needs::parse(text, Path::new("needs.toml"), Timestamp::EPOCH);
    let error = parse("purpose = \"Samira\"").unwrap_err().to_string();
    assert!(
        error.contains("purpose") && !error.contains("Samira"),
        "{error}"
    );
    let group = "group = [{ age_from = 30, age_to = 3, gender = \"WOMAN\" }]";
    assert!(parse(&format!("purpose = \"MEDICAL_CARE\"\n{group}")).is_err());
    assert!(parse("purpose = \"MEDICAL_CARE\"\nnationality = \"any\"").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_make_the_import_fall_over(
        text in "(\\PC|[\n,\"0-9A-Z:]){0,200}",
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let columns = "id,service_id,organization_id,name,status,minimum_age,byday,opens_at,closes_at,code,timezone\n";
        let folder = package(&[
            ("services.csv", &format!("{columns}s1,,o1,A,active,1,,,,,\n{text}")),
            ("schedules.csv", &format!("{columns}{text}\nh,s1,,,,,{text}")),
            ("languages.csv", &format!("{columns}{text}")),
        ]);
        std::fs::write(folder.path().join("phones.csv"), &bytes).unwrap();
        let (services, _) = imported(folder.path(), &[]);
        prop_assert!(services.len() < 300);
        let json = folder.path().join("one.json");
        std::fs::write(&json, &bytes).unwrap();
        prop_assert!(read::read(&json).is_err() || bytes.iter().all(u8::is_ascii));
    }
}
