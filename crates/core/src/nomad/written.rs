//! A check's strategy as Nomad's policies write it: a map of strings, whose mistakes show only when the check runs.
//!
//! Nomad Autoscaler: the `Run` and `parseConfig` of each plugins/builtin/strategy/*/plugin/plugin.go; its words for what
//! is wrong. Hexadecimal numbers, which Go reads too, are not read here.

use std::collections::BTreeMap;

use super::fixed_value::FixedValue;
use super::pass_through::PassThrough;
use super::strategy::{Judgement, Steps, Strategy};
use super::target_value::TargetValue;
use super::threshold::{Step, Threshold};

/// What is wrong with a strategy, in Nomad's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StrategyError(String);

/// A strategy from strings. It is exact: this is for policies that are Nomad's own.
///
/// ```
/// use setpoint::nomad::Written;
/// let config = |target: &str| [("target".to_owned(), target.to_owned())].into();
/// assert!(Written::new("target-value", &config("70")).strategy().is_ok());
/// let error = Written::new("target-value", &config("ten")).strategy().unwrap_err();
/// assert_eq!(error.to_string(), "invalid value for `target`: ten (string)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    strategy: Result<Strategy, StrategyError>,
    /// Whether it looks for points before it reads its configuration.
    points_first: bool,
}

impl Written {
    /// The strategy that Nomad calls `name`.
    #[must_use]
    pub fn new(name: &str, config: &BTreeMap<String, String>) -> Self {
        let read = Config(config);
        let (strategy, points_first) = match name {
            "target-value" => (read.target_value(), true),
            "threshold" => (read.threshold(), true),
            "pass-through" => (read.pass_through(), false),
            "fixed-value" => (read.fixed_value(), false),
            _ => (Err(StrategyError(format!("failed to get strategy {name}"))), false),
        };
        Self { strategy, points_first }
    }

    /// The strategy, or what is wrong with it.
    ///
    /// # Errors
    ///
    /// [`StrategyError`] in Nomad's words.
    pub fn strategy(&self) -> Result<Strategy, StrategyError> {
        self.strategy.clone()
    }

    /// Whether it looks at what was measured, right or wrong as it is.
    #[must_use]
    pub fn needs_points(name: &str) -> bool {
        name != "fixed-value"
    }

    /// The vote at `count`, or none without points: in some strategies before, in some after a mistake shows.
    ///
    /// # Errors
    ///
    /// [`StrategyError`] in Nomad's words.
    pub fn judge(&self, count: i64, points: &[f64]) -> Result<Option<Judgement>, StrategyError> {
        match &self.strategy {
            _ if self.points_first && points.is_empty() => Ok(None),
            Ok(strategy) => Ok(strategy.judge(count, points)),
            Err(error) => Err(error.clone()),
        }
    }
}

struct Config<'a>(&'a BTreeMap<String, String>);

impl Config<'_> {
    /// What is written, where anything is.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn float(&self, key: &str) -> Result<Option<f64>, StrategyError> {
        self.get(key).map(|text| go_float(text).ok_or_else(|| invalid(&format!("`{key}`"), text))).transpose()
    }

    fn int(&self, key: &str) -> Result<Option<i64>, StrategyError> {
        self.get(key).map(|text| text.parse().map_err(|_| invalid(&format!("`{key}`"), text))).transpose()
    }

    fn steps(&self) -> Result<Steps, StrategyError> {
        Ok(Steps { up: self.int("max_scale_up")?, down: self.int("max_scale_down")? })
    }

    fn target_value(&self) -> Result<Strategy, StrategyError> {
        let target = self.float("target")?.ok_or_else(|| missing("target"))?;
        let threshold = self.float("threshold")?.unwrap_or(TargetValue::THRESHOLD);
        let mut strategy = TargetValue::new(target).with_threshold(threshold).exact();
        strategy.steps = self.steps()?;
        Ok(Strategy::TargetValue(strategy))
    }

    fn pass_through(&self) -> Result<Strategy, StrategyError> {
        let mut strategy = PassThrough::new().exact();
        strategy.steps = self.steps()?;
        Ok(Strategy::PassThrough(strategy))
    }

    fn fixed_value(&self) -> Result<Strategy, StrategyError> {
        let value = self.int("value")?.ok_or_else(|| missing("value"))?;
        Ok(Strategy::FixedValue(FixedValue::new(value)))
    }

    fn threshold(&self) -> Result<Strategy, StrategyError> {
        let error = |text: String| Err(StrategyError(text));
        if self.get("upper_bound").is_none() && self.get("lower_bound").is_none() {
            return error(r#"missing required field, must have either "lower_bound" or "upper_bound""#.to_owned());
        }
        let upper = self.bound("upper_bound")?.unwrap_or(f64::INFINITY);
        let lower = self.bound("lower_bound")?.unwrap_or(f64::NEG_INFINITY);
        let trigger = match self.get("within_bounds_trigger") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| invalid(r#""within_bounds_trigger""#, text))?),
        };
        let not = |key: &str, text: &str, what: &str| StrategyError(format!("{key:?} value {text} is {what}"));
        // The misspelling is Nomad's.
        let whole = |key: &str, text: &str| text.parse::<i64>().map_err(|_| not(key, text, "not an interger"));
        let step = match (self.get("delta"), self.get("percentage"), self.get("value")) {
            (None, None, None) => {
                let keys = r#""delta", "percentage" or "value""#;
                return error(format!("missing required field, must have either {keys}"));
            }
            (Some(delta), None, None) => Step::Delta(whole("delta", delta)?),
            (None, Some(percent), None) => {
                Step::Percentage(go_float(percent).ok_or_else(|| not("percentage", percent, "not a number"))?)
            }
            (None, None, Some(text)) => match whole("value", text)? {
                negative if negative < 0 => return Err(not("value", text, "negative")),
                value => Step::Value(value),
            },
            _ => return error(r#"only one of "delta", "percentage" or "value" must be provided"#.to_owned()),
        };
        let threshold = Threshold::new(lower, upper, step).exact();
        Ok(Strategy::Threshold(match trigger {
            Some(trigger) => threshold.with_trigger(trigger),
            None => threshold,
        }))
    }

    fn bound(&self, key: &str) -> Result<Option<f64>, StrategyError> {
        self.get(key).map(|text| go_float(text).ok_or_else(|| invalid(&format!("{key:?}"), text))).transpose()
    }
}

fn missing(key: &str) -> StrategyError {
    StrategyError(format!("missing required field `{key}`"))
}

fn invalid(key: &str, text: &str) -> StrategyError {
    StrategyError(format!("invalid value for {key}: {text} (string)"))
}

/// A double as Go reads it: a NaN has no sign there, and what is too large for a double is a mistake.
fn go_float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let written_out = text.contains(['n', 'N']);
    let signed = text.starts_with(['+', '-']);
    match number {
        nan if nan.is_nan() && signed => None,
        infinite if infinite.is_infinite() && !written_out => None,
        number => Some(number),
    }
}
