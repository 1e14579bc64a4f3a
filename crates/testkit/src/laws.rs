//! What every algorithm keeps to, native or plugin, bare or wrapped.

use std::collections::BTreeSet;

use proptest::strategy::{BoxedStrategy, Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Value, json};
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Capability, FailureKind, MemberSpec, Metric, Outcome, PolicySpec, Proposal,
    Reading, Registry, ScalingAlgorithm, StageSpec, Trace,
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
    needed: Vec<String>,
    excepted: Vec<&'static str>,
}

impl<'a> Subject<'a> {
    /// The algorithm that `registry` knows as `name`, with its default configuration.
    #[must_use]
    pub fn new(registry: &'a Registry, name: &str) -> Self {
        let algorithm = AlgorithmSpec::named(name, json!({}));
        Self {
            registry,
            algorithm,
            stages: Vec::new(),
            with_pods: false,
            monotone: false,
            needed: Vec::new(),
            excepted: Vec::new(),
        }
    }

    /// The same with a configuration.
    #[must_use]
    pub fn with_config(mut self, config: Value) -> Self {
        self.algorithm.config = config;
        self
    }

    /// The same on looks that have metrics of these names too.
    #[must_use]
    pub fn needing(mut self, metrics: Vec<String>) -> Self {
        self.needed = metrics;
        self
    }

    /// The same, granted these.
    #[must_use]
    pub fn granted(mut self, capabilities: BTreeSet<Capability>) -> Self {
        self.algorithm.capabilities = capabilities;
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
        if self.with_pods { looks::pod_metrics() } else { looks::metrics_with(&self.needed) }
    }

    fn at_target(&self, now: i64, current: u32, with_pods: bool) -> Look {
        let mut look = looks::at_target(now, current, with_pods);
        look.readings = look.readings.into_iter().cycle().take(self.metrics().len()).collect();
        look
    }

    fn policy(&self, min: u32, max: u32) -> PolicySpec {
        let mut policy =
            PolicySpec::new(min, max, self.metrics(), self.algorithm.clone()).expect("a policy that can be made");
        policy.stages.clone_from(&self.stages);
        policy
    }

    fn build(&self) -> Result<Box<dyn ScalingAlgorithm>, TestCaseError> {
        let metrics = self.metrics();
        let mut algorithm = self.registry.build(&self.algorithm, &metrics).map_err(unexpected)?;
        for stage in &self.stages {
            algorithm = self.registry.wrap(algorithm, stage, &metrics).map_err(unexpected)?;
        }
        Ok(algorithm)
    }
}

/// A law, in words.
pub const ANSWERS: &str = "each look gets an answer or a refusal";
/// A law, in words. What says of itself that it isn't deterministic need not keep it.
pub const REPLAYS: &str = "a replay gives the same decisions";
/// A law, in words. Who doesn't promise it need not keep it: see [`Subject::monotone`].
pub const MONOTONE: &str = "more load never means fewer replicas";

/// All laws, in the order in which they are checked.
const LAWS: [(&str, Law); 9] = [
    (ANSWERS, answers),
    (REPLAYS, deterministic),
    ("the trace changes nothing", trace_changes_nothing),
    ("state survives a restart", state_survives),
    ("nothing usable, nothing done", nothing_from_nothing),
    ("foreign bytes are refused and change nothing", foreign_state_refused),
    ("a decision is within the bounds", within_bounds),
    ("what is at its target stays", stays_at_target),
    (MONOTONE, monotone),
];

/// What became of one law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was kept in all cases.
    Kept,
    /// It was broken, and how, by the smallest sequence that was found.
    Broken(String),
    /// It was not checked: it is excepted, or not promised, or no look got an answer.
    Unchecked,
}

/// The laws by name, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    LAWS.iter().map(|(name, _)| *name)
}

/// Checks all laws over `cases` sequences each, the same ones at each call, and goes on after one that is broken, unless
/// that is [`ANSWERS`]: who fails to answer breaks them all, and takes long for it.
///
/// # Panics
///
/// When a law is excepted that is none.
#[must_use]
pub fn judge(subject: &Subject<'_>, cases: u32) -> Vec<(&'static str, Verdict)> {
    let same = |config| TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    try_all(subject, cases, same)
}

