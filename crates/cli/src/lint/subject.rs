//! A policy as the rules look at it.

use serde_json::Value;
use setpoint::aibrix::{Apa, Kpa};
use setpoint::hpa::{Manifest, ScalingRules, SelectPolicy};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Behavior, CappedSmoothRatioConfig, ConfigError, Direction, Policy, PolicySpec,
    Registry, Restrained, ScalingAlgorithm, StageSpec, Watermark, parse_config,
};
use setpoint_dialects::Dialect;

use crate::document::Document;

/// A policy that can be made, and where its parts stand in the document.
pub(super) struct Subject {
    pub(super) spec: PolicySpec,
    /// A manifest has the same `behavior`, and other fields for the rest.
    pub(super) is_manifest: bool,
    /// Whether the document says in which period a rate is. In a request for an autoscaler a rate is of one look.
    pub(super) has_periods: bool,
    /// Each `behavior`, with its field.
    pub(super) behaviors: Vec<(String, Behavior)>,
}

/// One direction of a `behavior`, as written.
pub(super) struct Rules<'a> {
    /// The direction's field.
    pub(super) field: String,
    pub(super) direction: Direction,
    pub(super) written: &'a ScalingRules,
}

impl Rules<'_> {
    /// Whether the direction is switched off.
    pub(super) fn is_off(&self) -> bool {
        self.written.select_policy == Some(SelectPolicy::Disabled)
    }

    /// Whether the policies are those that hold where none are written. An API server writes them into each manifest
    /// that it hands out: they are nobody's mistake.
    pub(super) fn has_default_policies(&self) -> bool {
        let Behavior { scale_up, scale_down } = Behavior::default().defaulted();
        let default = match self.direction {
            Direction::Up => scale_up,
            Direction::Down => scale_down,
        };
        self.written.select_policy != Some(SelectPolicy::Min)
            && default.is_some_and(|default| default.policies == self.written.policies)
    }
}

/// A configuration: the algorithm's, that of one inside a combinator, or a stage's.
pub(super) struct Part<'a> {
    /// The configuration's field.
    pub(super) field: String,
    /// The name it is registered by. A plugin has none.
    pub(super) name: Option<&'a str>,
    pub(super) kind: PartKind,
    pub(super) config: &'a Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    Algorithm,
    Stage,
}

/// The library's own algorithms that multiply a ratio, with one `tolerance` for both directions.
const OF_RATIOS: [&str; 5] =
    ["average-ratio", CappedSmoothRatioConfig::NAME, setpoint::Hpa::NAME, "max-ratio", "weighted-ratio"];

/// Those with a tolerance for each direction, around the count.
const OF_NEEDS: [&str; 2] = [Apa::NAME, Kpa::NAME];

impl Subject {
    pub(super) fn new(document: &Document, policy: Policy, registry: &Registry) -> Result<Self, ConfigError> {
        let spec = policy.spec;
        // What the manager refuses no rule needs to look at.
        AlgorithmManager::with_registry(registry.clone()).add(&spec)?;
        let mut behaviors = Vec::new();
        for (index, stage) in spec.stages.iter().enumerate() {
            if stage.name == Restrained::<Box<dyn ScalingAlgorithm>>::NAME {
                behaviors.push((format!("spec.stages[{index}].{}", stage.name), parse_config(&stage.config)?));
            }
        }
        if let Some(behavior) = &spec.behavior {
            behaviors.push(("spec.behavior".to_owned(), behavior.clone()));
        }
        let has_periods = !matches!(Dialect::of(document.value()), Ok(Dialect::Storage));
        Ok(Self { spec, is_manifest: Manifest::is_one(document.value()), has_periods, behaviors })
    }

