//! `setpoint decide` of a group: all members at once.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use setpoint::group::GroupMember;
use setpoint::{AlgorithmManager, Group, Observation, Registry, Trace};

use super::decided::Decided;
use super::measurement::{Measurement, measurements};
use super::observation::{Observed, Once, Told, read};
use super::{each_line, explain, stored};
use crate::catalog::LoadedGroup;
use crate::cli::DecideArguments;
use crate::error::BadInput;
use crate::measured::{self, Measured};
use crate::output::{self, BOLD};

/// What was observed of a group.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupObserved {
    now_ms: i64,
    members: Once<Told>,
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
    decided: Decided<'a>,
}

pub(super) fn run(arguments: &DecideArguments, registry: &Registry, loaded: &LoadedGroup) -> Result<(), BadInput> {
    let members = &loaded.group().spec.members;
    let mut manager = AlgorithmManager::with_registry(registry.clone());
    let mut group =
        Group::new(&loaded.group().spec, &mut manager).map_err(|error| loaded.error(&error.under("spec")))?;
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
        let each = || members.iter().zip(&decisions).zip(&looks).zip(&traces);
        if arguments.json {
            let told: Vec<Vec<Measurement<'_>>> =
                each().map(|(((member, _), look), trace)| measurements(&member.policy.metrics, look, trace)).collect();
            let members = each().zip(&told).map(|((((member, decision), _), trace), told)| MemberDecided {
                member: &member.name,
                decided: Decided::new(decision, told, &member.policy.metrics, trace),
            });
            let decided = GroupDecided { now_ms, members: members.collect() };
            out.push_str(&serde_json::to_string(&decided).expect("a decision is plain data"));
            out.push('\n');
            return Ok(());
        }
        for (((GroupMember { name, policy, .. }, decision), look), trace) in each() {
            let metrics = &policy.metrics;
            let (bold, reset) = (BOLD.render(), BOLD.render_reset());
            let _ = write!(out, "{bold}{name}{reset} ");
            if arguments.explain {
                explain::whole(decision, &measurements(metrics, look, trace), metrics, trace, &mut out);
            } else {
                explain::steps(decision, metrics, trace, &mut out);
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
    let GroupObserved { now_ms, members: Once(mut told) } = read(line)?;
    let mut observed = Vec::with_capacity(members.len());
    for GroupMember { name, .. } in members {
        let own = told.remove(name).ok_or_else(|| format!("members: nothing is told of `{name}`"))?;
        observed.push(Observed::of_member(own, now_ms).map_err(|error| format!("members.{name}.{error}"))?);
    }
    match told.keys().next() {
        Some(stranger) => Err(format!("members.{stranger}: the group has no such member")),
        None => Ok((now_ms, observed)),
    }
}
