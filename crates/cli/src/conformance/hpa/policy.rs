//! The way that `decide` and `simulate` take: the manifest as a policy, through the manager.

use serde_json::json;
use setpoint::hpa::{Manifest, Settings};
use setpoint::{
    Action, AlgorithmManager, Hpa, Observation, PolicySpec, Reconfigured, Restrained, StageSpec, Timestamp, Trace,
    WorkloadId,
};

/// One scenario's workload.
pub(super) struct PolicyWay {
    manager: AlgorithmManager,
    workload: WorkloadId,
    settings: Settings,
    last_action: Option<Action>,
}

impl PolicyWay {
    pub(super) fn new(manifest: &Manifest, settings: Settings) -> Result<Self, String> {
        let mut manager = AlgorithmManager::new();
        let policy = policy(manifest, &settings)?;
        let workload = manager.add(&policy).map_err(|error| error.to_string())?;
        Ok(Self { manager, workload, settings, last_action: None })
    }

    /// Goes on by another manifest, with all that is remembered.
    pub(super) fn change(&mut self, manifest: &Manifest) -> Result<(), String> {
        let policy = policy(manifest, &self.settings)?;
        match self.manager.reconfigure(self.workload, &policy).map_err(|error| error.to_string())? {
            Reconfigured::StateKept => Ok(()),
            lost => Err(format!("{lost:?}")),
        }
    }

    pub(super) fn decide(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<u32, String> {
        let look = look.with_last_action(self.last_action);
        self.manager.decide(self.workload, &look, trace).map(|it| it.desired).map_err(|error| error.to_string())
    }

    /// What the controller really did at `at`.
    pub(super) fn acted(&mut self, at: Timestamp, from: u32, to: Option<u32>, applied: bool) {
        if let Some(to) = to {
            self.last_action = Some(Action { at, from, to, applied });
        }
    }
}

/// The manifest's policy under the flags that a manifest can't hold.
fn policy(manifest: &Manifest, settings: &Settings) -> Result<PolicySpec, String> {
    let mut spec = manifest.policy().spec;
    let span = |duration: std::time::Duration| format!("{}ms", duration.as_millis());
    spec.algorithm.config = json!({
        "tolerance": settings.tolerance,
        "cpuInitializationPeriod": span(settings.cpu_initialization_period),
        "initialReadinessDelay": span(settings.initial_readiness_delay),
        "scaleToZero": settings.scale_to_zero,
    });
    let Some(behavior) = &mut spec.behavior else {
        let config = json!({ "downscaleStabilization": span(settings.downscale_stabilization) });
        spec.stages = vec![StageSpec { name: Restrained::<Hpa>::LEGACY_NAME.to_owned(), config }];
        return Ok(spec);
    };
    let window = u32::try_from(settings.downscale_stabilization.as_secs()).map_err(|error| error.to_string())?;
    behavior.scale_down.get_or_insert_default().stabilization_window_seconds.get_or_insert(window);
    if !settings.configurable_tolerance {
        for rules in [&mut behavior.scale_up, &mut behavior.scale_down].into_iter().flatten() {
            rules.tolerance = None;
        }
    }
    Ok(spec)
}