    /// The directions that are written down.
    pub(super) fn rules(&self) -> impl Iterator<Item = Rules<'_>> {
        self.behaviors.iter().flat_map(|(field, behavior)| {
            let both =
                [(Direction::Up, "scaleUp", &behavior.scale_up), (Direction::Down, "scaleDown", &behavior.scale_down)];
            both.into_iter().filter_map(move |(direction, name, rules)| {
                let written = rules.as_ref()?;
                Some(Rules { field: format!("{field}.{name}"), direction, written })
            })
        })
    }

    /// Whether `direction` is switched off.
    pub(super) fn is_off(&self, direction: Direction) -> bool {
        self.rules().any(|rules| rules.direction == direction && rules.is_off())
    }

    /// Whether the algorithm is the library's own, and multiplies a ratio that has a tolerance.
    pub(super) fn is_of_ratios(&self) -> bool {
        self.spec.algorithm.name.as_deref().is_some_and(|name| OF_RATIOS.contains(&name))
    }

    /// Whether there is an algorithm whose tolerance `behavior` can set.
    pub(super) fn takes_tolerance(&self) -> bool {
        let takes = |name| OF_RATIOS.contains(&name) || OF_NEEDS.contains(&name) || name == Watermark::NAME;
        self.parts().iter().any(|part| part.kind == PartKind::Algorithm && part.name.is_some_and(takes))
    }

    /// Everything that is configured: the algorithm, those inside it, and all stages.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        add_parts("spec", &self.spec.algorithm, &self.spec.stages, &mut parts);
        parts
    }

    pub(super) fn is_algorithm(&self, name: &str) -> bool {
        self.spec.algorithm.name.as_deref() == Some(name)
    }

    /// A field of the algorithm's configuration, if it is written.
    pub(super) fn config(&self, field: &str) -> Option<&Value> {
        self.spec.algorithm.config.get(field)
    }

    /// How far what is needed may be from what there is in `direction`, as a part of it, and the field that says so.
    pub(super) fn tolerance(&self, direction: Direction) -> Option<(f64, String)> {
        let each = self.spec.algorithm.name.as_deref().is_some_and(|name| OF_NEEDS.contains(&name));
        let name = match (self.is_of_ratios(), direction) {
            (true, _) => "tolerance",
            // AIBrix's own arithmetic compares something else.
            (false, _) if !each || self.config("exact") == Some(&true.into()) => return None,
            (false, Direction::Up) => "scaleUpTolerance",
            (false, Direction::Down) => "scaleDownTolerance",
        };
        // The innermost `behavior` around the algorithm has its say last.
        let own = self.rules().filter(|rules| rules.direction == direction).find_map(|rules| {
            let tolerance = rules.written.tolerance?;
            Some((tolerance.approximate(), format!("{}.tolerance", rules.field)))
        });
        own.or_else(|| {
            let written = self.config(name).map(|value| serde_json::from_value::<setpoint::Tolerance>(value.clone()));
            match written {
                Some(written) => Some((written.ok()?.get(), format!("spec.algorithm.config.{name}"))),
                None => {
                    let field = if self.is_manifest { "spec.behavior" } else { "spec.algorithm" };
                    Some((setpoint::Tolerance::default().get(), field.to_owned()))
                }
            }
        })
    }
}

fn add_parts<'a>(path: &str, algorithm: &'a AlgorithmSpec, stages: &'a [StageSpec], parts: &mut Vec<Part<'a>>) {
    parts.push(Part {
        field: format!("{path}.algorithm.config"),
        name: algorithm.name.as_deref(),
        kind: PartKind::Algorithm,
        config: &algorithm.config,
    });
    for (index, member) in algorithm.of.iter().enumerate() {
        add_parts(&format!("{path}.algorithm.of[{index}]"), &member.algorithm, &member.stages, parts);
    }
    parts.extend(stages.iter().enumerate().map(|(index, stage)| Part {
        field: format!("{path}.stages[{index}].{}", stage.name),
        name: Some(&stage.name),
        kind: PartKind::Stage,
        config: &stage.config,
    }));
}
