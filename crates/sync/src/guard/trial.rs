//! Step 4 for facts and step 5 for all: a change is tried on a copy before anything is kept.
//!
//! A change that only adds facts is judged from itself and what is known of its facts, without loading the document.

use super::{Code, Effect, NewFact, Refusal, Rules, View, grammar};
use crate::change::RawChange;
use crate::document::{ChangeHash, DocumentKey};
use crate::fact::{decode_foreign, encode};
use crate::genesis;
use crate::reading::{Reading, read_household};
use automerge::legacy::{Key, ObjectId, OpType};
use automerge::{Automerge, Change, ScalarValue};
use gridwork_domain::id::FactId;
use gridwork_domain::visit::{Fact, FactBody};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The facts of a change that were not known.
pub(super) fn facts<V: View>(
    view: &V,
    rules: &Rules<'_>,
    key: &DocumentKey,
    change: &Change,
) -> Result<Result<Vec<NewFact>, Refusal>, V::Error> {
    let offered = match offered_facts(key, change) {
        Ok(offered) => offered,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut new = Vec::new();
    for NewFact { fact, bytes } in offered {
        if let Err(refusal) = check_year(rules, key, &fact) {
            return Ok(Err(refusal));
        }
        match view.fact(key, fact.id)? {
            Some(known) if known == bytes => continue,
            Some(_) => {
                let detail = format!("the fact {} is known with other content, and facts never change", fact.id);
                return Ok(Err(Refusal::new(Code::FactForged, detail)));
            }
            None => {}
        }
        if let FactBody::Correction { corrects, .. } = fact.body
            && !is_visit(view.fact(key, corrects)?, corrects, key)
        {
            let detail = format!("there is no visit {corrects} in this document to correct");
            return Ok(Err(Refusal::new(Code::NothingToCorrect, detail)));
        }
        new.push(NewFact { fact, bytes });
    }
    if !new.is_empty() && view.fact_count(key)? + new.len() > rules.facts {
        let detail = format!("a household's year holds at most {} facts", rules.facts);
        return Ok(Err(Refusal::new(Code::DocumentFull, detail)));
    }
    Ok(Ok(new))
}

fn offered_facts(key: &DocumentKey, change: &Change) -> Result<Vec<NewFact>, Refusal> {
    let mut ids = BTreeSet::new();
    let mut facts = Vec::new();
    for op in change.decode().operations {
        let (OpType::Put(ScalarValue::Bytes(bytes)), Key::Map(name), false) = (&op.action, &op.key, op.insert) else {
            return Err(Refusal::new(Code::Operation, "facts are put as bytes, nothing else"));
        };
        if op.obj != ObjectId::Root {
            return Err(Refusal::new(Code::Object, "facts lie at the root"));
        }
        let id: FactId =
            name.parse().map_err(|_| Refusal::new(Code::Key, format!("{name} is not the id of a fact")))?;
        if !op.pred.is_empty() {
            return Err(Refusal::new(Code::Predecessors, "a fact replaces nothing"));
        }
        if !ids.insert(id) {
            return Err(Refusal::new(Code::Twice, format!("the fact {id} stands twice in one change")));
        }
        let fact = decode_foreign(id, bytes, key).map_err(|error| Refusal::new(Code::Fact, error.to_string()))?;
        debug_assert_eq!(encode(&fact, key), *bytes);
        facts.push(NewFact { fact, bytes: bytes.clone() });
    }
    Ok(facts)
}

/// A fact lies in the document of its year, from the retention floor to next year; a correction lies where the fact
/// lies that it corrects.
fn check_year(rules: &Rules<'_>, key: &DocumentKey, fact: &Fact) -> Result<(), Refusal> {
    let year = key.id.year();
    let this_year = rules.now.year_in_shanghai().unwrap_or(u16::MAX);
    if !(rules.earliest_year..=this_year.saturating_add(1)).contains(&year) {
        let detail = format!("facts are kept from {} to next year, this one is of {year}", rules.earliest_year);
        return Err(Refusal::new(Code::Year, detail));
    }
    let is_correction = matches!(fact.body, FactBody::Correction { .. });
    if !is_correction && fact.happened_at().year_in_shanghai() != Some(year) {
        return Err(Refusal::new(Code::Year, format!("the fact is not of the year {year} of its document")));
    }
    Ok(())
}

fn is_visit(bytes: Option<Vec<u8>>, id: FactId, key: &DocumentKey) -> bool {
    let fact = bytes.and_then(|bytes| crate::fact::decode(id, &bytes, key).ok());
    fact.is_some_and(|fact| matches!(fact.body, FactBody::Visit(_)))
}

/// Tries a change on a household document; `None` begins a new one.
pub(super) fn household(
    rules: &Rules<'_>,
    key: &DocumentKey,
    document: Option<Automerge>,
    change: &Change,
) -> Result<(Vec<RawChange>, Effect), Refusal> {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        let mut current = document.unwrap_or_else(genesis::empty);
        let missing = genesis::add_missing(rules.schema, key, &mut current);
        if current.get_heads() == change.deps() {
            grammar::check(rules, key, &current, &current, change)?;
        } else {
            let mut seen = current.fork_at(change.deps()).map_err(|error| failed(&error))?;
            grammar::check(rules, key, &seen, &current, change)?;
            seen.apply_changes([change.clone()]).map_err(|error| failed(&error))?;
            if seen.get_heads() != [change.hash()] {
                return Err(failed(&"it does not apply to what it depends on"));
            }
        }
        let (snapshot, heads, reading) = apply(rules, key, current, change)?;
        let later = missing.iter().filter(|change| change.seq() > 1);
        let genesis = later.filter_map(RawChange::of).collect();
        Ok((genesis, Effect::Household { snapshot, heads, reading: Box::new(reading) }))
    }));
    tried.unwrap_or_else(|_| Err(Refusal::new(Code::Trial, "the library gave up on this change")))
}

fn apply(
    rules: &Rules<'_>,
    key: &DocumentKey,
    mut current: Automerge,
    change: &Change,
) -> Result<(Vec<u8>, Vec<ChangeHash>, Reading), Refusal> {
    current.apply_changes([change.clone()]).map_err(|error| failed(&error))?;
    let snapshot = current.save_nocompress();
    if snapshot.len() > rules.document_bytes {
        let detail = format!("the document would have more than {} bytes", rules.document_bytes);
        return Err(Refusal::new(Code::DocumentFull, detail));
    }
    let loaded = Automerge::load(&snapshot).map_err(|error| failed(&error))?;
    let heads = current.get_heads();
    if loaded.get_heads() != heads || !heads.contains(&change.hash()) {
        return Err(failed(&"the document does not load as it was saved"));
    }
    let reading = read_household(rules.schema, key, &loaded).map_err(|error| failed(&error))?;
    Ok((snapshot, heads.into_iter().map(Into::into).collect(), reading))
}

fn failed(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::Trial, error.to_string())
}
