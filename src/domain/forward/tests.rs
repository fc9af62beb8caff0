use super::*;
use crate::domain::label::Label;
use proptest::prelude::*;

fn agency(number: u8) -> AgencyId {
    format!("agency-{number}").parse().expect("an id")
}

fn agencies(numbers: &[u8]) -> Vec<AgencyId> {
    numbers.iter().copied().map(agency).collect()
}

fn labels(bits: u64) -> LabelSet {
    Label::all()
        .filter(|label| bits >> label.index() & 1 == 1)
        .collect()
}

#[test]
fn a_forward_goes_to_whom_the_list_names_with_less_each_time() {
    let (list, next) = (agencies(&[2, 3]), agency(2));
    let holders = agencies(&[0, 1]);
    let parent = Granted {
        recipients: &list,
        hops: 2,
        labels: labels(0b111),
    };
    let onward = Onward {
        holders: &holders,
        recipient: &next,
        granted: Granted {
            recipients: &list,
            hops: 1,
            labels: labels(0b101),
        },
    };
    assert_eq!(covers(&parent, &onward), Ok(()));
    let mut wrong = Vec::new();
    let stranger = agency(9);
    wrong.push(Onward {
        recipient: &stranger,
        ..onward
    });
    let more = agencies(&[2, 9]);
    for granted in [
        Granted {
            hops: 2,
            ..onward.granted
        },
        Granted {
            labels: labels(0b1000),
            ..onward.granted
        },
        Granted {
            labels: LabelSet::EMPTY,
            ..onward.granted
        },
        Granted {
            recipients: &more,
            ..onward.granted
        },
    ] {
        wrong.push(Onward { granted, ..onward });
    }
    // A cycle: back to the source, or to who passes it on, though the list names them.
    let (list, back) = (agencies(&[0, 1, 2]), [agency(0), agency(1)]);
    let open = Granted {
        recipients: &list,
        ..parent
    };
    for recipient in &back {
        wrong.push(Onward {
            recipient,
            ..onward
        });
    }
    for onward in &wrong {
        assert_eq!(covers(&open, onward), Err(NotAgreed));
    }
    let last = Granted { hops: 0, ..parent };
    assert_eq!(covers(&last, &onward), Err(NotAgreed));
}

#[derive(Debug, Clone)]
struct Step {
    to: u8,
    list: Vec<u8>,
    hops: u8,
    labels: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..6u8,
        prop::collection::vec(0..6u8, 0..5),
        0..4u8,
        0..16u64,
    );
    let step = step.prop_map(|(to, list, hops, labels)| Step {
        to,
        list,
        hops,
        labels,
    });
    prop::collection::vec(step, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariant 14: whatever is tried, along the chain that comes about nothing widens and nobody comes twice.
    #[test]
    fn along_any_chain_nothing_widens_and_nobody_comes_twice(
        first in prop::collection::vec(0..6u8, 0..6), hops in 0..4u8, bits in 1..16u64, tried in steps(),
    ) {
        let original = agencies(&first);
        let (mut list, mut left, mut told) = (original.clone(), hops, labels(bits));
        let mut holders = agencies(&[0, 1]);
        let mut count = 0;
        for step in tried {
            let (recipients, recipient) = (agencies(&step.list), agency(step.to));
            let parent = Granted { recipients: &list, hops: left, labels: told };
            let granted = Granted { recipients: &recipients, hops: step.hops, labels: labels(step.labels) };
            let onward = Onward { holders: &holders, recipient: &recipient, granted };
            if covers(&parent, &onward).is_err() {
                continue;
            }
            count += 1;
            prop_assert!(granted.labels.beyond(labels(bits)).is_empty());
            prop_assert!(original.contains(&recipient));
            prop_assert!(!holders.contains(&recipient));
            told = granted.labels;
            left = step.hops;
            list = recipients;
            holders.push(recipient);
        }
        prop_assert!(count <= hops);
    }
}
