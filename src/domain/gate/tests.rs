use super::super::basis::Allow;
use super::super::vocabulary::{BasisKind, ChildTold, GivenBy, InterpreterClass};
use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;
use std::time::Duration;

static PROTOCOL: LazyLock<Protocol> = LazyLock::new(Protocol::shipped);

fn agency(id: &str) -> AgencyId {
    id.parse().expect("an id")
}

fn labels(texts: &[&str]) -> LabelSet {
    let labels = texts.iter().map(|text| text.parse::<Label>());
    labels.map(|label| label.expect("a label")).collect()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_700_000_000).expect("in range")
}

fn later(minutes: u64) -> Timestamp {
    now().plus(Duration::from_secs(minutes * 60))
}

fn allow(purpose: Purpose, texts: &[&str], asked: Asked) -> Allow {
    Allow {
        purposes: vec![purpose],
        labels: labels(texts).closed(),
        asked,
        until: later(60),
        reply: false,
    }
}

/// Consent by the person, asked alone, to a shelter for a bed.
fn basis() -> Basis {
    let bed = Purpose::SafeAccommodation;
    Basis {
        chain: super::super::id::BasisChainId::from_random([1; 16]),
        source: agency("alpha"),
        recipient: agency("house1"),
        case: super::super::id::CaseHandle::from_random([2; 16]),
        seq: 1,
        from: now(),
        kind: BasisKind::Consent,
        allows: vec![
            allow(bed, &["LANGUAGE/WHOLE", "AGE/BAND"], Asked::Bundle),
            allow(bed, &["IDENTITY/ALIAS"], Asked::Bundle),
        ],
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::Telephone,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
    }
}

/// One question to the gate, with everything it depends on.
#[derive(Clone)]
struct Case {
    basis: Option<Basis>,
    source: AgencyId,
    recipient: AgencyId,
    kind: AgencyKind,
    purpose: Purpose,
    stage: Stage,
    labels: LabelSet,
    state: OfferState,
    now: Timestamp,
}

/// A failing case shows its allows, which a basis itself does not print.
impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("allows", &self.basis.as_ref().map(|basis| &basis.allows))
            .field("asked", &(self.kind, self.purpose, self.stage, self.labels))
            .field("when", &(self.state, self.now))
            .finish()
    }
}