fn try_all(subject: &Subject<'_>, cases: u32, runner: fn(Config) -> TestRunner) -> Vec<(&'static str, Verdict)> {
    let looks = match subject.with_pods {
        true => looks::pod_sequence(40).boxed(),
        false => looks::sequence_of(subject.metrics().len(), 40).boxed(),
    };
    for law in &subject.excepted {
        assert!(names().any(|name| name == *law), "there is no law {law:?} to break");
    }
    let mut mute = false;
    let judged = LAWS.into_iter().map(|(name, law)| {
        if mute || subject.excepted.contains(&name) || (name == MONOTONE && !subject.monotone) {
            return (name, Verdict::Unchecked);
        }
        let mut runner = runner(Config { failure_persistence: None, ..Config::default() });
        // Who doesn't answer may take a deadline for each try.
        let tries = if name == ANSWERS { 32 } else { 1024 };
        match (0..cases).find_map(|_| break_it(law, subject, &looks, &mut runner, tries)) {
            None => (name, Verdict::Kept),
            Some(how) => {
                mute = name == ANSWERS;
                (name, Verdict::Broken(how))
            }
        }
    });
    judged.collect()
}

/// How `law` is broken by one sequence of `looks`, if it is, and the smallest such sequence that was found in so many tries.
fn break_it(
    law: Law,
    subject: &Subject<'_>,
    looks: &BoxedStrategy<Vec<Look>>,
    runner: &mut TestRunner,
    tries: u32,
) -> Option<String> {
    let mut tree = looks.new_tree(runner).expect("no sequence is rejected");
    let mut smallest = tree.current();
    let mut how = law(subject, &smallest).err()?;
    let mut another = tree.simplify();
    for _ in 0..tries {
        if !another {
            break;
        }
        let smaller = tree.current();
        another = match law(subject, &smaller) {
            Err(error) => {
                (smallest, how) = (smaller, error);
                tree.simplify()
            }
            Ok(()) => tree.complicate(),
        };
    }
    let (TestCaseError::Fail(how) | TestCaseError::Reject(how)) = how;
    // Where it was noticed is nothing to whom it is about.
    let how = how.message();
    let how = how.rsplit_once(concat!(" at ", file!())).map_or(how, |(how, _)| how);
    Some(format!("{how}\nthe looks: {smallest:?}"))
}

/// Checks all laws over `cases` random sequences each.
///
/// # Panics
///
/// With the smallest sequence found that breaks a law.
pub fn check(subject: &Subject<'_>, cases: u32) {
    for (name, verdict) in try_all(subject, cases, TestRunner::new) {
        if let Verdict::Broken(how) = verdict {
            panic!("{:?} in {:?} breaks the law {name:?}: {how}", subject.algorithm, subject.stages);
        }
    }
}

