//! By which right something was disclosed, joined from the acts before it.
//!
//! An opening names its parcel; the deposit of that parcel names the basis chain; the recording of that chain says what
//! kind of basis it is. Whoever may not read the deposit learns no more than that there is one.

use super::Act;
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// A right, as far as the acts that were read tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Right {
    /// A basis: its chain and, where its recording was read, its kind.
    Basis {
        /// Chain id.
        chain: String,
        /// Kind name.
        kind: Option<String>,
        /// Purpose name.
        purpose: Option<String>,
    },
    /// Break-glass: its reason and who approved.
    BreakGlass {
        /// Reason name.
        reason: Option<String>,
        /// Agency id of whoever approved.
        approver: Option<String>,
    },
    /// A recipient's answer, under the basis that it was asked on.
    Reply,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basis {
                chain,
                kind,
                purpose,
            } => {
                write!(f, "{} basis {chain}", kind.as_deref().unwrap_or("a"))?;
                if let Some(purpose) = purpose {
                    write!(f, " for {purpose}")?;
                }
                Ok(())
            }
            Self::BreakGlass { reason, approver } => {
                let reason = reason.as_deref().unwrap_or("for a reason not read");
                write!(f, "break-glass {reason}")?;
                if let Some(approver) = approver {
                    write!(f, ", approved by {approver}")?;
                }
                Ok(())
            }
            Self::Reply => f.write_str("a reply, under the basis that it was asked on"),
        }
    }
}

/// What acts have told of rights so far.
#[derive(Debug, Default)]
pub struct Rights {
    /// Chain of each parcel, by offer and parcel.
    parcels: HashMap<(String, String), Option<String>>,
    /// Chain of each attachment, by offer and attachment.
    attachments: HashMap<(String, String), String>,
    purposes: HashMap<String, String>,
    kinds: HashMap<String, String>,
    glass: HashMap<String, (Option<String>, Option<String>)>,
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

fn claims(statement: &str) -> Option<Value> {
    let claims = BASE64URL_NOPAD.decode(statement.split('.').nth(1)?.as_bytes());
    serde_json::from_slice(&claims.ok()?).ok()
}

impl Rights {
    /// Learns from an act; in any order.
    pub fn learn(&mut self, act: &Act) {
        let Some(decision) = &act.decision else {
            return;
        };
        match act.event() {
            "basis_recorded" => {
                let claims = field(decision, "statement").and_then(claims);
                if let Some(claims) = claims
                    && let (Some(chain), Some(kind)) =
                        (field(&claims, "id"), field(&claims, "kind"))
                {
                    self.kinds.insert(chain.to_owned(), kind.to_owned());
                }
            }
            "access_requested" | "access_approved" => {
                let Some(access) = field(decision, "access") else {
                    return;
                };
                let (reason, approver) = self.glass.entry(access.to_owned()).or_default();
                if act.event() == "access_requested" {
                    *reason = field(decision, "reason").map(str::to_owned);
                } else {
                    *approver = act.agency().map(ToString::to_string);
                }
            }
            _ => self.learn_offer(act, decision),
        }
    }

    fn learn_offer(&mut self, act: &Act, decision: &Value) {
        let Some(offer) = field(decision, "offer") else {
            return;
        };
        if let Some(purpose) = field(decision, "purpose") {
            self.purposes.insert(offer.to_owned(), purpose.to_owned());
        }
        if act.event() == "attachment_deposited"
            && let (Some(file), Some(chain)) =
                (field(decision, "attachment"), field(decision, "chain"))
        {
            let at = (offer.to_owned(), file.to_owned());
            self.attachments.insert(at, chain.to_owned());
        }
        let several = decision.get("deposits").and_then(Value::as_array);
        let single = ["deposit", "sealed", "reply"];
        let single = single.iter().filter_map(|name| decision.get(name));
        for deposit in several.into_iter().flatten().chain(single) {
            if let Some(parcel) = field(deposit, "parcel") {
                let chain = field(deposit, "chain").map(str::to_owned);
                self.parcels
                    .insert((offer.to_owned(), parcel.to_owned()), chain);
            }
        }
    }

    /// Chains of what was deposited, whose recordings say what kind they are.
    pub fn chains(&self) -> impl Iterator<Item = &str> {
        let parcels = self.parcels.values().flatten();
        parcels.chain(self.attachments.values()).map(String::as_str)
    }

    /// By which right an act disclosed; none for acts that disclose nothing, or whose deposit was not read.
    #[must_use]
    pub fn of(&self, act: &Act) -> Option<Right> {
        if act.event() == "access_opened" {
            let of = act.text("access").and_then(|access| self.glass.get(access));
            let (reason, approver) = of.cloned().unwrap_or_default();
            return Some(Right::BreakGlass { reason, approver });
        }
        let offer = act.text("offer").filter(|_| act.discloses())?;
        let chain = if act.event() == "attachment_opened" {
            let at = (offer.to_owned(), act.text("attachment")?.to_owned());
            self.attachments.get(&at)?
        } else {
            let at = (offer.to_owned(), act.text("parcel")?.to_owned());
            match self.parcels.get(&at)? {
                Some(chain) => chain,
                None => return Some(Right::Reply),
            }
        };
        Some(Right::Basis {
            chain: chain.clone(),
            kind: self.kinds.get(chain).cloned(),
            purpose: self.purposes.get(offer).cloned(),
        })
    }
}
