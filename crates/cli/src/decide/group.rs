//! `setpoint decide` of a group: all members at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use setpoint::group::GroupMember;
use setpoint::{AlgorithmManager, Group, Observation, Trace, parse_config};

use super::decided::Decided;
use super::observation::Observed;
use super::{each_line, explain, stored};
use crate::catalog::Catalog;
use crate::cli::DecideArguments;
use crate::document::Document;
use crate::error::BadInput;
use crate::measured::{self, Measured};
use crate::output::{self, BOLD};

/// What was observed of a group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupObserved {
    now_ms: i64,
    members: BTreeMap<String, Map<String, Value>>,
}

/// What was decided for a group.
#[derive(Debug, Serialize)]
struct GroupDecided<'a> {
    now_ms: i64,
    /// In the document's order.
    members: Vec<MemberDecided<'a>>,
}

#[derive(Debug, Serialize)]
struct MemberDecided<'a> {
    member: &'a str,
    #[serde(flatten)]
    decided: Decided,
}

pub(super) fn run(arguments: &DecideArguments, catalog: &mut Catalog, document: &Document) -> Result<(), BadInput> {
    let group_document = catalog.read_group(document, &arguments.policy).map_err(|error| document.error(&error))?;
    let members = &group_document.spec.members;
    let mut manager = AlgorithmManager::with_registry(catalog.registry().clone());
    let mut group =
        Group::new(&group_document.spec, &mut manager).map_err(|error| document.error(&error.under("spec")))?;
    if let Some((path, state)) = stored(arguments.state.as_deref())? {
        group.restore(&mut manager, &state).map_err(|error| BadInput::at(path.display(), error))?;
    }
    let mut out = String::new();
    let mut traces: Vec<Trace> = members.iter().map(|_| Trace::new()).collect();
    each_line(&arguments.observations, |place, line| {
        let (now_ms, observed) = parse(line, members).map_err(|problem| BadInput::at(place, problem))?;
        let measured: Vec<Vec<Measured>> =
            observed.iter().zip(members).map(|(it, member)| it.measured(&member.policy.metrics)).collect();
        let instances: Vec<_> = observed.iter().map(Observed::instances).collect();
        let samples: Vec<_> = measured.iter().map(|it| measured::samples(it)).collect();
        let readings: Vec<_> =
            measured.iter().zip(&samples).map(|(it, samples)| measured::readings(it, samples)).collect();
        let looks: Vec<Observation<'_>> = observed
            .iter()
            .zip(&readings)
            .zip(&instances)
            .map(|((it, readings), instances)| it.look(readings, instances.as_deref()))
            .collect();
        let decisions = group
            .decide(&mut manager, &looks, &mut traces)
            .expect("there is a look for each member, and a reading for each of its metrics");
        let each = members.iter().zip(&decisions).zip(&looks).zip(&traces);
        let decided = each.map(|(((member, decision), look), trace)| MemberDecided {
            member: &member.name,
            decided: Decided::new(decision, look, &member.policy.metrics, trace),
        });
        let decided = GroupDecided { now_ms, members: decided.collect() };
        if arguments.json {
            out.push_str(&serde_json::to_string(&decided).expect("a decision is plain data"));
            out.push('\n');
        } else {
            for MemberDecided { member, decided } in &decided.members {
                let (bold, reset) = (BOLD.render(), BOLD.render_reset());
                let _ = write!(out, "{bold}{member}{reset} ");
                if arguments.explain { explain::whole(decided, &mut out) } else { explain::steps(decided, &mut out) }
            }
        }
        Ok(())
    })?;
    if let Some(path) = &arguments.state {
        let state = group.snapshot(&mut manager).map_err(|error| BadInput::at(path.display(), error))?;
        output::replace(path, &state)?;
    }
    output::print(&out)
}

/// One look a member, in their order.
fn parse(line: &str, members: &[GroupMember]) -> Result<(i64, Vec<Observed>), String> {
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let GroupObserved { now_ms, members: mut told } = parse_config(&value).map_err(|error| error.to_string())?;
    let mut observed = Vec::with_capacity(members.len());
    for GroupMember { name, .. } in members {
        let mut own = told.remove(name).ok_or_else(|| format!("members: nothing is told of `{name}`"))?;
        own.insert("now_ms".to_owned(), now_ms.into());
        let line = Value::Object(own).to_string();
        observed.push(Observed::parse(&line).map_err(|error| format!("members.{name}: {error}"))?);
    }
    match told.keys().next() {
        Some(stranger) => Err(format!("members.{stranger}: the group has no such member")),
        None => Ok((now_ms, observed)),
    }
}