type Law = fn(&Subject<'_>, &[Look]) -> Result<(), TestCaseError>;

/// What goes wrong where no law expects it.
fn unexpected(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

fn ask(algorithm: &mut dyn ScalingAlgorithm, look: &Look, trace: &mut Trace) -> Result<Proposal, String> {
    trace.clear();
    let proposal = algorithm.evaluate(&look.observation(), trace).map_err(|error| error.to_string())?;
    if let Proposal::Need(need) = proposal {
        assert!(need.exact().is_finite(), "a need must be finite");
    }
    Ok(proposal)
}

fn snapshot(algorithm: &mut dyn ScalingAlgorithm) -> Result<Vec<u8>, TestCaseError> {
    let mut state = Vec::new();
    algorithm.snapshot(&mut state).map_err(unexpected)?;
    Ok(state)
}

/// For an algorithm that fails, rather than refuses, there is no law.
fn answers(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let mut algorithm = subject.build()?;
    let mut trace = Trace::off();
    for look in looks {
        if let Err(error) = algorithm.evaluate(&look.observation(), &mut trace) {
            prop_assert!(error.kind == FailureKind::Refused, "{}: {error}", error.kind);
        }
    }
    Ok(())
}

fn deterministic(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let (mut one, mut other) = (subject.build()?, subject.build()?);
    let mut trace = Trace::new();
    for look in looks {
        prop_assert_eq!(ask(&mut one, look, &mut trace), ask(&mut other, look, &mut trace));
    }
    prop_assert_eq!(snapshot(&mut one)?, snapshot(&mut other)?);
    Ok(())
}

fn trace_changes_nothing(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let (mut told, mut silent) = (subject.build()?, subject.build()?);
    let (mut on, mut off) = (Trace::new(), Trace::off());
    for look in looks {
        prop_assert_eq!(ask(&mut told, look, &mut on), ask(&mut silent, look, &mut off));
        prop_assert!(off.reasons().is_empty());
    }
    Ok(())
}

fn state_survives(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let mut steady = subject.build()?;
    let mut restarted = subject.build()?;
    let mut trace = Trace::off();
    for look in looks {
        let state = snapshot(&mut restarted)?;
        restarted = subject.build()?;
        prop_assert!(restarted.restore(&state).is_ok(), "its own state was refused");
        prop_assert_eq!(&snapshot(&mut restarted)?, &state);
        prop_assert_eq!(ask(&mut steady, look, &mut trace), ask(&mut restarted, look, &mut trace));
    }
    prop_assert_eq!(snapshot(&mut steady)?, snapshot(&mut restarted)?);
    Ok(())
}

fn nothing_from_nothing(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let mut algorithm = subject.build()?;
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
    let mut algorithm = subject.build()?;
    let mut trace = Trace::off();
    for look in looks {
        let before = snapshot(&mut algorithm)?;
        let mut longer = before.clone();
        longer.push(0xff);
        prop_assert!(algorithm.restore(&longer).is_err(), "a byte too many was accepted");
        if let Some((_, shorter)) = before.split_last() {
            prop_assert!(algorithm.restore(shorter).is_err(), "a byte too few was accepted");
        }
        prop_assert_eq!(&snapshot(&mut algorithm)?, &before);
        let _ = ask(&mut algorithm, look, &mut trace);
    }
    Ok(())
}

fn within_bounds(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let (min, max) = (2, 30);
    let mut manager = AlgorithmManager::with_registry(subject.registry.clone());
    let workload = manager.add(&subject.policy(min, max)).map_err(unexpected)?;
    for look in looks {
        let decision = manager.decide(workload, &look.observation(), &mut Trace::off()).map_err(unexpected)?;
        let within = (min..=max).contains(&decision.desired);
        prop_assert!(within || decision.outcome == Outcome::Suspend, "{decision:?}");
    }
    Ok(())
}

/// Of each look only its time and its count are taken; the first one says how many replicas there are.
fn stays_at_target(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let current = looks[0].current.max(1);
    let mut manager = AlgorithmManager::with_registry(subject.registry.clone());
    let workload = manager.add(&subject.policy(0, 1000)).map_err(unexpected)?;
    for look in looks {
        let look = subject.at_target(look.now, current, subject.with_pods);
        let decision = manager.decide(workload, &look.observation(), &mut Trace::off()).map_err(unexpected)?;
        prop_assert_eq!(decision.desired, current);
    }
    Ok(())
}

/// For a workload without a past, all of whose replicas are ready and measured.
fn monotone(subject: &Subject<'_>, looks: &[Look]) -> Result<(), TestCaseError> {
    let policy = subject.policy(0, 100_000);
    let current = looks[0].current.max(1);
    // As many loads as there are looks, from none to several times the target.
    let mut before = 0;
    for part in 0..=looks.len() {
        let load = 4.0 * part as f64 / looks.len() as f64;
        let readings = subject.at_target(0, current, false).readings;
        let readings = readings.into_iter().map(|reading| match reading {
            Reading::Value(value) => Reading::Value(value * load),
            other => other,
        });
        let look = Look::new(0, current, readings.collect());
        let mut manager = AlgorithmManager::with_registry(subject.registry.clone());
        let workload = manager.add(&policy).map_err(unexpected)?;
        let desired = manager.decide(workload, &look.observation(), &mut Trace::off()).map_err(unexpected)?.desired;
        prop_assert!(desired >= before, "{desired} at {load} times the target, and {before} at less");
        before = desired;
    }
    Ok(())
}