impl Case {
    fn new(stage: Stage, texts: &[&str]) -> Self {
        Self {
            basis: Some(basis()),
            source: agency("alpha"),
            recipient: agency("house1"),
            kind: AgencyKind::Shelter,
            purpose: Purpose::SafeAccommodation,
            stage,
            labels: labels(texts),
            state: OfferState::Accepted,
            now: now(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn with_basis(self, change: impl FnOnce(&mut Basis)) -> Self {
        self.with(|case| change(case.basis.as_mut().expect("a basis")))
    }

    fn run(&self, opening: bool) -> Result<Permit, Refusal> {
        let proposal = Proposal {
            source: &self.source,
            recipient: &self.recipient,
            recipient_kind: self.kind,
            purpose: self.purpose,
            stage: self.stage,
            labels: self.labels,
        };
        let head = match &self.basis {
            Some(basis) => BasisHead::InForce(basis),
            None => BasisHead::Withdrawn,
        };
        if opening {
            permit_opening(&proposal, self.state, head, &PROTOCOL, self.now)
        } else {
            permit(&proposal, head, &PROTOCOL, self.now)
        }
    }

    /// `None` for a permit.
    fn deposit(&self) -> Option<Refusal> {
        self.run(false).err()
    }

    fn open(&self) -> Option<Refusal> {
        self.run(true).err()
    }
}

fn triage() -> Case {
    Case::new(Stage::Triage, &["LANGUAGE/WHOLE", "AGE/BAND"])
}

fn accepted() -> Case {
    let texts = ["LANGUAGE/WHOLE", "AGE/CHILD_OR_ADULT", "IDENTITY/ALIAS"];
    Case::new(Stage::Accepted, &texts)
}

/// The decision table: what is asked, and the first refusal (invariant 12).
#[test]
fn the_first_refusal_that_applies_is_given() {
    use Refusal as R;
    let ident = labels(&["IDENTITY/ALIAS"]);
    let table: Vec<(&str, Case, Option<Refusal>)> = vec![
        ("covered", triage(), None),
        ("covered, later stage", accepted(), None),
        (
            "nothing proposed",
            triage().with(|c| c.labels = LabelSet::EMPTY),
            Some(R::Nothing),
        ),
        (
            "withdrawn",
            triage().with(|c| c.basis = None),
            Some(R::NotInForce),
        ),
        (
            "another source",
            triage().with(|c| c.source = agency("beta")),
            Some(R::NotAllowed),
        ),
        (
            "another recipient",
            triage().with(|c| c.recipient = agency("house2")),
            Some(R::NotAllowed),
        ),
        (
            "another purpose",
            triage().with(|c| c.purpose = Purpose::BasicAssistance),
            Some(R::NotAllowed),
        ),
        (
            "before it begins",
            triage().with(|c| c.now = now().minus(Duration::from_millis(1))),
            Some(R::NotInForce),
        ),
        (
            "at its end",
            triage().with(|c| c.now = later(60)),
            Some(R::NotInForce),
        ),
        (
            "just before its end",
            triage().with(|c| c.now = later(60).minus(Duration::from_millis(1))),
            None,
        ),
        (
            "endless",
            triage().with_basis(|b| b.allows[0].until = Timestamp::MAX),
            Some(R::Bounds(BoundsError::Period)),
        ),
        (
            "through a companion, with a name",
            triage().with_basis(|b| b.interpreter = InterpreterClass::Companion),
            Some(R::Bounds(BoundsError::Interpreter(ident))),
        ),
        (
            "through a child, without a name",
            triage().with_basis(|b| {
                b.interpreter = InterpreterClass::Child;
                b.allows.truncate(1);
            }),
            None,
        ),
        (
            "through a child, past triage",
            accepted()
                .with(|c| c.labels = labels(&["LANGUAGE/WHOLE"]))
                .with_basis(|b| {
                    b.interpreter = InterpreterClass::Child;
                    b.allows.truncate(1);
                }),
            Some(R::TriageOnly),
        ),
        (
            "too early for the protocol",
            triage().with(|c| c.labels = c.labels.union(ident)),
            Some(R::Protocol(ident)),
        ),
        (
            "a kind that the protocol gives nothing",
            triage().with(|c| c.kind = AgencyKind::Hotline),
            Some(R::Protocol(labels(&["LANGUAGE/WHOLE", "AGE/BAND"]))),
        ),
        (
            "a recipient whose kind became one that nobody may tell",
            triage().with(|c| c.kind = AgencyKind::Operator),
            Some(R::Bounds(BoundsError::Recipient(
                BasisKind::Consent,
                AgencyKind::Operator,
            ))),
        ),
        (
            "past the basis",
            accepted().with(|c| c.labels = c.labels.union(labels(&["GENDER/WHOLE"]))),
            Some(R::NotCovered(labels(&["GENDER/WHOLE"]))),
        ),
        (
            "a greater form than agreed",
            accepted().with(|c| c.labels = labels(&["IDENTITY/FULL"])),
            Some(R::NotCovered(labels(&["IDENTITY/FULL"]))),
        ),
        (
            "asked with the bundle, where it must be asked for by itself",
            accepted()
                .with(|c| c.labels = labels(&["IDENTITY/FULL"]))
                .with_basis(|b| b.allows[1].labels = labels(&["IDENTITY/FULL"])),
            Some(R::NotCovered(labels(&["IDENTITY/FULL"]))),
        ),
        (
            "asked for by itself",
            accepted()
                .with(|c| c.labels = labels(&["IDENTITY/FULL", "IDENTITY/ALIAS"]))
                .with_basis(|b| {
                    b.allows[1].labels = labels(&["IDENTITY/FULL"]);
                    b.allows[1].asked = Asked::Specific;
                }),
            None,
        ),
        (
            "one of two allows has ended",
            accepted()
                .with_basis(|b| b.allows[1].until = later(10))
                .with(|c| c.now = later(10)),
            Some(R::NotCovered(ident)),
        ),
    ];
    for (what, case, expected) in table {
        assert_eq!(case.deposit(), expected, "{what}");
        // An opening in a state that opens the stage is the same question.
        assert_eq!(case.open(), expected, "opening: {what}");
    }
}

#[test]
fn police_consent_needs_a_conversation_with_the_person_alone() {
    let police = Case::new(Stage::Triage, &["LANGUAGE/WHOLE"]).with(|c| {
        c.kind = AgencyKind::Police;
        c.purpose = Purpose::CrimeReport;
    });
    let police = police.with_basis(|b| {
        b.allows = vec![allow(
            Purpose::CrimeReport,
            &["LANGUAGE/WHOLE"],
            Asked::Bundle,
        )];
    });
    assert_eq!(police.deposit(), None);
    let refused = Some(Refusal::Bounds(BoundsError::NotAlone(AgencyKind::Police)));
    let not_alone = police.clone().with_basis(|b| b.asked_alone = false);
    assert_eq!(not_alone.deposit(), refused);
    let through = police.with_basis(|b| b.interpreter = InterpreterClass::Companion);
    assert_eq!(through.deposit(), refused);
}

#[test]
fn a_stage_opens_when_the_offer_has_come_so_far_and_not_when_it_is_over() {
    #[rustfmt::skip]
    let table = [
        (OfferState::Offered,              [true,  false, false]),
        (OfferState::Received,             [true,  false, false]),
        (OfferState::InformationRequested, [true,  false, false]),
        (OfferState::Waitlisted,           [true,  false, false]),
        (OfferState::Accepted,             [true,  true,  false]),
        (OfferState::InProgress,           [true,  true,  true]),
        (OfferState::Completed,            [false, false, false]),
        (OfferState::Declined,             [false, false, false]),
        (OfferState::Lapsed,               [false, false, false]),
        (OfferState::Closed,               [false, false, false]),
    ];
    for (state, open) in table {
        for (&stage, open) in Stage::ALL.iter().zip(open) {
            assert_eq!(stage_open(state, stage), open, "{state} {stage}");
            let case = triage().with(|c| (c.state, c.stage) = (state, stage));
            assert_eq!(case.deposit(), None, "a source may deposit ahead");
            assert_eq!(case.open(), (!open).then_some(Refusal::Stage));
        }
    }
}

#[test]
fn a_permit_lasts_until_the_first_covering_allow_ends() {
    let case = accepted().with_basis(|b| {
        b.allows[0].until = later(5);
        b.allows[1].until = later(10);
        // A second allow of the same labels that lasts longer counts instead of the first.
        let again = ["LANGUAGE/WHOLE", "AGE/BAND"];
        b.allows
            .push(allow(Purpose::SafeAccommodation, &again, Asked::Bundle));
    });
    let permit = case.run(false).expect("covered");
    let validity = Period {
        from: now(),
        until: later(10),
    };
    assert_eq!(permit.validity(), validity);
    assert_eq!((permit.protocol(), permit.gate()), (1, GATE_VERSION));
}

#[test]
fn a_pair_row_of_the_protocol_binds_the_gate() {
    let pair = "[[pair]]\nsource = \"alpha\"\nrecipient = \"house1\"\nlabels = [\"AGE/BAND\"]\n";
    let protocol = format!("{}\n{pair}", super::super::protocol::SHIPPED);
    let protocol = Protocol::parse(&protocol).expect("a protocol");
    let case = triage();
    let proposal = Proposal {
        source: &case.source,
        recipient: &case.recipient,
        recipient_kind: case.kind,
        purpose: case.purpose,
        stage: case.stage,
        labels: case.labels,
    };
    let head = BasisHead::InForce(case.basis.as_ref().expect("a basis"));
    let refused = permit(&proposal, head, &protocol, now()).expect_err("denied by the pair");
    assert_eq!(refused, Refusal::Protocol(labels(&["AGE/BAND"])));
}

fn any_labels() -> impl Strategy<Value = LabelSet> {
    let all: Vec<_> = Label::all().collect();
    prop::collection::vec(prop::sample::select(all), 1..5)
        .prop_map(|labels| labels.into_iter().collect())
}

fn any_allow() -> impl Strategy<Value = Allow> {
    let purposes = vec![
        Purpose::SafeAccommodation,
        Purpose::LegalDefence,
        Purpose::CrimeReport,
    ];
    let purposes = prop::collection::vec(prop::sample::select(purposes), 1..3);
    let asked = prop::sample::select(Asked::ALL);
    (purposes, any_labels(), asked, 1u64..90).prop_map(|(purposes, labels, asked, minutes)| {
        let (labels, until) = (labels.closed(), later(minutes));
        Allow {
            purposes,
            labels,
            asked,
            until,
            reply: false,
        }
    })
}

fn any_case() -> impl Strategy<Value = Case> {
    let kinds = vec![
        AgencyKind::Shelter,
        AgencyKind::LegalService,
        AgencyKind::Police,
    ];
    let purposes = vec![
        Purpose::SafeAccommodation,
        Purpose::LegalDefence,
        Purpose::CrimeReport,
    ];
    let allows = prop::collection::vec(any_allow(), 1..6);
    let asked = (
        prop::sample::select(kinds),
        prop::sample::select(purposes),
        prop::sample::select(Stage::ALL),
        prop::sample::select(OfferState::ALL),
    );
    (asked, allows, any_labels(), 0u64..90, any::<bool>()).prop_map(
        |((kind, purpose, stage, state), allows, asked, minutes, near)| {
            let mut case = Case::new(stage, &[]).with_basis(|b| b.allows = allows);
            (case.kind, case.purpose, case.state) = (kind, purpose, state);
            case.now = later(minutes);
            // Half of the cases ask for something that the basis and the protocol might both allow.
            let allows = &case.basis.as_ref().expect("a basis").allows;
            let agreed = (allows.iter()).fold(LabelSet::EMPTY, |all, a| all.union(a.labels));
            let consent = BasisKind::Consent;
            let possible = PROTOCOL.possible(consent, kind, purpose, stage);
            case.labels = if near {
                agreed.intersection(possible)
            } else {
                asked
            };
            case
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Invariant 12, by a second telling: each label by itself, straight from the definition.
    #[test]
    fn a_permit_means_that_every_label_is_allowed_by_basis_and_protocol(case in any_case()) {
        let basis = case.basis.as_ref().expect("a basis");
        let good = basis.check_bounds(case.kind).is_ok()
            && !case.labels.is_empty()
            && case.labels.iter().all(|label| {
                let (kind, purpose) = (case.kind, case.purpose);
                let verdict = PROTOCOL.allows(basis.kind, kind, purpose, case.stage, label);
                basis.allows.iter().any(|allow| {
                    allow.purposes.contains(&case.purpose)
                        && basis.from <= case.now
                        && case.now < allow.until
                        && allow.labels.contains(label)
                        && match verdict {
                            Verdict::Allow => true,
                            Verdict::SpecificOnly => allow.asked == Asked::Specific,
                            Verdict::Never => false,
                        }
                })
            });
        prop_assert_eq!(case.deposit().is_none(), good);
        prop_assert_eq!(case.open().is_none(), good && stage_open(case.state, case.stage));
    }

    /// Invariant 15: taking a label, an allow or time away from a basis never adds a permit.
    #[test]
    fn narrowing_a_basis_only_shrinks(
        case in any_case(),
        which in 0usize..8,
        gone in any_labels(),
    ) {
        let before = case.deposit().is_none();
        let count = case.basis.as_ref().expect("a basis").allows.len();
        let narrowed = [
            case.clone().with_basis(|b| drop(b.allows.remove(which % count))),
            case.clone().with_basis(|b| {
                let allow = &mut b.allows[which % count];
                allow.labels = allow.labels.beyond(gone.raised());
            }),
            case.clone().with_basis(|b| {
                let allow = &mut b.allows[which % count];
                allow.until = allow.until.minus(Duration::from_secs(20 * 60));
            }),
            case.clone().with_basis(|b| b.allows[which % count].asked = Asked::Bundle),
            case.clone().with(|c| c.basis = None),
        ];
        // A narrowing may leave an allow empty or ended, which the bounds refuse: that shrinks too.
        for narrowed in narrowed {
            prop_assert!(before || narrowed.deposit().is_some() || narrowed_mends(&case));
        }
    }

    /// All or nothing: what is permitted together is permitted apart, and one label too many
    /// refuses all.
    #[test]
    fn one_label_too_many_refuses_all(case in any_case(), extra in any_labels()) {
        if case.deposit().is_none() {
            for label in case.labels.iter() {
                let one = case.clone().with(|c| c.labels = LabelSet::from_iter([label]));
                prop_assert_eq!(one.deposit(), None);
            }
        }
        let more = case.clone().with(|c| c.labels = c.labels.union(extra));
        if case.deposit().is_some() && !case.labels.is_empty() {
            prop_assert!(more.deposit().is_some());
        }
        let alone = case.clone().with(|c| c.labels = extra);
        if alone.deposit().is_some() {
            prop_assert!(more.deposit().is_some());
        }
    }

    /// Any single covering allow taken away is a refusal.
    #[test]
    fn every_allow_is_needed_that_alone_covers_a_label(case in any_case()) {
        let basis = case.basis.as_ref().expect("a basis");
        if case.deposit().is_none() {
            for (at, allow) in basis.allows.iter().enumerate() {
                let elsewhere = basis.allows.iter().enumerate().filter(|&(other, _)| other != at);
                let elsewhere = elsewhere.fold(LabelSet::EMPTY, |all, (_, a)| all.union(a.labels));
                let alone = case.labels.intersection(allow.labels).beyond(elsewhere);
                if !alone.is_empty() {
                    let without = case.clone().with_basis(|b| drop(b.allows.remove(at)));
                    prop_assert!(without.deposit().is_some());
                }
            }
        }
    }

    /// A permit counts exactly as long as the same question is answered with one.
    #[test]
    fn a_permit_is_valid_as_long_as_the_gate_says_yes(case in any_case(), minutes in 0u64..90) {
        if let Ok(permit) = case.run(false) {
            let asked_again = case.clone().with(|c| c.now = later(minutes));
            prop_assert!(permit.validity().contains(case.now));
            prop_assert_eq!(
                permit.validity().contains(asked_again.now),
                asked_again.deposit().is_none()
            );
        }
    }
}

/// Whether the basis was refused as a whole for its bounds: taking the offending allow away may
/// mend it.
fn narrowed_mends(case: &Case) -> bool {
    let basis = case.basis.as_ref().expect("a basis");
    basis.check_bounds(case.kind).is_err()
}
