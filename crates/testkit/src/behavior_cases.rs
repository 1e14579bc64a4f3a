//! Random workloads under a `behavior`, and what the stage does with them against [`Model`].

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use setpoint::hpa::{PolicyKind, ScalingPolicy, ScalingRules, SelectPolicy};
use setpoint::{
    Action, Behavior, Need, Observation, Proposal, Reading, Restrained, ScalingAlgorithm as _, Timestamp, Trace,
    algorithm_fn,
};

use crate::behavior_model::Model;

/// A workload, its rules, and what happens to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The same throughout: see [`Model`] for why.
    pub behavior: Behavior,
    /// The replicas at the first look.
    pub start: u32,
    /// One a look.
    pub steps: Vec<Step>,
}

/// A look, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since the look before, in milliseconds.
    pub wait_ms: u32,
    /// What the algorithm wants.
    pub proposal: u32,
    /// What becomes of the answer.
    pub outcome: Outcome,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Applied,
    /// The workload's owner refuses.
    Refused,
    /// It is overtaken by someone else, who sets so many replicas and tells nobody.
    SetTo(u32),
}

/// Holds the stage to the model, look by look.
///
/// # Errors
///
/// The first look at which they differ, and the case.
pub fn check(case: &Case) -> Result<(), String> {
    compare(case, Model::new(&case.behavior))
}

/// [`check`], with a model that may be spoilt.
///
/// # Errors
///
/// As for [`check`].
pub fn compare(case: &Case, mut model: Model) -> Result<(), String> {
    let proposes = algorithm_fn(|look: &Observation<'_>, _: &mut Trace| match look.readings {
        [Reading::Value(wanted)] => Ok(Need::replicas(*wanted)?.into()),
        _ => Ok(Proposal::NoOpinion),
    });
    let mut stage = Restrained::new(proposes, &case.behavior).map_err(|error| format!("{error} in {case:?}"))?;
    let mut trace = Trace::new();
    let (mut now, mut current, mut last_action) = (0_i64, case.start, None);
    let mut overtaken = false;
    for (index, step) in case.steps.iter().enumerate() {
        // Set back by someone and asked again at the same instant, a change would look like the one before, told twice.
        now += i64::from(step.wait_ms.max(overtaken.into()));
        overtaken = matches!(step.outcome, Outcome::SetTo(_));
        let readings = [Reading::Value(f64::from(step.proposal))];
        let look = Observation::new(Timestamp::from_millis(now), current, &readings).with_last_action(last_action);
        // Told in full, so that explaining is under test too.
        trace.clear();
        let answer = match stage.evaluate(&look, &mut trace) {
            Ok(Proposal::Need(need)) => need.exact(),
            other => return Err(format!("step {index}: {other:?} in {case:?}")),
        };
        let allowed = model.allow(now, current, step.proposal);
        let desired = u32::try_from(allowed).ok().filter(|&allowed| f64::from(allowed) == answer);
        let Some(desired) = desired else {
            return Err(format!("step {index} from {current}: stage {answer}, model {allowed}, in {case:?}"));
        };
        match step.outcome {
            Outcome::Applied if desired == current => {}
            Outcome::Applied => {
                let (at, from, to) = (look.now, current, desired);
                last_action = Some(Action { at, from, to, applied: true });
                model.change(now, from, to);
                current = desired;
            }
            Outcome::Refused => {
                last_action = Some(Action { at: look.now, from: current, to: desired, applied: false });
            }
            Outcome::SetTo(count) => current = count,
        }
    }
    Ok(())
}

/// The longest run: the model's work grows with its cube.
const MOST_STEPS: usize = 64;
const LONGEST_WINDOW: u32 = 300;
const LONGEST_WAIT_MS: u32 = 90_000;
const MOST_PERCENT_OR_PODS: u32 = 150;

/// Runs in which windows and periods matter, with every field of `behavior` absent at times.
pub fn cases() -> impl Strategy<Value = Case> {
    let step =
        (wait_ms(), count(), outcome()).prop_map(|(wait_ms, proposal, outcome)| Step { wait_ms, proposal, outcome });
    let steps = prop::collection::vec(step, 1..=MOST_STEPS);
    (option::of(rules()), option::of(rules()), count(), steps).prop_map(|(scale_up, scale_down, start, steps)| Case {
        behavior: Behavior { scale_up, scale_down },
        start,
        steps,
    })
}

