//! What an audit finds wrong, each with its index and its reason.

use crate::domain::break_glass::Refusal as Broken;
use crate::domain::gate::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::Alarm;
use crate::envelope::error::StatementError;
use crate::ledger::entry::EntryError;
use crate::ledger::note::NoteError;

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The entry it is about; none for the log as a whole.
    pub index: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The log or an act in it is not as it must be.
    Violation,
    /// To be looked at by a person; may be harmless.
    Notice,
}

macro_rules! problems {
    ($($(#[$meta:meta])* $variant:ident $(($($field:ty),+))? = $severity:ident, $code:literal, $text:literal;)+) => {
        /// What is wrong. The texts name no person.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Problem { $($(#[$meta])* #[error($text)] $variant $(($($field),+))?,)+ }

        impl Problem {
            /// Every problem's code, in the order of the levels. `deploy/auditing.md` says what to do on each.
            pub const CODES: &[&str] = &[$($code),+];

            /// A stable name for programs.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $code,)+ }
            }

            /// How grave it is.
            #[must_use]
            pub const fn severity(&self) -> Severity {
                match self { $(Self::$variant { .. } => Severity::$severity,)+ }
            }
        }
    };
}

problems! {
    // Verify.
    /// The checkpoint's note does not verify.
    Checkpoint(NoteError) = Violation, "CHECKPOINT", "the checkpoint is not to be believed: {0}";
    /// The recomputed root is another.
    Root = Violation, "ROOT", "the entries do not give the root that the checkpoint signs";
    /// The log ends before its checkpoint says.
    Short = Violation, "SHORT", "the log has fewer entries than its checkpoint says";
    /// The checkpoint is older than the saved one.
    Shrunk = Violation, "SHRUNK", "the checkpoint is older than the one you saved: entries are missing";
    /// The log is not a continuation of the saved checkpoint.
    Forked = Violation, "FORKED", "the log contradicts the checkpoint you saved: history was changed";
    /// A consistency proof does not lead from the saved checkpoint to the new one.
    Inconsistent = Violation, "INCONSISTENT", "no proof that the log continues the checkpoint you saved";
    /// A tile that the source keeps is not the recomputed one.
    Tile(String) = Violation, "TILE", "{0} is not what the entries give";
    /// A tile that is not there, or is cut.
    NoTile(String) = Violation, "NO_TILE", "{0} is missing or cut short";
    /// Two tiles' files stand in each other's place.
    TilesSwapped(String, String) = Violation, "TILES_SWAPPED", "{0} and {1} stand in each other's place";
    /// Two entries stand in each other's place.
    Swapped(u64) = Violation, "SWAPPED", "this entry and entry {0} stand in each other's place";
    /// The entry's hash is not the one in its tile, and the root does not fit.
    Changed(String) = Violation, "CHANGED", "the entry is not the one whose hash stands in {0}";
    /// Where the log first differs from what was saved.
    ForkedWithin(u64) = Notice, "FORKED_WITHIN",
        "before this entry the log is the one you saved; it first differs here or later, at entry {0} at the latest";
    /// The source names another key than the auditor knows.
    OtherKey = Violation, "OTHER_KEY", "log.vkey, or the key that the router names, is not the key that you know";
    /// The checkpoint is another log's, rightly signed by that one's key.
    OtherLog(String) = Violation, "OTHER_KEY",
        "the checkpoint is signed by another key than the one that you know, that of a log that calls itself {0}: \
         before or after a succession, check it with the state that you have of that log; else compare keys by \
         telephone";
    /// The bytes are not an entry.
    Entry(EntryError) = Violation, "ENTRY", "{0}";
    /// Time goes backwards.
    Time = Violation, "TIME", "the entry is dated before the entry before it";
    /// No tick for longer than the interval.
    NoTick(i64) = Notice, "NO_TICK", "no tick for {0} minutes before: the log stood still, or its ticks are missing";
    /// A live log shows nothing new.
    OldLog(i64) = Notice, "OLD_LOG",
        "the newest tick is {0} minutes old: the log stands still, or you are shown an old one; ask the operator \
         why, and another party for its checkpoint";
    /// The auditor's policy asks for witnesses who are not there.
    NotVouched = Violation, "NOT_VOUCHED",
        "too few of your policy's witnesses cosigned the checkpoint: it may be shown to you alone";
    /// They are there, and it was long ago.
    VouchedLongAgo = Notice, "VOUCHED_LONG_AGO",
        "your policy's witnesses saw this checkpoint more than an hour ago: the log stands still, or they are kept \
         away";
    /// Directory digests are not numbered one by one.
    Digest = Violation, "DIGEST", "directory digests are not numbered one by one";
    // Openings.
    /// Neither opening nor tombstone.
    NoOpening = Violation, "NO_OPENING", "the entry has neither an opening nor a tombstone";
    /// The opening is not well-formed.
    BadOpening(EntryError) = Violation, "BAD_OPENING", "the opening cannot be read: {0}";
    /// The opening does not open the commitment.
    WrongOpening = Violation, "WRONG_OPENING", "the opening does not open the entry's commitment";
    /// The opening is of another event than the entry says in the clear.
    WrongEvent = Violation, "WRONG_EVENT", "the opening is of another event than the entry says";
    /// An opening where there is nothing to open.
    NothingToOpen = Violation, "NOTHING_TO_OPEN", "an opening is given for an entry in the clear";
    /// A tombstone that may not be.
    Tombstone = Violation, "TOMBSTONE", "the tombstone is not by the log's keepers or names what cannot be erased";
    /// Erased, and still there.
    StillThere(u64) = Violation, "STILL_THERE", "the opening of entry {0} is said to be erased and is still given";
    /// Content was erased that somebody might still lawfully have opened.
    ErasedTooSoon(u64) = Violation, "ERASED_TOO_SOON", "the content of entry {0} was erased while it was still in use";
    /// A code stopped a case that registered none.
    Code = Violation, "CODE", "a code is of a case that has no basis, or that registered none";
    /// A request to go on is not known, was made before, or was answered before.
    Resume = Violation, "RESUME", "the request to go on is not known, or was made or answered before";
    /// A recipient answered what it was not asked.
    NotAsked = Violation, "NOT_ASKED", "the recipient was not asked to erase, or cannot answer this";
    /// Erased before any auditor replayed it.
    ErasedUnreplayed = Notice, "ERASED_UNREPLAYED", "the opening was erased: this act could not be replayed";
    // Replay: administration.
    /// Something was decided before the log was begun, or it was begun twice.
    Beginning = Violation, "BEGINNING", "the log must begin, once, with its administrators and roots";
    /// The first entry pins nothing usable.
    Pins = Violation, "PINS", "the first entry must pin two different administrators and certificate authorities";
    /// An administrator's statement is not good.
    Act(StatementError) = Violation, "ACT", "an administrator's statement is refused: {0}";
    /// The signer is not a pinned administrator.
    NotAdministrator = Violation, "NOT_ADMINISTRATOR", "the act is not signed by a pinned administrator";
    /// One administrator signed twice.
    SameAdministrator = Violation, "SAME_ADMINISTRATOR", "one administrator signed both the act and its approval";
    /// The approval is of something else.
    OtherAct = Violation, "OTHER_ACT", "the approval is not of this act";
    /// The act is for another log, of a kind that does not belong here, or was used before.
    ActNotForThis = Violation, "ACT_NOT_FOR_THIS", "the act is for another log, another entry, or was used before";
    /// The protocol's text is refused, or its version does not fit.
    Protocol = Violation, "PROTOCOL", "the protocol cannot be read, or its version is not the next";
    // Replay: keys.
    /// The agency is not enrolled.
    NotEnrolled = Violation, "NOT_ENROLLED", "an agency acts that is not enrolled";
    /// The agency is suspended.
    Suspended = Violation, "SUSPENDED", "an agency acts while it is suspended";
    /// The bundle is not good.
    Bundle(StatementError) = Violation, "BUNDLE", "the key bundle is refused: {0}";
    /// The signing certificate does not lead to a pinned root.
    Chain = Violation, "CHAIN", "the signing certificate does not lead from this agency to a pinned authority";
    /// The agency has published no key.
    NoKey = Violation, "NO_KEY", "a statement by an agency that has published no key";
    /// A directory digest is not over the keys and enrolments that the log has, or names another protocol.
    DirectoryDigest = Violation, "DIRECTORY_DIGEST",
        "a directory or a protocol was shown that the log's keys and acts do not give";
    // Replay: acts of agencies.
    /// The entry names another actor than the act needs.
    Actor = Violation, "ACTOR", "the entry's actor is not the one who may do this";
    /// An id, a word or a number in the decision is not well-formed.
    Decision = Violation, "DECISION", "the decision names something that is not well-formed";
    /// A basis statement is not good.
    Basis(StatementError) = Violation, "BASIS", "the basis statement is refused: {0}";
    /// The basis does not follow its chain.
    BasisChain = Violation, "BASIS_CHAIN", "the statement does not follow the head of its basis chain";
    /// A basis that was signed before the person stopped the case was recorded after it.
    BasisBeforeStop = Violation, "BASIS_BEFORE_STOP",
        "the statement was signed before the person stopped the case, and is no answer to that";
    /// The basis claims more than its kind can carry.
    BasisBounds = Violation, "BASIS_BOUNDS", "the basis claims more than its kind can carry";
    /// A duty to notify that the source had not published.
    NoDuty = Violation, "NO_DUTY", "the basis rests on a duty to report that its source had not published";
    /// A parcel's statement is not good.
    Parcel(StatementError) = Violation, "PARCEL", "the parcel's statement is refused: {0}";
    /// A parcel's statement says something else than the deposit.
    ParcelOther = Violation, "PARCEL_OTHER", "the parcel's statement is not for this offer, stage or parcel";
    /// A parcel outside its time.
    ParcelTime = Violation, "PARCEL_TIME", "the parcel's statement was not in force";
    /// The gate does not allow the deposit.
    DepositNotCovered(Refusal) = Violation, "DEPOSIT_NOT_COVERED", "a deposit was not covered: {0}";
    /// The gate does not allow the opening.
    NotCovered(Refusal) = Violation, "NOT_COVERED", "a disclosure was not covered: {0}";
    /// Opened after the withdrawal.
    AfterWithdrawal = Violation, "AFTER_WITHDRAWAL", "a disclosure was not covered: the basis had been withdrawn";
    /// The basis chain is not in the log.
    NoBasis = Violation, "NO_BASIS", "the basis that the parcel commits to is not recorded";
    /// The parcel opened was never deposited so.
    NoParcel = Violation, "NO_PARCEL", "the parcel opened is not the one deposited for this offer and stage";
    /// Decided under another protocol than the one in force.
    ProtocolVersion = Violation, "PROTOCOL_VERSION", "decided under another protocol than the one in force";
    /// Decided by a gate that this program does not know.
    GateVersion(u32) = Violation, "GATE_VERSION", "decided by gate version {0}, which this program does not know";
    /// The offer is not known, or made twice.
    Offer = Violation, "OFFER", "the offer is not known, or was made before";
    /// The state does not allow the move.
    Move = Violation, "MOVE", "the offer's state did not allow this";
    /// Lapsed before its time.
    EarlyLapse = Violation, "EARLY_LAPSE", "the offer lapsed before its time to decide was over";
    /// A second acceptance of one referral.
    SecondAcceptance = Violation, "SECOND_ACCEPTANCE", "a second offer of the same referral was accepted";
    /// An attachment that was not deposited so, or goes with no parcel in hand.
    Attachment = Violation, "ATTACHMENT", "the attachment is not the one deposited, or goes with no parcel in hand";
    /// A message out of turn, or not the one posted.
    Message = Violation, "MESSAGE", "the message is not the next of its offer, or not the one that was posted";
    /// A correction that corrects nothing, or another parcel than the one in hand.
    Supersession = Violation, "SUPERSESSION", "a correction does not name the parcel that it corrects, or was not open";
    /// More places than there are, of a room or pool that is not there, or in a room with strangers.
    Places = Violation, "PLACES", "places were held, taken or left that were not there";
    /// A decision on a group, or on one of it, that is not on all who were still to be decided on.
    Group = Violation, "GROUP", "one of a group that stays together was decided on without the others";
    /// An alert is not known, or was raised or taken before.
    Alert = Violation, "ALERT", "the alert is not known, or was raised or taken before";
    /// Passed on beyond what the person agreed to.
    Forward = Violation, "FORWARD", "a parcel was passed on beyond what the person agreed to";
    /// A complaint with what was never released.
    Complaint(crate::domain::label::LabelSet) = Violation, "COMPLAINT",
        "a complaint holds {0:?}, which nobody had been told";
    /// Responsibility moved without the person's consent, or out of turn.
    Transfer = Violation, "TRANSFER", "responsibility was handed over without a consent in force, or out of turn";
    /// A candidate was asked or reminded out of its turn or time.
    Turn = Violation, "TURN", "a candidate was asked or reminded out of its turn or time";
    /// Something after a source ended its referral, or an end that could not be.
    Ended = Violation, "ENDED", "the referral, or one that it passes on, had ended, or could not end so";
    /// A decline with OTHER that no second person confirmed.
    SecondPerson = Violation, "SECOND_PERSON", "declined with OTHER by one person alone";
    /// Escalated although somebody was still to answer, or the source had acted.
    Escalation = Violation, "ESCALATION", "escalated although somebody was still to answer";
    /// A break-glass act that was not allowed.
    Access(Broken) = Violation, "ACCESS", "a break-glass act was not allowed: {0}";
    /// The access is not known, or was asked for before.
    NoAccess = Violation, "NO_ACCESS", "the break-glass request is not known, or was made before";
    /// A succession that does not follow the log, or is confirmed by who did not have to.
    Succession = Violation, "SUCCESSION", "a succession does not follow the log, or was confirmed out of turn";
    /// Disclosed although the source had not resubmitted what it signed since the backup.
    NotResubmitted = Violation, "NOT_RESUBMITTED",
        "a disclosure of a source that had not resubmitted what it signed since the backup";
    /// A watermark that is not well-formed or not signed by its auditor.
    WatermarkStatement(StatementError) = Violation, "WATERMARK_STATEMENT", "the replay watermark is refused: {0}";
    /// A watermark of another log, past its end, or no further than the one before.
    Watermark = Violation, "WATERMARK",
        "the replay watermark is of another log, past its end, or not further than before";
    /// A watermark over other entries than those of this log.
    WatermarkRoot = Violation, "WATERMARK_ROOT",
        "the replay watermark is of another history: its auditor was shown other entries than these";
    /// Openings ended that no auditor had replayed.
    ErasedUnwatermarked(u64) = Violation, "ERASED_UNWATERMARKED",
        "the opening of entry {0} was erased before any auditor said that it was replayed";
    /// Openings ended before the retention time in the members' protocol was over.
    EndedEarly(u64) = Violation, "ENDED_EARLY",
        "the opening of entry {0} ended before the retention time in the members' protocol was over";
    /// What the act stands on has lawfully ended.
    RestsOnEnded(&'static str) = Notice, "RESTS_ON_ENDED",
        "{0} rests on what ended after its retention, and could not be decided again";
    /// The log has another name than its entries give it.
    LogOrigin = Violation, "LOG_ORIGIN", "the checkpoint names another log than the entries do";
    /// The log was restored from a backup and goes on under a new origin.
    Succeeded(u64) = Notice, "SUCCEEDED",
        "the log was restored and goes on under a new origin; {0} witnessed entries of the old one are lost: \
         compare with the last checkpoint that you saved";
    /// An auditor read or judged what the mandate does not reach.
    Mandate = Violation, "MANDATE", "an auditor read or judged what its mandate does not reach";
    /// A disposition that could not be.
    Disposition(crate::domain::disposition::Refusal) = Violation, "DISPOSITION",
        "what an auditor said of a finding could not be said so: {0}";
    /// A recipient raised an alarm.
    AlarmRaised(Alarm) = Notice, "ALARM", "the recipient raised the alarm {0}";
}

impl Problem {
    /// [`Problem::NoTick`] for the time between two moments.
    pub(super) const fn no_tick(from: Timestamp, to: Timestamp) -> Self {
        Self::NoTick((to.millis() - from.millis()) / 60_000)
    }

    /// A finding about one entry.
    #[must_use]
    pub const fn at(self, index: u64) -> Finding {
        Finding {
            index: Some(index),
            problem: self,
        }
    }

    /// A finding about the log as a whole.
    #[must_use]
    pub const fn overall(self) -> Finding {
        Finding {
            index: None,
            problem: self,
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            Some(index) => write!(f, "entry {index}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::ReviewRule;

    const GUIDE: &str = include_str!("../../deploy/auditing.md");

    /// What stands in the first cells of the tables between two headings, sorted.
    fn first_cells(from: &str, to: &str) -> Vec<&'static str> {
        let (_, after) = GUIDE.split_once(from).expect("the heading is there");
        let (section, _) = after.split_once(to).expect("and the next");
        let cells = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let mut words: Vec<&str> = cells.flat_map(|(cell, _)| cell.split("`, `")).collect();
        words.sort_unstable();
        words
    }

    #[test]
    fn the_guide_says_of_every_code_what_to_do_and_names_no_other() {
        let mut codes = Problem::CODES.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(
            first_cells("## What to do on a finding", "## For programs"),
            codes
        );
    }

    #[test]
    fn the_guide_explains_every_rule_of_the_review_and_no_other() {
        let mut rules: Vec<&str> = ReviewRule::ALL.iter().map(|rule| rule.name()).collect();
        rules.sort_unstable();
        assert_eq!(
            first_cells("## Questions and review", "## The report"),
            rules
        );
    }
}
