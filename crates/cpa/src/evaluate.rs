//! A count, made of metrics by a program.

use serde_json::{Value, json};

use crate::answer;
use crate::config::Hook;
use crate::error::CycleError;
use crate::hooks::Hooks;
use crate::method::Callable;
use crate::metrics::ResourceMetric;
use crate::wire::{RunType, evaluate_info};

/// How much of an answer an error repeats, in characters.
const QUOTED: usize = 120;

/// Has `metrics` evaluated, with the hooks around it.
pub(crate) async fn evaluate(
    program: &Callable,
    hooks: &Hooks,
    resource: &Value,
    metrics: &[ResourceMetric],
    run_type: RunType,
) -> Result<i32, CycleError> {
    hooks.call(Hook::PreEvaluate, || evaluate_info(resource, run_type, metrics, None)).await?;
    let input = if program.takes_bare { json!(metrics) } else { evaluate_info(resource, run_type, metrics, None) };
    let said = program.call(&input).await.map_err(CycleError::Evaluate)?;
    let evaluation = answer::read(&said)
        .map_err(|source| CycleError::Answer { said: said.chars().take(QUOTED).collect(), source })?;
    hooks.call(Hook::PostEvaluate, || evaluate_info(resource, run_type, metrics, Some(evaluation))).await?;
    Ok(evaluation)
}
