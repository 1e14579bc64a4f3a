//! This project's own `ScalingGroup`.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::api::DynamicObject;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};
use setpoint::group::GroupSpec;
use setpoint_runtime::{Look, member_key};

use super::{Definition, Names, column};
use crate::condition::{ConditionType, Finding, Truth};
use crate::crd::{self, GROUP, VERSION};
use crate::status::{Since, native_status};
use crate::structural::structural;

pub(super) const NAMES: Names = Names {
    group: GROUP,
    version: VERSION,
    kind: "ScalingGroup",
    plural: "scalinggroups",
    singular: "scalinggroup",
    short: &["sg"],
};

pub(super) fn definition() -> Definition {
    Definition {
        description: "Workloads that scale together: at a ratio, by priority, within one budget.",
        columns: vec![
            column("Members", "string", ".spec.members[*].name"),
            column("Max", "integer", ".spec.maxReplicas"),
            column("Current", "integer", ".status.currentReplicas"),
            column("Desired", "integer", ".status.desiredReplicas"),
            ("Ready", "string", crd::condition_column(ConditionType::Ready)),
        ],
        spec: spec(),
        status: status_schema(),
    }
}

fn spec() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<GroupSpec>();
    let mut spec = structural(&schema.to_value());
    let members = &mut spec["properties"]["members"];
    members["minItems"] = 2.into();
    // More than any group has; rules over lists without a bound cost too much.
    members["maxItems"] = 16.into();
    members["x-kubernetes-list-type"] = "map".into();
    members["x-kubernetes-list-map-keys"] = json!(["name"]);
    crd::as_in_a_cluster(&mut members["items"]["properties"]["policy"]);
    spec
}

fn status_schema() -> Value {
    let mut member = crd::policy_status("");
    let fields = member["properties"].as_object_mut().expect("a status has fields");
    for of_the_whole in ["observedGeneration", "lastScaleTime", "conditions"] {
        fields.remove(of_the_whole);
    }
    fields.insert("name".to_owned(), crd::text("The member."));
    member["description"] = "What was last observed of a member, and decided for it.".into();
    crd::object(
        "What was last observed, decided and done.",
        json!({
            "observedGeneration": crd::count("The generation of the group that this is about."),
            "currentReplicas": crd::count("How many replicas were asked for, of all members together."),
            "desiredReplicas": crd::count("How many there should be, of all members together."),
            "lastScaleTime": crd::time("When a member's count was last changed by this group."),
            "members": crd::list("Each member, in the group's order.", member),
            "conditions": crd::conditions("Ready, Scaling, AlgorithmValid and MetricsAvailable: true where that is so for each member."),
        }),
    )
}

/// What an engine calls the members that the `object` called `key` names.
pub(super) fn member_keys(key: &str, object: &DynamicObject) -> Vec<String> {
    let members = object.data.pointer("/spec/members").and_then(Value::as_array).into_iter().flatten();
    members.filter_map(|member| Some(member_key(key, member["name"].as_str()?))).collect()
}

/// What the member that was looked at is called in its group.
pub(crate) fn member_name(look: &Look) -> &str {
    look.key.rsplit('/').next().unwrap_or_default()
}

/// Whether all of `members` that are looked at were, now that `member` is; then `awaited` are those of the next round.
pub(crate) fn is_round_over(awaited: &mut BTreeSet<String>, members: &[String], member: &str) -> bool {
    let is_of_this_round = awaited.remove(member);
    if is_of_this_round && !awaited.is_empty() {
        return false;
    }
    *awaited = members.iter().cloned().collect();
    if !is_of_this_round {
        // Twice before all are through: somebody isn't looked at any more, and this look is the next round's first.
        awaited.remove(member);
    }
    true
}

/// The status after `looks` at the members, but for its conditions.
pub(crate) fn status(looks: &[Arc<Look>], since: &Since) -> Value {
    // What isn't known of one isn't known of all.
    let sum = |count: fn(&Look) -> Option<u32>| looks.iter().map(|look| count(look)).sum::<Option<u32>>();
    let member = |look: &Arc<Look>| {
        let mut status = native_status(look, &Since::default());
        status["name"] = json!(member_name(look));
        status
    };
    let mut status = json!({
        "currentReplicas": sum(|look| look.count.map(|count| count.asked)),
        "desiredReplicas": sum(|look| look.decision.map(|decision| decision.desired)),
        "members": looks.iter().map(member).collect::<Vec<_>>(),
    });
    if let Some(at) = since.last_scale {
        status["lastScaleTime"] = json!(at);
    }
    status
}

/// What is so of the whole, by what is so of each member: true where it is for all who say, and else what the first says for
/// whom it isn't.
pub(crate) fn of_all(members: &[(String, Vec<Finding>)]) -> Vec<Finding> {
    let mut of_all: Vec<Finding> = Vec::new();
    for (name, findings) in members {
        for finding in findings {
            let mut finding = finding.clone();
            if finding.status != Truth::True {
                finding.message = format!("{name}: {}", finding.message);
            }
            match of_all.iter_mut().find(|known| known.kind == finding.kind) {
                None => of_all.push(finding),
                Some(known) if known.status == Truth::True => *known = finding,
                Some(_) => {}
            }
        }
    }
    of_all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_with_its_last_look_also_after_one_that_somebody_missed() {
        let members = ["prefill", "decode"].map(ToOwned::to_owned);
        let mut awaited = BTreeSet::from(members.clone());
        let rows = [
            ("prefill", false),
            ("decode", true),
            ("prefill", false),
            // Decode was let go meanwhile.
            ("prefill", true),
            ("decode", true),
            ("decode", false),
            ("prefill", true),
        ];
        for (row, (member, want)) in rows.into_iter().enumerate() {
            assert_eq!(is_round_over(&mut awaited, &members, member), want, "look {row}, at {member}");
        }
    }

    #[test]
    fn a_condition_is_true_where_it_is_for_each_member_that_says() {
        use ConditionType::{MetricsAvailable, Ready, Scaling};
        let is_so = |kind| Finding::new(kind, Truth::True, "Fine", "fine");
        let not = |kind, why: &str| Finding::new(kind, Truth::False, "Broken", why);
        let members = [
            ("prefill".to_owned(), vec![is_so(Ready), is_so(Scaling)]),
            ("decode".to_owned(), vec![not(Ready, "gone"), is_so(Scaling), not(MetricsAvailable, "no kv")]),
            ("router".to_owned(), vec![not(Ready, "gone too"), is_so(Scaling), is_so(MetricsAvailable)]),
        ];
        let want = [not(Ready, "decode: gone"), is_so(Scaling), not(MetricsAvailable, "decode: no kv")];
        assert_eq!(of_all(&members), want);
    }
}
