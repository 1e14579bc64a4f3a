//! What does a native decision cost: by number of metrics, by algorithm, by stage, and through the manager?
//!
//! `evaluate` asks a prepared algorithm on a prepared observation; `decide` adds look-up, rounding and bounds;
//! `traced` adds the reasons.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{
    AlgorithmManager, AverageRatio, Capped, CappedConfig, CappedSmoothRatioConfig, MaxRatio, PolicySpec,
    ScalingAlgorithm, Smoothed, SmoothedConfig, Stabilized, StabilizedConfig, StepDown, StepUp, Trace, WeightedRatio,
};
use setpoint_benches::{Looks, metrics, policy};

fn evaluate(criterion: &mut Criterion, name: &str, count: usize, mut algorithm: impl ScalingAlgorithm) {
    let (mut looks, mut trace) = (Looks::new(count), Trace::off());
    criterion.bench_function(&format!("evaluate/{name}/{count} metrics"), |bencher| {
        bencher.iter(|| black_box(algorithm.evaluate(black_box(&looks.look()), &mut trace)));
    });
}

fn leaves(criterion: &mut Criterion) {
    let nothing = setpoint::algorithm_fn(|_, _| Ok(setpoint::Proposal::NoOpinion));
    evaluate(criterion, "nothing, for comparison", 3, nothing);
    for count in [1, 3, 8] {
        let metrics = metrics(count);
        evaluate(criterion, "max-ratio", count, MaxRatio::new(&metrics, &Default::default()));
    }
    let metrics = metrics(3);
    evaluate(criterion, "average-ratio", 3, AverageRatio::new(&metrics, &Default::default()));
    evaluate(criterion, "weighted-ratio", 3, WeightedRatio::new(&metrics, &Default::default()).expect("no weights"));
    evaluate(criterion, "capped-smooth-ratio", 3, CappedSmoothRatioConfig::default().build(&metrics));
}

fn stages(criterion: &mut Criterion) {
    let metrics = metrics(3);
    let leaf = || MaxRatio::new(&metrics, &Default::default());
    let caps = CappedConfig {
        max_scale_up: StepUp::new(0.5).ok(),
        max_scale_down: StepDown::new(0.25).ok(),
        ..CappedConfig::default()
    };
    evaluate(criterion, "smoothed", 3, Smoothed::new(leaf(), &SmoothedConfig::default()));
    evaluate(criterion, "capped", 3, Capped::new(leaf(), &caps));
    evaluate(criterion, "stabilized 5m", 3, Stabilized::new(leaf(), &StabilizedConfig::default()));
    let all = Capped::new(
        Stabilized::new(Smoothed::new(leaf(), &SmoothedConfig::default()), &StabilizedConfig::default()),
        &caps,
    );
    evaluate(criterion, "smoothed, stabilized, capped", 3, all);
}

fn manager(criterion: &mut Criterion) {
    let mut run = |name: &str, policy: &PolicySpec, mut trace: Trace| {
        let mut manager = AlgorithmManager::new();
        let workload = manager.add(policy).expect("a good policy");
        let mut looks = Looks::new(3);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| black_box(manager.decide(workload, black_box(&looks.look()), &mut trace)));
        });
    };
    let ratio = policy("max-ratio", json!({}), 3);
    let stack = ratio
        .clone()
        .with_stage("smoothed", json!({}))
        .with_stage("stabilized", json!({}))
        .with_stage("capped", json!({ "maxScaleUp": "50%", "maxScaleDown": "25%" }));
    run("decide/max-ratio/3 metrics", &ratio, Trace::off());
    run("decide traced/max-ratio/3 metrics", &ratio, Trace::new());
    run("decide/smoothed, stabilized, capped/3 metrics", &stack, Trace::off());
    run("decide traced/smoothed, stabilized, capped/3 metrics", &stack, Trace::new());
}

criterion_group!(benches, leaves, stages, manager);
criterion_main!(benches);
