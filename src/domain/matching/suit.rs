//! What stands against one candidate, and what speaks for it.

use super::{
    ADULT_AGE, CAPACITY_FRESH_MAX, Candidate, Declared, Duty, Member, Needs, Party, duties,
};
use crate::domain::directory::{AgencyFacts, Language, Tag};
use crate::domain::vocabulary::{DeclaredCapacity, PlacementGender};

/// Merits, in steps that do not overtake one another: a place counts for more than everything below
/// it together. Where a place cannot wait, an open door counts for more than a place behind a closed one.
const OPEN_WHEN_URGENT: u32 = 128;
const PLACES: u32 = 64;
const FEW: u32 = 48;
const UNKNOWN: u32 = 32;
const WAITLIST: u32 = 16;
const NO_DUTY: u32 = 8;
const OWN_STAFF: u32 = 4;
const OPEN: u32 = 2;

/// Why the candidate does not fit; empty when it does. In words, and all of them: the desk shows
/// them.
pub(super) fn obstacles<P: Party>(needs: &Needs, candidate: &Candidate<P>) -> Vec<String> {
    let facts = &candidate.facts;
    let mut why = Vec::new();
    if !facts.purposes.contains(&needs.purpose) {
        why.push(format!("does not offer {}", needs.purpose));
    }
    match fresh(needs, candidate.capacity) {
        Some(DeclaredCapacity::None) => why.push("says that it has no places".to_owned()),
        Some(DeclaredCapacity::Waitlist) if needs.leaves_soon => {
            why.push("has a waiting list, and the person leaves soon".to_owned());
        }
        _ => {}
    }
    if let Some(place_by) = needs.place_by {
        let opens = facts.open.opens(needs.now);
        if opens > place_by {
            let opens = facts.open.local(opens);
            why.push(format!(
                "takes nobody in before {opens} its time, and the place is needed sooner"
            ));
        }
    }
    group(needs, facts, &mut why);
    if !any_of(&needs.settings, &facts.settings) {
        why.push("has none of the settings that suit".to_owned());
    }
    if !facts.areas.is_empty() && !any_of(&needs.areas, &facts.areas) {
        why.push("does not serve the area".to_owned());
    }
    for needed in &needs.accessibility {
        if !facts.accessibility.contains(needed) {
            why.push(format!("is not accessible: {needed}"));
        }
    }
    for language in &needs.languages {
        match understood(language, needs.interpreter_gender, facts) {
            Understood::No => why.push(format!("does not understand {language}")),
            Understood::NotBy(gender) => {
                why.push(format!("has no {} for {language}", interpreter(gender)));
            }
            Understood::ByStaff | Understood::ByInterpreter => {}
        }
    }
    why
}

/// How much speaks for a candidate without obstacles, and what, in words.
pub(super) fn merits<P: Party>(needs: &Needs, candidate: &Candidate<P>) -> (u32, Vec<String>) {
    let facts = &candidate.facts;
    let mut score = match fresh(needs, candidate.capacity) {
        Some(DeclaredCapacity::Places) => PLACES,
        Some(DeclaredCapacity::Few) => FEW,
        Some(DeclaredCapacity::Waitlist) => WAITLIST,
        None | Some(DeclaredCapacity::None) => UNKNOWN,
    };
    let mut reasons = vec![said(needs, candidate.capacity)];
    let opens = facts.open.opens(needs.now);
    if opens > needs.now {
        let opens = facts.open.local(opens);
        reasons.push(format!("takes nobody in now: opens {opens} its time"));
    } else {
        score += if needs.place_by.is_some() {
            OPEN_WHEN_URGENT
        } else {
            OPEN
        };
    }
    if needs.group.iter().any(in_doubt) {
        reasons.push(
            "in doubt about age matched as a child: ask for a room apart from adults and small children".to_owned(),
        );
    }
    let duties = duties(facts);
    if !candidate.duties_stated {
        reasons.push(Duty::Unstated.to_string());
    } else if duties.is_empty() {
        score += NO_DUTY;
        reasons.push("reports to nobody and asks for no papers".to_owned());
    }
    reasons.extend(duties.iter().map(ToString::to_string));
    let mut by_staff = true;
    for language in &needs.languages {
        let by = match understood(language, needs.interpreter_gender, facts) {
            Understood::ByStaff => "its staff speaks",
            _ => {
                by_staff = false;
                "interprets"
            }
        };
        reasons.push(format!("{by} {language}"));
    }
    if by_staff && !needs.languages.is_empty() {
        score += OWN_STAFF;
    }
    (score, reasons)
}

