//! What a policy may grant an algorithm beyond its observations.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, near_miss};
use crate::metric::Metric;

/// A power that a policy grants an algorithm: `capabilities: [log]`. The library's own algorithms take none; a plugin
/// has none that its policy does not name.
///
/// ```
/// use setpoint::{AlgorithmSpec, Capability, parse_config};
/// let spec: AlgorithmSpec = parse_config(&serde_json::json!({ "name": "chatty", "capabilities": ["log"] }))?;
/// assert!(spec.capabilities.contains(&Capability::Log));
/// let error = parse_config::<AlgorithmSpec>(&serde_json::json!({ "name": "x", "capabilities": ["network"] })).unwrap_err();
/// assert_eq!(error.message, "unknown value `network`; known: `clock`, `random`, `log`");
/// # Ok::<(), setpoint::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Capability {
    /// The machine's clocks. Without it time is the observation's `now`, and stands still during a call.
    Clock,
    /// Random numbers from the operating system. Without it the same numbers come at each call.
    Random,
    /// Lines in the host's log.
    Log,
}

impl Capability {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Clock, Self::Random, Self::Log];
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Log => "log",
        })
    }
}

/// What an algorithm asks of the policies that name it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Needs<'a> {
    /// The metrics that a policy must have.
    pub metrics: Cow<'a, [MetricNeed]>,
    /// What a policy may grant.
    pub takes: Cow<'a, [Capability]>,
    /// What a policy must grant, and why.
    pub requires: Cow<'a, [(Capability, String)]>,
}

/// A metric that a policy must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricNeed {
    /// Its name.
    pub name: String,
    /// What it measures and in which unit.
    pub meaning: String,
}

impl<'a> Needs<'a> {
    /// Needs these metrics, may be granted `takes`, and must be granted what `requires` lists.
    #[must_use]
    pub const fn new(metrics: &'a [MetricNeed], takes: &'a [Capability], requires: &'a [(Capability, String)]) -> Self {
        Self { metrics: Cow::Borrowed(metrics), takes: Cow::Borrowed(takes), requires: Cow::Borrowed(requires) }
    }

    /// The same, of an algorithm that another may take the place of meanwhile.
    #[must_use]
    pub fn into_owned(self) -> Needs<'static> {
        Needs {
            metrics: Cow::Owned(self.metrics.into_owned()),
            takes: Cow::Owned(self.takes.into_owned()),
            requires: Cow::Owned(self.requires.into_owned()),
        }
    }

    /// Whether a policy with `metrics` that grants `granted` gives the algorithm called `name` what it needs, and nothing
    /// that it doesn't take.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from the algorithm's own root, saying what to write.
    pub fn check(&self, name: &str, metrics: &[Metric], granted: &BTreeSet<Capability>) -> Result<(), ConfigError> {
        if let Some(other) = granted.iter().find(|capability| !self.takes.contains(capability)) {
            let takes: Vec<String> = self.takes.iter().map(|takes| format!("`{takes}`")).collect();
            let message = match &*self.takes {
                [] => format!("{name} takes no capabilities"),
                _ => format!("{name} does not take `{other}`; it takes {}", takes.join(", ")),
            };
            return Err(ConfigError::new("capabilities", message));
        }
        if let Some((missing, why)) = self.requires.iter().find(|(needed, _)| !granted.contains(needed)) {
            let message = format!("{name} {why}, and the policy does not grant it: write `capabilities: [{missing}]`");
            return Err(ConfigError::new("capabilities", message));
        }
        let has = |need: &str| metrics.iter().any(|metric| metric.name == need);
        if let Some(missing) = self.metrics.iter().find(|need| !has(&need.name)) {
            let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
            let near = near_miss(&missing.name, &known);
            let message = format!("{name} needs a metric called `{}` ({}); {near}", missing.name, missing.meaning);
            return Err(ConfigError::new("", message));
        }
        Ok(())
    }
}
