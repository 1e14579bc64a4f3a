//! What does one tick over a fleet cost: 100,000 workloads, each with its own state, through one manager?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use setpoint::{AlgorithmManager, Observation, PolicySpec, Reading, Timestamp, Trace};
use setpoint_benches::policy;

const FLEET: usize = 100_000;

fn tick(criterion: &mut Criterion, name: &str, policy: &PolicySpec) {
    let mut manager = AlgorithmManager::new();
    let workloads: Vec<_> = (0..FLEET).map(|_| manager.add(policy).expect("a good policy")).collect();
    let mut trace = Trace::off();
    let mut now = 0;
    let mut group = criterion.benchmark_group("100,000 workloads");
    group.sample_size(20).throughput(Throughput::Elements(FLEET as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            now += 15_000;
            let mut desired = 0_u64;
            for (index, workload) in workloads.iter().enumerate() {
                let wobble = ((index * 37 + now / 1000) % 64) as f64 / 64.0;
                let readings = [500.0, 40.0, 70.0].map(|target| Reading::Value((0.5 + wobble) * target));
                let now = Timestamp::from_millis(i64::try_from(now).unwrap_or_default());
                let decision = manager.decide(*workload, &Observation::new(now, 10, &readings), &mut trace);
                desired += u64::from(decision.expect("a known workload").desired);
            }
            black_box(desired)
        });
    });
    group.finish();
}

fn fleet(criterion: &mut Criterion) {
    let ratio = policy("max-ratio", json!({}), 3);
    let stack = policy("capped-smooth-ratio", json!({}), 3).with_stage("stabilized", json!({}));
    tick(criterion, "max-ratio", &ratio);
    tick(criterion, "capped-smooth-ratio, stabilized 5m", &stack);
}

criterion_group!(benches, fleet);
criterion_main!(benches);
