//! A policy as the rules look at it.

use serde_json::Value;
use setpoint::hpa::{Manifest, ScalingRules, SelectPolicy};
use setpoint::{
    AlgorithmManager, Behavior, CappedSmoothRatioConfig, ConfigError, Direction, Policy, PolicySpec, Registry,
    Restrained, ScalingAlgorithm, parse_config,
};

use crate::document::Document;

/// A policy that can be made, and where its parts stand in the document.
pub(super) struct Subject {
    pub(super) spec: PolicySpec,
    /// A manifest has the same `behavior`, and other fields for the rest.
    pub(super) is_manifest: bool,
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

/// The algorithms whose tolerance `behavior` can set.
const TOLERANT: [&str; 5] =
    ["average-ratio", CappedSmoothRatioConfig::NAME, setpoint::Hpa::NAME, "max-ratio", "weighted-ratio"];

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
        Ok(Self { spec, is_manifest: Manifest::is_one(document.value()), behaviors })
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
    pub(super) fn is_tolerant(&self) -> bool {
        self.spec.algorithm.name.as_deref().is_some_and(|name| TOLERANT.contains(&name))
    }

    pub(super) fn is_algorithm(&self, name: &str) -> bool {
        self.spec.algorithm.name.as_deref() == Some(name)
    }

    /// A field of the algorithm's configuration, if it is written.
    pub(super) fn config(&self, field: &str) -> Option<&Value> {
        self.spec.algorithm.config.get(field)
    }

    /// How far a ratio may be from 1 in `direction`, and the field that says so.
    pub(super) fn tolerance(&self, direction: Direction) -> Option<(f64, String)> {
        if !self.is_tolerant() {
            return None;
        }
        // The innermost `behavior` around the algorithm has its say last.
        let own = self.rules().filter(|rules| rules.direction == direction).find_map(|rules| {
            let tolerance = rules.written.tolerance?;
            Some((tolerance.approximate(), format!("{}.tolerance", rules.field)))
        });
        own.or_else(|| {
            let written =
                self.config("tolerance").map(|value| serde_json::from_value::<setpoint::Tolerance>(value.clone()));
            match written {
                Some(written) => Some((written.ok()?.get(), "spec.algorithm.config.tolerance".to_owned())),
                None => {
                    let field = if self.is_manifest { "spec.behavior" } else { "spec.algorithm" };
                    Some((setpoint::Tolerance::default().get(), field.to_owned()))
                }
            }
        })
    }
}
