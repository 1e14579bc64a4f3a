//! What every algorithm keeps to, native or plugin, bare or wrapped.

use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, MemberSpec, Metric, Outcome, PolicySpec, Proposal, Reading, Registry,
    ScalingAlgorithm, StageSpec, Trace,
};

use crate::looks::{self, Look};

/// What is put to the test: an algorithm of a registry, and the stages around it.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    registry: &'a Registry,
    algorithm: AlgorithmSpec,
    stages: Vec<StageSpec>,
    with_pods: bool,
    monotone: bool,
    excepted: Vec<&'static str>,
}

impl<'a> Subject<'a> {
    /// The algorithm that `registry` knows as `name`, with its default configuration.
    #[must_use]
    pub fn new(registry: &'a Registry, name: &str) -> Self {
        let algorithm = AlgorithmSpec::named(name, json!({}));
        Self { registry, algorithm, stages: Vec::new(), with_pods: false, monotone: false, excepted: Vec::new() }
    }

    /// The same with a configuration.
    #[must_use]
    pub fn with_config(mut self, config: Value) -> Self {
        self.algorithm.config = config;
        self
    }

    /// The same of `members`: a combinator.
    #[must_use]
    pub fn of(mut self, members: Vec<MemberSpec>) -> Self {
        self.algorithm.of = members;
        self
    }

    /// The same without a law that it breaks by design. Whoever calls this says why.
    #[must_use]
    pub fn except(mut self, law: &'static str) -> Self {
        self.excepted.push(law);
        self
    }

    /// The same in one more stage, outside of those it has.
    #[must_use]
    pub fn in_stage(mut self, name: &str, config: Value) -> Self {
        self.stages.push(StageSpec { name: name.to_owned(), config });
        self
    }

    /// The same on looks that tell of single pods.
    #[must_use]
    pub fn with_pods(mut self) -> Self {
        self.with_pods = true;
        self
    }

    /// The same, which promises that more load never means fewer replicas.
    #[must_use]
    pub fn monotone(mut self) -> Self {
        self.monotone = true;
        self
    }

    fn metrics(&self) -> Vec<Metric> {
        if self.with_pods { looks::pod_metrics() } else { looks::metrics() }
    }

    fn policy(&self, min: u32, max: u32) -> PolicySpec {
        let mut policy =
            PolicySpec::new(min, max, self.metrics(), self.algorithm.clone()).expect("a policy that can be made");
        policy.stages.clone_from(&self.stages);
        policy
    }

    fn build(&self) -> Box<dyn ScalingAlgorithm> {
        let metrics = self.metrics();
        let leaf = self.registry.build(&self.algorithm, &metrics).expect("the algorithm is registered");
        self.stages
            .iter()
            .fold(leaf, |inner, stage| self.registry.wrap(inner, stage, &metrics).expect("the stage is registered"))
    }
}

/// Checks all laws over `cases` random sequences each.
///
/// # Panics
///
/// With the smallest sequence found that breaks a law.
pub fn check(subject: &Subject<'_>, cases: u32) {
    let laws: [(&str, Law); 8] = [
        ("a replay gives the same decisions", deterministic),
        ("the trace changes nothing", trace_changes_nothing),
        ("state survives a restart", state_survives),
        ("nothing usable, nothing done", nothing_from_nothing),
        ("foreign bytes are refused and change nothing", foreign_state_refused),
        ("a decision is within the bounds", within_bounds),
        ("what is at its target stays", stays_at_target),
        ("more load never means fewer replicas", monotone),
    ];
    let looks = if subject.with_pods { looks::pod_sequence(40).boxed() } else { looks::sequence(40).boxed() };
    for law in &subject.excepted {
        assert!(laws.iter().any(|(name, _)| name == law), "there is no law {law:?} to break");
    }
    for (name, law) in laws.into_iter().filter(|(name, _)| !subject.excepted.contains(name)) {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&looks, |looks| law(subject, &looks));
        if let Err(error) = result {
            panic!("{:?} in {:?} breaks the law {name:?}: {error}", subject.algorithm, subject.stages);
        }
    }
}

