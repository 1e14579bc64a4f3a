//! The way that `decide` and `simulate` take: the PodAutoscaler as a policy, through the manager.

use serde_json::json;
use setpoint::aibrix::{Apa, Collected, Factor, Kpa, Settings, Spec, Strategy};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Metric, MetricKind, Observation, PolicySpec, Reading, Reconfigured, Samples,
    Target, Timestamp, Tolerance, Trace, WorkloadId,
};

use super::scenario::{Kind, WrittenSpec};

/// One scenario's workload.
pub(super) struct PolicyWay {
    manager: AlgorithmManager,
    workload: WorkloadId,
}

impl PolicyWay {
    /// None for what no policy says.
    pub(super) fn new(spec: &Spec, written: &WrittenSpec) -> Result<Option<Self>, String> {
        let Some(policy) = policy(spec, written)? else {
            return Ok(None);
        };
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(&policy).map_err(|error| error.to_string())?;
        Ok(Some(Self { manager, workload }))
    }

    /// Goes on by another spec. None where a policy can't: `aibrix-apa` has no panic window, the change of which empties
    /// APA's window too; and another strategy is another algorithm.
    pub(super) fn change(mut self, before: &Spec, spec: &Spec, written: &WrittenSpec) -> Result<Option<Self>, String> {
        let unseen = spec.strategy == Strategy::Apa && before.panic_window_seconds != spec.panic_window_seconds;
        if before.strategy != spec.strategy || unseen {
            return Ok(None);
        }
        let Some(policy) = policy(spec, written)? else {
            return Ok(None);
        };
        match self.manager.reconfigure(self.workload, &policy).map_err(|error| error.to_string())? {
            Reconfigured::StateKept => Ok(Some(self)),
            lost => Err(format!("{lost:?}")),
        }
    }

    pub(super) fn decide(
        &mut self,
        now: Timestamp,
        current: u32,
        collected: &[Collected],
        trace: &mut Trace,
    ) -> Result<u32, String> {
        let nobody = Samples::default();
        let reading = |collected: &Collected| match *collected {
            Collected::Value(value) => Reading::Value(value),
            Collected::NoPods => Reading::Samples(&nobody),
            Collected::Failed => Reading::Missing("nobody answered"),
        };
        let readings: Vec<Reading<'_>> = collected.iter().map(reading).collect();
        let look = Observation::new(now, current, &readings);
        self.manager.decide(self.workload, &look, trace).map(|it| it.desired).map_err(|error| error.to_string())
    }
}

/// The metrics of `spec` as a policy has them, those without a target with any.
pub(super) fn metrics(spec: &Spec, written: &WrittenSpec) -> Vec<Metric> {
    let metric = |(source, kind): (&setpoint::aibrix::MetricSource, Kind)| {
        let amount = source.target.filter(|target| *target > 0.0 && target.is_finite()).unwrap_or(1.0);
        let (target, kind) = match kind {
            Kind::Pod => (Target::average_value(amount), MetricKind::Pods),
            Kind::External => (Target::value(amount), MetricKind::External),
        };
        Metric::new(source.name.clone(), target.expect("it was looked at")).with_kind(kind)
    };
    spec.metrics.iter().zip(written.metrics.iter().map(|metric| metric.kind)).map(metric).collect()
}

/// None where a setting is one that a policy refuses, or a metric shares its name or has no target.
fn policy(spec: &Spec, written: &WrittenSpec) -> Result<Option<PolicySpec>, String> {
    let Settings {
        max_scale_up_rate,
        max_scale_down_rate,
        scale_up_tolerance,
        scale_down_tolerance,
        panic_threshold,
        scale_up_cooldown_ms,
        scale_down_cooldown_ms,
        ..
    } = spec.settings;
    let factors = [max_scale_up_rate, max_scale_down_rate, panic_threshold];
    let tolerances = [scale_up_tolerance, scale_down_tolerance];
    let named_once = |name: &str| spec.metrics.iter().filter(|metric| metric.name == name).count() == 1;
    let sayable = factors.into_iter().all(|factor| Factor::new(factor).is_ok())
        && tolerances.into_iter().all(|tolerance| Tolerance::new(tolerance).is_ok())
        && scale_up_cooldown_ms.min(scale_down_cooldown_ms) >= 0
        && spec.metrics.iter().all(|metric| metric.target.is_some_and(f64::is_finite) && named_once(&metric.name));
    if !sayable {
        return Ok(None);
    }
    let mut config = json!({
        "observeWindow": format!("{}s", spec.observe_window_seconds),
        "maxScaleUpRate": max_scale_up_rate,
        "maxScaleDownRate": max_scale_down_rate,
        "scaleUpTolerance": scale_up_tolerance,
        "scaleDownTolerance": scale_down_tolerance,
        "scaleUpCooldownWindow": format!("{scale_up_cooldown_ms}ms"),
        "scaleDownCooldownWindow": format!("{scale_down_cooldown_ms}ms"),
        "exact": true,
    });
    let name = match spec.strategy {
        Strategy::Apa => Apa::NAME,
        Strategy::Kpa => {
            config["panicWindow"] = format!("{}s", spec.panic_window_seconds).into();
            config["panicThreshold"] = panic_threshold.into();
            Kpa::NAME
        }
    };
    let metrics = metrics(spec, written);
    PolicySpec::new(spec.min, spec.max, metrics, AlgorithmSpec::named(name, config))
        .map(Some)
        .map_err(|error| error.to_string())
}
