use super::release::FINGERPRINT_WORDS;
use super::*;
use crate::domain::vocabulary::{Category, Form};
use crate::envelope::fixture::{DAY, Stream, agency, now, signer};
use proptest::prelude::*;

fn content() -> Content {
    let field = |path: &str, category, form, value: &str| Field {
        path: path.to_owned(),
        label: Label::new(category, form).unwrap(),
        value: value.into(),
    };
    Content {
        source: agency("alpha"),
        recipient: agency("out-hr-ngo"),
        purpose: Purpose::MedicalCare,
        issued: now(),
        expires: now().plus(DAY * 30),
        answer_to: "+381 11 000 0000".to_owned(),
        fields: vec![
            field("identity.alias", Category::Identity, Form::Alias, "Yusuf"),
            field(
                "health.measures",
                Category::Health,
                Form::Functional,
                "seizures: keep medication",
            ),
        ],
    }
}

struct Scene {
    made: Made,
    seed: SealingSeed,
    release: Release,
}

fn scene() -> Scene {
    let mut random = Stream::new("carried");
    let made = make(&content(), &signer(), &mut random).unwrap();
    let seed = SealingSeed::generate(&mut random);
    let request = ReleaseRequest::new(&made.file, &seed);
    let release = Release::seal(&made.share, &request, &mut random).unwrap();
    Scene {
        made,
        seed,
        release,
    }
}

#[test]
fn file_code_and_release_together_open_what_the_source_signed() {
    let scene = scene();
    let code: Code = scene.made.code.words().parse().unwrap();
    let release = Release::parse(scene.release.to_text().as_bytes()).unwrap();
    let opened = open(&scene.made.file, &code, &release, &scene.seed).unwrap();
    assert_eq!(opened.content, content());
}

/// R21: whoever takes the paper reads nothing.
#[test]
fn the_file_holds_no_name_and_its_length_tells_nothing() {
    let made = scene().made;
    let text = String::from_utf8_lossy(&made.file);
    for name in [
        "alpha",
        "hr-ngo",
        "Yusuf",
        "safeconduct",
        "seizures",
        "json",
    ] {
        assert!(!text.contains(name), "{name}");
    }
    assert_eq!(made.file.len(), SALT_BYTES + PAD_BYTES + TAG_BYTES);
    let mut longer = content();
    longer.fields[0].value = "x".repeat(3_000).into();
    let longer = make(&longer, &signer(), &mut Stream::new("longer")).unwrap();
    assert_eq!(longer.file.len(), made.file.len());
    assert!(!format!("{made:?}").contains(&*made.code.words()));
}

#[test]
fn neither_file_and_code_nor_file_and_share_open_anything() {
    let scene = scene();
    let mut random = Stream::new("thief");
    // File and code, and a share of one's own.
    let own = Share(Zeroizing::new(random.array()));
    let request = ReleaseRequest::new(&scene.made.file, &scene.seed);
    let forged = Release::seal(&own, &request, &mut random).unwrap();
    let opened = open(&scene.made.file, &scene.made.code, &forged, &scene.seed);
    assert_eq!(opened.unwrap_err(), CarriedError::Closed);
    // File and share, and another code.
    let guess: Code = "babab-babab-babab".parse().unwrap();
    let opened = open(&scene.made.file, &guess, &scene.release, &scene.seed);
    assert_eq!(opened.unwrap_err(), CarriedError::Closed);
    // The release was for another's key.
    let other = SealingSeed::generate(&mut random);
    let opened = open(&scene.made.file, &scene.made.code, &scene.release, &other);
    assert_eq!(opened.unwrap_err(), CarriedError::Closed);
}

#[test]
fn a_change_of_any_byte_is_refused() {
    let scene = scene();
    let (salt, sealed) = scene.made.file.split_at(SALT_BYTES);
    let key = key(&scene.made.code, &scene.made.share, salt).unwrap();
    assert!(unseal(&key, sealed).is_ok());
    for at in 0..sealed.len() {
        let mut changed = sealed.to_vec();
        changed[at] ^= 1;
        assert!(unseal(&key, &changed).is_err(), "{at}");
    }
    for at in 0..SALT_BYTES {
        let mut changed = scene.made.file.clone();
        changed[at] ^= 1;
        let opened = open(&changed, &scene.made.code, &scene.release, &scene.seed);
        assert_eq!(opened.unwrap_err(), CarriedError::Closed, "{at}");
    }
    for at in 0..scene.release.enc.len() {
        let mut changed = scene.release.clone();
        changed.enc[at] ^= 1;
        assert!(
            changed.share(&scene.made.file, &scene.seed).is_err(),
            "enc {at}"
        );
    }
    for at in 0..scene.release.sealed.len() {
        let mut changed = scene.release.clone();
        changed.sealed[at] ^= 1;
        assert!(
            changed.share(&scene.made.file, &scene.seed).is_err(),
            "sealed {at}"
        );
    }
    for cut in [0, SALT_BYTES, scene.made.file.len() - 1] {
        assert!(check_file(&scene.made.file[..cut]).is_err());
    }
}

#[test]
fn a_fingerprint_is_of_the_file_and_of_the_key() {
    let scene = scene();
    let request = ReleaseRequest::new(&scene.made.file, &scene.seed);
    let read = ReleaseRequest::parse(request.to_text().as_bytes()).unwrap();
    assert_eq!(read, request);
    assert_eq!(read.fingerprint().split('-').count(), FINGERPRINT_WORDS);
    let other = SealingSeed::generate(&mut Stream::new("other"));
    assert_ne!(
        ReleaseRequest::new(&scene.made.file, &other).fingerprint(),
        request.fingerprint()
    );
    assert_ne!(
        ReleaseRequest::new(b"other", &scene.seed).fingerprint(),
        request.fingerprint()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_spoken_is_heard(bytes in any::<[u8; 6]>(), upper in any::<bool>()) {
        let code = Code(Zeroizing::new(bytes));
        let mut words = code.words().replace('-', " ");
        if upper {
            words = words.to_uppercase();
        }
        prop_assert_eq!(words.parse::<Code>(), Ok(code));
    }

    #[test]
    fn nothing_that_is_read_makes_the_reader_fall_over(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "\\PC{0,40}",
    ) {
        prop_assert!(check_file(&bytes).is_err());
        prop_assert!(ReleaseRequest::parse(&bytes).is_err());
        prop_assert!(Release::parse(&bytes).is_err());
        let _ = text.parse::<Code>();
    }
}
