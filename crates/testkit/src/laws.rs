//! What every algorithm keeps to, native or plugin, bare or wrapped.

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use setpoint::{AlgorithmSpec, Metric, Proposal, Registry, ScalingAlgorithm, StageSpec, Trace};

use crate::looks::{self, Look};

/// What is put to the test: an algorithm of a registry, and the stages around it.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Where it is found.
    pub registry: &'a Registry,
    /// The algorithm.
    pub algorithm: AlgorithmSpec,
    /// The stages, from the inside out.
    pub stages: Vec<StageSpec>,
}

impl Subject<'_> {
    /// A new instance for [`looks::metrics`].
    ///
    /// # Panics
    ///
    /// When the registry or the configuration don't have it: a mistake in the test.
    #[must_use]
    pub fn build(&self) -> Box<dyn ScalingAlgorithm> {
        let metrics: Vec<Metric> = looks::metrics();
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
    let laws: [(&str, Law); 5] = [
        ("deterministic", deterministic),
        ("the trace changes nothing", trace_changes_nothing),
        ("state survives a restart", state_survives),
        ("nothing usable, nothing done", nothing_from_nothing),
        ("foreign bytes are refused and change nothing", foreign_state_refused),
    ];
    for (name, law) in laws {
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&looks::sequence(40), |looks| law(subject, &looks));
        if let Err(error) = result {
            panic!("{:?} breaks the law {name:?}: {error}", subject.algorithm);
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