fn rules() -> impl Strategy<Value = ScalingRules> {
    let policy = (select(&KINDS[..]), 1..=MOST_PERCENT_OR_PODS, seconds())
        .prop_map(|(kind, value, period)| policy(kind, value, period));
    let policies = prop::collection::vec(policy, 1..=3);
    (option::of(seconds()), option::of(select(&SELECTS[..])), option::of(policies)).prop_map(
        |(stabilization_window_seconds, select_policy, policies)| ScalingRules {
            stabilization_window_seconds,
            select_policy,
            policies,
            tolerance: None,
        },
    )
}

/// Multiples of 15 more often than not, as are waits: an edge is met exactly.
fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![2 => (0..=LONGEST_WINDOW / 15).prop_map(|number| number * 15), 1 => 0..=LONGEST_WINDOW]
}

fn wait_ms() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => (0..=LONGEST_WAIT_MS / 15_000).prop_map(|number| number * 15_000),
        2 => (0..=LONGEST_WAIT_MS / 1000).prop_map(|number| number * 1000),
        1 => 0..=LONGEST_WAIT_MS,
    ]
}

fn count() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0_u32..30, 2 => 0_u32..200, 1 => 0_u32..3000]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![6 => Just(Outcome::Applied), 1 => Just(Outcome::Refused), 1 => count().prop_map(Outcome::SetTo)]
}

const KINDS: [PolicyKind; 2] = [PolicyKind::Pods, PolicyKind::Percent];
const SELECTS: [SelectPolicy; 3] = [SelectPolicy::Max, SelectPolicy::Min, SelectPolicy::Disabled];

fn policy(kind: PolicyKind, value: u32, period_seconds: u32) -> ScalingPolicy {
    let value = i32::try_from(value).expect("a small number");
    ScalingPolicy { kind, value, period_seconds: period_seconds.max(1) }
}

impl Case {
    /// The case that a fuzzer's bytes stand for: of the same kind as [`cases`]. Whole steps are read until the bytes
    /// run out; without a first one there is no case.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let behavior = Behavior { scale_up: bytes.rules()?, scale_down: bytes.rules()? };
        let start = bytes.count()?;
        let steps: Vec<Step> = std::iter::from_fn(|| bytes.step()).take(MOST_STEPS).collect();
        (!steps.is_empty()).then_some(Self { behavior, start, steps })
    }
}

/// Bytes still to read. A number takes the same bytes whatever its value, so that a change to one is not one to all
/// that follow.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u32> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first.into())
    }

    fn rules(&mut self) -> Option<Option<ScalingRules>> {
        let given = self.byte()?;
        let has = |bit: u32| given >> bit & 1 == 1;
        let window = self.seconds()?;
        let select = SELECTS[(given >> 4) as usize % SELECTS.len()];
        let policies = [self.policy()?, self.policy()?, self.policy()?];
        let policies = &policies[..=(given >> 6) as usize % policies.len()];
        Some(has(0).then(|| ScalingRules {
            stabilization_window_seconds: has(1).then_some(window),
            select_policy: has(2).then_some(select),
            policies: has(3).then(|| policies.to_vec()),
            tolerance: None,
        }))
    }

    fn policy(&mut self) -> Option<ScalingPolicy> {
        let (kind, value, period) = (self.byte()?, self.byte()?, self.seconds()?);
        Some(policy(KINDS[kind as usize % KINDS.len()], 1 + value % MOST_PERCENT_OR_PODS, period))
    }

    fn step(&mut self) -> Option<Step> {
        let (wait_ms, proposal, outcome, count) = (self.wait_ms()?, self.count()?, self.byte()?, self.count()?);
        let outcome = match outcome % 8 {
            0 => Outcome::Refused,
            1 => Outcome::SetTo(count),
            _ => Outcome::Applied,
        };
        Some(Step { wait_ms, proposal, outcome })
    }

    fn seconds(&mut self) -> Option<u32> {
        let (multiple, number) = (self.byte()?, self.byte()?);
        Some(if multiple < 170 {
            number % (LONGEST_WINDOW / 15 + 1) * 15
        } else {
            (multiple % 2 * 256 + number) % (LONGEST_WINDOW + 1)
        })
    }

    fn wait_ms(&mut self) -> Option<u32> {
        let (multiple, number) = (self.byte()?, self.byte()?);
        Some(match multiple {
            0..128 => number % (LONGEST_WAIT_MS / 15_000 + 1) * 15_000,
            128..192 => number % (LONGEST_WAIT_MS / 1000 + 1) * 1000,
            // To the millisecond.
            _ => (multiple - 192) * 256 + number,
        })
    }

    fn count(&mut self) -> Option<u32> {
        let number = self.byte()?;
        Some(if number < 200 { number } else { (number - 199) * 50 })
    }
}