type Law = fn(&Subject<'_>, &[Look]) -> Result<(), TestCaseError>;

fn ask(algorithm: &mut dyn ScalingAlgorithm, look: &Look, trace: &mut Trace) -> Result<Proposal, String> {
    trace.clear();
    let proposal = algorithm.evaluate(&look.observation(), trace).map_err(|error| error.to_string())?;
    if let Proposal::Need(need) = proposal {
        assert!(need.exact().is_finite(), "a need must be finite");
    }
    Ok(proposal)
}

fn snapshot(algorithm: &mut dyn ScalingAlgorithm) -> Vec<u8> {
    let mut state = Vec::new();
    algorithm.snapshot(&mut state).expect("a snapshot");
    state
}

fn deterministic(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let (mut one, mut other) = (subject.build(), subject.build());
    let mut trace = Trace::new();
    for look in looks {
        prop_assert_eq!(ask(&mut one, look, &mut trace), ask(&mut other, look, &mut trace));
    }
    prop_assert_eq!(snapshot(&mut one), snapshot(&mut other));
    Ok(())
}

fn trace_changes_nothing(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let (mut told, mut silent) = (subject.build(), subject.build());
    let (mut on, mut off) = (Trace::new(), Trace::off());
    for look in looks {
        prop_assert_eq!(ask(&mut told, look, &mut on), ask(&mut silent, look, &mut off));
        prop_assert!(off.reasons().is_empty());
    }
    Ok(())
}

fn state_survives(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let mut steady = subject.build();
    let mut restarted = subject.build();
    let mut trace = Trace::off();
    for look in looks {
        let state = snapshot(&mut restarted);
        restarted = subject.build();
        prop_assert!(restarted.restore(&state).is_ok(), "its own state was refused");
        prop_assert_eq!(&snapshot(&mut restarted), &state);
        prop_assert_eq!(ask(&mut steady, look, &mut trace), ask(&mut restarted, look, &mut trace));
    }
    prop_assert_eq!(snapshot(&mut steady), snapshot(&mut restarted));
    Ok(())
}

fn nothing_from_nothing(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let mut algorithm = subject.build();
    let mut trace = Trace::off();
    for look in looks {
        let mut look = look.clone();
        for reading in &mut look.readings {
            *reading = setpoint::Reading::Missing("all are gone");
        }
        let answer = ask(&mut algorithm, &look, &mut trace);
        let idle = matches!(answer, Ok(Proposal::Hold(_) | Proposal::NoOpinion | Proposal::Suspend) | Err(_));
        prop_assert!(idle, "{answer:?} from no reading");
    }
    Ok(())
}

fn foreign_state_refused(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let mut algorithm = subject.build();
    let mut trace = Trace::off();
    for look in looks {
        let before = snapshot(&mut algorithm);
        let mut longer = before.clone();
        longer.push(0xff);
        prop_assert!(algorithm.restore(&longer).is_err(), "a byte too many was accepted");
        if let Some((_, shorter)) = before.split_last() {
            prop_assert!(algorithm.restore(shorter).is_err(), "a byte too few was accepted");
        }
        prop_assert_eq!(&snapshot(&mut algorithm), &before);
        let _ = ask(&mut algorithm, look, &mut trace);
    }
    Ok(())
}

fn within_bounds(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let (min, max) = (2, 30);
    let mut manager = AlgorithmManager::with_registry(subject.registry.clone());
    let workload = manager.add(&subject.policy(min, max)).expect("a policy that can be made");
    for look in looks {
        let decision = manager.decide(workload, &look.observation(), &mut Trace::off()).expect("a decision");
        let within = (min..=max).contains(&decision.desired);
        prop_assert!(within || decision.outcome == Outcome::Suspend, "{decision:?}");
    }
    Ok(())
}

/// Of each look only its time and its count are taken; the first one says how many replicas there are.
fn stays_at_target(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let current = looks[0].current.max(1);
    let mut manager = AlgorithmManager::with_registry(subject.registry.clone());
    let workload = manager.add(&subject.policy(0, 1000)).expect("a policy that can be made");
    for look in looks {
        let look = looks::at_target(look.now, current, subject.with_pods);
        let decision = manager.decide(workload, &look.observation(), &mut Trace::off()).expect("a decision");
        prop_assert_eq!(decision.desired, current);
    }
    Ok(())
}

/// For a workload without a past, all of whose replicas are ready and measured.
fn monotone(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    if !subject.monotone {
        return Ok(());
    }
    let policy = subject.policy(0, 100_000);
    let current = looks[0].current.max(1);
    // As many loads as there are looks, from none to several times the target.
    let mut before = 0;
    for part in 0..=looks.len() {
        let load = 4.0 * part as f64 / looks.len() as f64;
        let readings = looks::at_target(0, current, false).readings;
        let readings = readings.into_iter().map(|reading| match reading {
            Reading::Value(value) => Reading::Value(value * load),
            other => other,
        });
        let look = Look::new(0, current, readings.collect());
        let mut manager = AlgorithmManager::with_registry(subject.registry.clone());
        let workload = manager.add(&policy).expect("a policy that can be made");
        let desired = manager.decide(workload, &look.observation(), &mut Trace::off()).expect("a decision").desired;
        prop_assert!(desired >= before, "{desired} at {load} times the target, and {before} at less");
        before = desired;
    }
    Ok(())
}
