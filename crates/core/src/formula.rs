//! `formula`: several readings, one number, one target.
//!
//! A formula is an expression over the policy's metrics by name, in a subset of the language that KEDA's
//! `scalingModifiers` are written in ([expr](https://expr-lang.org)):
//!
//! | what | how |
//! |---|---|
//! | numbers, metrics | `2`, `0.5`, `queue`; `true`, `false` |
//! | arithmetic | `+ - * / %`, and `**` or `^` for powers with a whole exponent |
//! | comparisons | `< <= > >= == !=` |
//! | logic | `and or not`, `&& \|\| !`, `condition ? this : that` |
//! | functions | `abs ceil floor round int float`, `min max sum mean median` of several or of a list |
//! | counting | `count([a, b, c], {# > 5})`, `any(…)`, `all(…)`, `none(…)`, and `len([…])` |
//!
//! A name with other characters than letters, digits and `_` can't be written. What isn't in the table is an error
//! that says where. A formula reads only what it needs: of `a > 1 ? b : c` either `b` or `c`. If a metric that it reads
//! has no usable reading, or the number that comes out is not finite, there is no reading at all.

mod expression;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::expression::{Expression, NoNumber};
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::EvaluateError;
use crate::hpa::{Hpa, HpaConfig};
use crate::metric::{Metric, Reading, Target};
use crate::observation::Observation;
use crate::proposal::Proposal;
use crate::state::StateError;
use crate::trace::Trace;
use crate::units::Tolerance;

/// Configuration of [`Formula`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormulaConfig {
    /// The expression, such as `(trig_one + trig_two) / 2`.
    pub formula: String,
    /// What its number should be: `{ averageValue: 5 }` for so much a replica, `{ value: 5 }` whatever their number.
    pub target: Target,
    /// How far a ratio may be from 1 before anything is done. Default 0.1.
    #[serde(default)]
    pub tolerance: Tolerance,
}

/// Makes one number of several readings, and of that number what HPA makes of an external metric.
///
/// The metrics' own targets are not looked at. Where the formula has no number the count is kept.
///
/// ```
/// use serde_json::json;
/// use setpoint::{AlgorithmManager, Observation, PolicySpec, Reading, Timestamp, Trace};
///
/// let spec: PolicySpec = serde_json::from_value(json!({
///     "maxReplicas": 20,
///     "metrics": [
///         { "name": "waiting", "target": { "value": 1 } },
///         { "name": "running", "target": { "value": 1 } },
///     ],
///     "algorithm": { "name": "formula", "config": {
///         "formula": "waiting > 100 ? waiting : waiting + running / 2",
///         "target": { "averageValue": 5 },
///     } },
/// }))?;
/// let mut manager = AlgorithmManager::new();
/// let workload = manager.add(&spec)?;
/// let readings = [Reading::Value(20.0), Reading::Value(16.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// // 20 + 16 / 2 is 28; 5 a replica makes 6.
/// assert_eq!(manager.decide(workload, &look, &mut Trace::off())?.desired, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Formula {
    text: String,
    expression: Expression,
    metrics: Box<[Metric]>,
    hpa: Hpa,
}

impl Formula {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = "formula";

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a formula that isn't one: with the place, what was found, and what is known.
    pub fn new(metrics: &[Metric], config: &FormulaConfig) -> Result<Self, ConfigError> {
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
        let expression = Expression::parse(&config.formula, &names).map_err(|error| error.under("formula"))?;
        if matches!(config.target, Target::Utilization(_)) {
            return Err(ConfigError::new(
                "target",
                "must be averageValue or value: a formula's number is no percentage",
            ));
        }
        let composite = Metric::new(Self::NAME, config.target);
        let hpa = HpaConfig { tolerance: config.tolerance, ..HpaConfig::default() };
        Ok(Self {
            text: config.formula.clone(),
            expression,
            metrics: metrics.into(),
            hpa: Hpa::new(std::slice::from_ref(&composite), &hpa)?,
        })
    }
}

impl ScalingAlgorithm for Formula {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let metrics = &self.metrics;
        let read = |index: usize| {
            let reading = look.readings.get(index).copied()?;
            metrics.get(index)?.value(reading, look)
        };
        let current = f64::from(look.current);
        let reading = match self.expression.evaluate(&read) {
            Ok(number) => {
                trace.note(Self::NAME, current, current, format_args!("{} is {number}", self.text));
                Reading::Value(number)
            }
            Err(NoNumber::Unusable(index)) => {
                let name = metrics.get(index).map_or("a metric", |metric| metric.name.as_str());
                trace.note(Self::NAME, current, current, format_args!("{name} has no usable reading"));
                Reading::Missing("a metric of the formula has no usable reading")
            }
            Err(NoNumber::NotFinite) => Reading::Invalid("the formula's number is not finite"),
        };
        let readings = [reading];
        let mark = trace.mark();
        let proposal = self.hpa.evaluate(&look.with_readings(&readings), trace);
        // It is about none of the policy's metrics.
        trace.renumber(mark, &[usize::MAX]);
        proposal
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        self.hpa.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        self.hpa.restore(state)
    }
}
