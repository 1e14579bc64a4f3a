//! One workload, aside and then for good, with a new version of its plugin.

use std::sync::Arc;

use setpoint::{AlgorithmFactory as _, FailureKind, MAX_REPLICAS, Target, Timestamp};

use super::ReplaceError;
use crate::instance::{Columns, Looked, PluginAlgorithm};
use crate::plugin::Plugin;
use crate::seat::Recipe;

/// What a workload has that a new version must cope with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Its state, unless it is as it was made.
    pub(crate) state: Option<Vec<u8>>,
    /// Its last look with its readings, if that was answered.
    pub(crate) look: Option<(Looked, Columns)>,
}

/// Whether `aside`, which nobody else uses, can do what a workload needs of it.
pub(crate) fn try_out(aside: &Plugin, recipe: &Arc<Recipe>, sample: Sample) -> Result<(), ReplaceError> {
    aside.needs().check(aside.name(), &recipe.metrics, &recipe.capabilities).map_err(ReplaceError::Needs)?;
    let mut trial =
        PluginAlgorithm::new(Arc::clone(aside.inner()), Arc::clone(recipe)).map_err(ReplaceError::Config)?;
    if let Some((looked, _)) = &sample.look {
        trial.seat.now = looked.now;
    }
    if let Some(state) = &sample.state {
        match trial.put_back(state) {
            // One that it says no to is dropped when it takes over.
            Err(error) if error.kind != FailureKind::Refused => return Err(ReplaceError::State(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let was_answered = sample.look.is_some();
    let (looked, columns) = sample.look.unwrap_or_else(|| on_target(recipe));
    trial.columns = columns;
    match trial.answer(looked, true) {
        // Nobody has shown that this can be answered.
        Err(error) if was_answered || error.kind != FailureKind::Refused => Err(ReplaceError::Answer(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// One replica, with each metric on its target.
fn on_target(recipe: &Recipe) -> (Looked, Columns) {
    let looked = Looked { now: Timestamp::default(), current: 1, ready: 1, min: 0, max: MAX_REPLICAS };
    let values = recipe.metrics.iter().map(|metric| match metric.target {
        Target::Value(target) | Target::AverageValue(target) | Target::Utilization(target) => target.get(),
    });
    (looked, Columns { values: values.collect(), states: Vec::new() })
}

/// Lets `next` take over `workload`. An error says why it begins anew.
///
/// It takes over in any case: who can't make its instance now, as where all slots are taken, makes it at its next call.
pub(crate) fn carry(
    workload: &mut PluginAlgorithm,
    next: &Plugin,
    ready: Option<PluginAlgorithm>,
) -> Result<(), String> {
    let state = workload.last_good.take();
    let (mut successor, carried) = match ready {
        None => {
            let recipe = Arc::clone(&workload.seat.recipe);
            (PluginAlgorithm::later(Arc::clone(next.inner()), recipe, state), Ok(()))
        }
        Some(mut ready) => {
            ready.seat.now = workload.seat.now;
            let carried = state.map_or(Ok(()), |state| ready.put_back(&state).map_err(|error| error.message));
            (ready, carried)
        }
    };
    successor.seat.now = workload.seat.now;
    successor.columns = std::mem::take(&mut workload.columns);
    *workload = successor;
    carried
}
