//! What the players do next: each step works towards its kind, by what must come first if that is not there yet.

mod access;
mod bases;
mod houses;
mod onward;
mod people;
mod sources;

use super::cast::Cast;
use super::model::{Model, Offer};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::exchange::{Exchange, Receipt, Refusal, Requested};
use std::pin::Pin;
use std::sync::Arc;

macro_rules! kinds {
    ($($name:ident),+ $(,)?) => {
        /// What somebody may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($name,)+ }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

kinds! {
    // Bases.
    Consent, ChildSafeguarding, Emergency, Duty, Complaint, Narrow, Withdraw, AskErase,
    // A source's own.
    Refer, Queue, Group, AddOffer, Deposit, DepositForCare, Amend, Recall, Close, InError, AnswerQuestion,
    // A recipient's own.
    Open, Acknowledge, Hold, Waitlist, AskQuestion, Accept, AcceptInPlaces, Decline, DeclineOther, CheckIn, CheckOut,
    Complete, ConfirmAmendment, ConfirmErasure, HoldGroup, AcceptGroup, DeclineGroup, UpdatePool, Prepare, Alarm,
    DeclareCapacity, TakeAlert,
    // Onward.
    ConsentOnward, Forward, OpenForwarded, ProposeTransfer, AnswerTransfer, PostCode, PostSealed, Reply, OpenMessage,
    Upload, Download, Carry, ReleaseCarried,
    // The person's.
    RegisterCode, EnterCode, RequestResume, AnswerResume,
    // Break-glass.
    AskAccess, Approve, RefuseAccess, Release, OpenAccess, Review,
    // Everybody's.
    Wait, Restart,
}

/// One step of a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub kind: Kind,
    /// Chooses among what is there.
    pub pick: usize,
    /// Chooses among all that is there, lawful or not.
    pub wild: bool,
    /// Asks a second time with the same request id.
    pub twice: bool,
}

/// What an act gave: the same again, when it is asked again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    pub names: Vec<String>,
    pub receipts: Vec<(u64, Vec<u8>)>,
}

impl Done {
    pub fn of(receipt: &Receipt) -> Self {
        Self::named(Vec::new(), std::slice::from_ref(receipt))
    }

    pub fn named(names: Vec<String>, receipts: &[Receipt]) -> Self {
        let receipt = |receipt: &Receipt| (receipt.index(), receipt.entry().to_vec());
        Self {
            names,
            receipts: receipts.iter().map(receipt).collect(),
        }
    }
}

pub type Ran = Pin<Box<dyn Future<Output = Result<Done, Refusal>> + Send>>;

/// An act that is ready.
#[derive(Clone)]
pub struct Planned {
    pub kind: Kind,
    /// Whether it is remembered by its request id.
    pub again: bool,
    pub run: Arc<dyn Fn(Arc<Exchange>, Requested) -> Ran + Send + Sync>,
}

macro_rules! planned {
    ($kind:expr, $again:expr, [$($name:ident),* $(,)?], |$exchange:ident, $requested:ident| $body:block) => {
        Planned {
            kind: $kind,
            again: $again,
            run: std::sync::Arc::new(
                move |$exchange: std::sync::Arc<crate::exchange::Exchange>,
                      $requested: crate::exchange::Requested| {
                    $(let $name = $name.clone();)*
                    let _ = &$requested;
                    Box::pin(async move $body)
                },
            ),
        }
    };
}
use planned;

/// The players, and the model of where things stand.
pub struct Players {
    pub cast: Cast,
    pub model: Model,
    /// Bytes that were sealed as attachments: one chunk each.
    chunks: Vec<Vec<u8>>,
}

impl Players {
    pub const fn new(cast: Cast, model: Model) -> Self {
        Self {
            cast,
            model,
            chunks: Vec::new(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.cast.now()
    }

    /// An offer that suits; when wild, any.
    fn offer(&self, step: Step, suits: impl Fn(&Offer) -> bool) -> Option<Offer> {
        let all = self.model.offers.iter();
        let found: Vec<&Offer> = all.filter(|offer| step.wild || suits(offer)).collect();
        choose(&found, step.pick).map(|offer| (*offer).clone())
    }

    fn name(agency: &AgencyId, offer: &Offer) -> crate::exchange::OfferName {
        Cast::named(agency, offer.id)
    }

    /// The act that this step comes to; none when time must pass first, or nothing leads there.
    pub fn plan(&mut self, step: Step) -> Option<Planned> {
        match step.kind {
            Kind::Consent
            | Kind::ChildSafeguarding
            | Kind::Emergency
            | Kind::Duty
            | Kind::Complaint => self.basis(step),
            Kind::Narrow => self.narrow(step),
            Kind::Withdraw => self.withdraw(step),
            Kind::AskErase => self.ask_erase(step),
            Kind::Refer | Kind::Queue => self.refer(step),
            Kind::Group => self.group(step),
            Kind::AddOffer => self.add(step),
            Kind::Deposit | Kind::DepositForCare => self.deposit(step),
            Kind::Amend => self.amend(step),
            Kind::Recall | Kind::Close | Kind::InError => self.end(step),
            Kind::AnswerQuestion => self.answer_question(step),
            Kind::Open | Kind::OpenForwarded => self.open(step),
            Kind::Acknowledge
            | Kind::Waitlist
            | Kind::AskQuestion
            | Kind::Accept
            | Kind::Decline
            | Kind::DeclineOther
            | Kind::CheckIn
            | Kind::Complete
            | Kind::Alarm => self.decide(step),
            Kind::Hold | Kind::AcceptInPlaces => self.lodge(step),
            Kind::CheckOut => self.check_out(step),
            Kind::ConfirmAmendment => self.confirm_amendment(step),
            Kind::ConfirmErasure => self.confirm_erasure(step),
            Kind::HoldGroup | Kind::AcceptGroup | Kind::DeclineGroup => self.decide_group(step),
            Kind::UpdatePool | Kind::Prepare => self.pool(step),
            Kind::DeclareCapacity => self.declare(step),
            Kind::TakeAlert => self.take_alert(step),
            Kind::ConsentOnward | Kind::Forward => self.forward(step),
            Kind::ProposeTransfer | Kind::AnswerTransfer => self.transfer(step),
            Kind::PostCode | Kind::PostSealed | Kind::Reply => self.post(step),
            Kind::OpenMessage => self.open_message(step),
            Kind::Upload => self.upload(step),
            Kind::Download => self.download(step),
            Kind::Carry | Kind::ReleaseCarried => self.carry(step),
            Kind::RegisterCode => self.register_code(step),
            Kind::EnterCode | Kind::RequestResume => self.enter_code(step),
            Kind::AnswerResume => self.answer_resume(step),
            Kind::AskAccess => self.ask_access(step),
            Kind::Approve | Kind::RefuseAccess => self.answer_access(step),
            Kind::Release => self.release(step),
            Kind::OpenAccess => self.open_access(step),
            Kind::Review => self.review(step),
            Kind::Wait | Kind::Restart => None,
        }
    }

    /// What must come first.
    fn first(&mut self, kind: Kind, step: Step) -> Option<Planned> {
        let step = Step {
            kind,
            wild: false,
            ..step
        };
        self.plan(step)
    }
}

/// The one that a number chooses.
pub fn choose<T>(all: &[T], pick: usize) -> Option<&T> {
    if all.is_empty() {
        None
    } else {
        all.get(pick % all.len())
    }
}
