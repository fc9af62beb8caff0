use super::*;
use proptest::prelude::*;

const DECLINE: OfferCommand = OfferCommand::Decline {
    reason: DeclineReason::NoCapacity,
    decliner: Decliner::Agency,
};
const COMPLETE: OfferCommand = OfferCommand::Complete {
    outcome: Outcome::ServiceProvided,
};
const COMMANDS: [OfferCommand; 12] = [
    OfferCommand::Acknowledge,
    OfferCommand::RequestInformation,
    OfferCommand::AnswerInformation,
    OfferCommand::Waitlist,
    OfferCommand::Accept,
    DECLINE,
    OfferCommand::CheckIn,
    COMPLETE,
    OfferCommand::Lapse,
    OfferCommand::Close,
    OfferCommand::Withdraw,
    OfferCommand::Turn,
];

/// The whole table, a row a state, a column a command in the order of [`COMMANDS`].
/// `.` not allowed, `!` not allowed because it lapsed.
#[test]
fn the_transitions_are_the_tables() {
    #[rustfmt::skip]
    let table = [
        //                                  Ack Req Ans Wai Acc Dec Che Com Lap Clo Wit Tur
        (OfferState::Offered,              "REC .   .   .   ACC DEC .   .   LAP CLO CLO ."),
        (OfferState::Received,             ".   INF .   WAI ACC DEC .   .   LAP CLO CLO ."),
        (OfferState::InformationRequested, ".   .   REC .   ACC DEC .   .   LAP CLO CLO ."),
        (OfferState::Waitlisted,           ".   INF .   .   ACC DEC .   .   .   CLO CLO ."),
        (OfferState::Accepted,             ".   .   .   .   .   .   IN_ COM .   .   ACC ."),
        (OfferState::InProgress,           ".   .   .   .   .   .   .   COM .   .   IN_ ."),
        (OfferState::Completed,            ".   .   .   .   .   .   .   .   .   .   COM ."),
        (OfferState::Declined,             ".   .   .   .   .   .   .   .   .   .   DEC ."),
        (OfferState::Lapsed,               "!   !   !   !   !   !   !   !   .   .   LAP ."),
        (OfferState::Closed,               ".   .   .   .   .   .   .   .   .   .   CLO ."),
        (OfferState::Queued,               ".   .   .   .   .   .   .   .   .   CLO CLO OFF"),
    ];
    for (from, row) in table {
        for (command, agreed) in COMMANDS.iter().zip(row.split_whitespace()) {
            let expected = match agreed {
                "." => Err(NotAllowed::From { from }),
                "!" => Err(NotAllowed::Lapsed),
                to => Ok(*OfferState::ALL
                    .iter()
                    .find(|state| state.name().starts_with(to))
                    .expect("a state")),
            };
            assert_eq!(from.apply(command), expected, "{from} {command:?}");
        }
    }
}

fn any_commands() -> impl Strategy<Value = Vec<OfferCommand>> {
    prop::collection::vec(prop::sample::select(COMMANDS.to_vec()), 0..40)
}

proptest! {
    /// Invariant 7: at most one terminal decision, and terminal states stay.
    #[test]
    fn any_command_sequence_decides_at_most_once(commands in any_commands()) {
        let mut state = OfferState::Queued;
        let (mut decisions, mut endings) = (0, 0);
        for command in commands {
            let Ok(next) = state.apply(&command) else { continue };
            if state.is_terminal() {
                prop_assert_eq!(next, state);
            }
            decisions += usize::from(state.is_open() && !next.is_open());
            endings += usize::from(!state.is_terminal() && next.is_terminal());
            prop_assert!(!next.is_open() || state.is_open(), "undecided again");
            state = next;
        }
        prop_assert!(decisions <= 1);
        prop_assert!(endings <= 1);
    }

    /// R16: a placement never ends because consent was withdrawn.
    #[test]
    fn a_withdrawal_is_always_recorded_and_ends_no_placement(commands in any_commands()) {
        let state = commands.iter().fold(OfferState::Queued, |state, command| {
            state.apply(command).unwrap_or(state)
        });
        let after = state.apply(&OfferCommand::Withdraw);
        let expected = if state.is_open() { OfferState::Closed } else { state };
        prop_assert_eq!(after, Ok(expected));
    }

    /// Places that an offer has are given back exactly once, whatever happens.
    #[test]
    fn places_taken_are_given_back_once(commands in any_commands()) {
        let (mut state, mut taken, mut occupied) = (OfferState::Queued, 0, 0);
        for command in commands {
            let Ok(next) = state.apply(&command) else { continue };
            match state.places_effect(next) {
                PlacesEffect::Take => taken += 1,
                PlacesEffect::Occupy => { taken -= 1; occupied += 1; }
                PlacesEffect::ReleaseTaken => taken -= 1,
                PlacesEffect::Leave => occupied -= 1,
                PlacesEffect::ReleaseHeld | PlacesEffect::None => {}
            }
            prop_assert_eq!(taken, i32::from(next == OfferState::Accepted));
            prop_assert_eq!(occupied, i32::from(next == OfferState::InProgress));
            state = next;
        }
    }
}