/// Whether the person may be a child and may be an adult.
const fn in_doubt(member: &Member) -> bool {
    member.age_from < ADULT_AGE && member.age_to >= ADULT_AGE
}

/// The oldest that a member is matched as: in doubt a child (R11).
fn oldest(member: &Member) -> u8 {
    if in_doubt(member) {
        ADULT_AGE - 1
    } else {
        member.age_to
    }
}

/// The agency's own word, if it is fresh. A clock that is ahead makes it no fresher than fresh.
fn fresh(needs: &Needs, declared: Option<Declared>) -> Option<DeclaredCapacity> {
    let fresh = declared.filter(|declared| declared.at.plus(CAPACITY_FRESH_MAX) >= needs.now);
    fresh.map(|declared| declared.capacity)
}

/// What the agency says of its places, and how old that is, in words.
fn said(needs: &Needs, declared: Option<Declared>) -> String {
    let Some(declared) = declared else {
        return "has not said whether it has places".to_owned();
    };
    let word = match declared.capacity {
        DeclaredCapacity::Places => "says that it has places",
        DeclaredCapacity::Few => "says that it has few places",
        DeclaredCapacity::Waitlist => "says that it has a waiting list",
        DeclaredCapacity::None => "says that it has no places",
    };
    let minutes = (needs.now.seconds() - declared.at.seconds()).max(0) / 60;
    let age = match (minutes / (24 * 60), minutes / 60) {
        (2.., _) => format!("{} days ago", minutes / (24 * 60)),
        (_, 2..) => format!("{} hours ago", minutes / 60),
        _ => format!("{minutes} min ago"),
    };
    if fresh(needs, Some(declared)).is_some() {
        format!("{word} ({age})")
    } else {
        format!("{word}, but {age}: too old to count")
    }
}

/// A group is judged as a whole: one who does not fit is enough.
fn group(needs: &Needs, facts: &AgencyFacts, why: &mut Vec<String>) {
    let count = |unfit: &dyn Fn(&Member) -> bool| {
        let unfit = needs.group.iter().filter(|member| unfit(member));
        unfit.count()
    };
    let young = count(&|member| member.age_from < facts.age_from);
    if young > 0 {
        why.push(format!(
            "takes nobody under {}: {young} may be younger",
            facts.age_from
        ));
    }
    let old = count(&|member| oldest(member) > facts.age_to);
    if old > 0 {
        why.push(format!(
            "takes nobody over {}: {old} may be older",
            facts.age_to
        ));
    }
    if let Some(limit) = facts.boys_up_to {
        let boys = count(&|member| member.gender == PlacementGender::Man && member.age_to > limit);
        if boys > 0 {
            why.push(format!("takes boys up to {limit}: {boys} may be older"));
        }
    }
    // Boys within the limit come with whoever the place is meant for.
    let meant_for = |member: &Member| {
        facts.genders.is_empty()
            || facts.genders.contains(&member.gender)
            || (member.gender == PlacementGender::Man
                && facts.boys_up_to.is_some_and(|limit| member.age_to <= limit))
    };
    // A boy past the limit is named above.
    let others = count(&|member| {
        let limited = member.gender == PlacementGender::Man && facts.boys_up_to.is_some();
        !meant_for(member) && !limited
    });
    if others > 0 {
        why.push(format!(
            "is meant for others: {others} of the group not taken"
        ));
    }
}

enum Understood {
    ByStaff,
    ByInterpreter,
    /// Understood, but not by somebody of the gender asked for.
    NotBy(PlacementGender),
    No,
}

/// Staff of no known gender do not answer a wish for an interpreter's gender; an interpreter does
/// (R8).
fn understood(
    language: &Language,
    gender: Option<PlacementGender>,
    facts: &AgencyFacts,
) -> Understood {
    let by_staff = facts.languages.iter().any(|spoken| spoken.serves(language));
    let serving = || (facts.interpreters.iter()).filter(|one| one.language.serves(language));
    match gender {
        None if by_staff => Understood::ByStaff,
        None if serving().next().is_some() => Understood::ByInterpreter,
        None => Understood::No,
        Some(gender) if serving().any(|one| one.gender == gender) => Understood::ByInterpreter,
        Some(gender) if by_staff || serving().next().is_some() => Understood::NotBy(gender),
        Some(_) => Understood::No,
    }
}

const fn interpreter(gender: PlacementGender) -> &'static str {
    match gender {
        PlacementGender::Woman => "woman interpreter",
        PlacementGender::Man => "man interpreter",
        PlacementGender::Other => "interpreter of the gender asked for",
    }
}

fn any_of(needed: &[Tag], offered: &[Tag]) -> bool {
    needed.is_empty() || needed.iter().any(|tag| offered.contains(tag))
}
