//! `nomad`: a policy's checks, their vote, and the cooldown after each change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NAME;
use super::check::{Action, Check, Checks, DRY_RUN, Failed, Member, OnError, Verdict, held, note, replicas};
use super::config::{CheckConfig, StrategyConfig};
use super::eye::Eye;
use super::fact::Fact;
use super::single::told;
use super::target_value::TargetValueConfig;
use super::vote::Direction;
use crate::algorithm::ScalingAlgorithm;
use crate::config::ConfigError;
use crate::failure::{EvaluateError, FailureKind};
use crate::metric::Metric;
use crate::observation::{Noticed, Observation};
use crate::proposal::{Need, Proposal};
use crate::state::{StateError, StateReader};
use crate::time::Span;
use crate::timing::Cooldown;
use crate::trace::{Hold, Trace};

/// Configuration of [`Nomad`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NomadConfig {
    /// The checks. Default: a `target-value` check a metric, against the metric's own target.
    pub checks: Vec<CheckConfig>,
    /// What becomes of a decision when a check fails that doesn't say itself. Default `blockScaleDown`; in an exact
    /// policy what Nomad makes of `ignore`.
    pub on_check_error: Option<OnError>,
    /// How long nothing is changed after a change down. Default `5m`.
    pub cooldown: Span,
    /// How long nothing is changed after a change up. Default: as `cooldown`.
    pub cooldown_on_scale_up: Option<Span>,
    /// As Nomad, to the last bit, each check too: see the table of what differs. Default false.
    pub exact: bool,
}

impl Default for NomadConfig {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            on_check_error: None,
            cooldown: Span::from_secs(300),
            cooldown_on_scale_up: None,
            exact: false,
        }
    }
}

/// A policy of Nomad Autoscaler: several checks vote, more beats as it is, and that beats fewer; after a change nothing
/// is changed for a while.
///
/// [`Handler`](super::Handler) is the same as Nomad runs it, with what happens around a scaling.
///
/// ```
/// use setpoint::nomad::{Nomad, NomadConfig};
/// use setpoint::{Metric, Need, Observation, Proposal, Reading, ScalingAlgorithm, Target, Timestamp, Trace};
///
/// let metrics = [Metric::new("cpu", Target::utilization(50.0)?), Metric::new("p99", Target::value(400.0)?)];
/// let mut nomad = Nomad::new(&metrics, &NomadConfig::default())?;
/// // The CPU could do with 2 of 4; the latency is where it should be, and one who wants nothing blocks the way down.
/// let readings = [Reading::Value(25.0), Reading::Value(401.0)];
/// let look = Observation::new(Timestamp::default(), 4, &readings);
/// assert_eq!(nomad.evaluate(&look, &mut Trace::off())?, Need::replicas(4.0)?.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Nomad {
    checks: Checks,
    /// One a member of `checks`, in their order.
    eyes: Box<[Eye]>,
    cooldown: Cooldown,
    noticed: Noticed,
    /// Whether the last vote that was to be followed went up.
    asked_up: bool,
    exact: bool,
}

impl Nomad {
    /// The algorithm's name in policies.
    pub const NAME: &'static str = NAME;
    const STATE_VERSION: u8 = 1;

    /// For the readings of `metrics`, in this order.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a check of a metric that isn't among `metrics`, and for what each strategy refuses.
    pub fn new(metrics: &[Metric], config: &NomadConfig) -> Result<Self, ConfigError> {
        let one_each = || -> Vec<CheckConfig> { metrics.iter().map(of_target).collect() };
        let written = if config.checks.is_empty() { &one_each() } else { &config.checks };
        let (mut checks, mut eyes) = (Vec::with_capacity(written.len()), Vec::with_capacity(written.len()));
        for (index, check) in written.iter().enumerate() {
            let path = || format!("checks[{index}].strategy.{}", check.strategy.name());
            let (strategy, eye) = check.strategy.build(metrics, config.exact).map_err(|error| error.under(&path()))?;
            let built = Check::new(&check.name, eye.metric(), strategy).in_group(&check.group);
            checks.push(built.on_error(check.on_error));
            eyes.push(Some(eye));
        }
        let checks = Checks::new(&checks, config.on_check_error, config.exact);
        let eye = |place: usize| eyes[place].take().expect("a check is one member");
        let eyes = checks.members().iter().map(|member| member.check).map(eye).collect();
        let cooldown = config.cooldown.as_duration();
        let after_up = config.cooldown_on_scale_up.map_or(cooldown, Span::as_duration);
        Ok(Self {
            checks,
            eyes,
            cooldown: Cooldown::new(cooldown, after_up),
            noticed: Noticed::default(),
            asked_up: false,
            exact: config.exact,
        })
    }

    /// Each change that was made starts a cooldown.
    fn follow(&mut self, look: &Observation<'_>) {
        if let Some(action) = self.noticed.new_in(look) {
            // Nomad goes by the vote, which can go up to a lower count.
            let up = if self.exact { self.asked_up } else { action.to > action.from };
            self.cooldown.start(action.at, up);
        }
    }

    fn act(&mut self, action: Action, look: &Observation<'_>, trace: &mut Trace) -> Proposal {
        let current = i64::from(look.current);
        let changes = i64::from(look.bounds.clamp(replicas(action.count))) != current;
        if changes && self.cooldown.holds(look.now) {
            let until = self.cooldown.until().unwrap_or(look.now);
            note(trace, action.count, current, Fact::Cooldown { until, left: until.since(look.now) });
            return Proposal::Hold(Hold::Said);
        }
        if self.exact {
            if action.count == DRY_RUN {
                note(trace, action.count, current, Fact::DryRunMark);
                return Proposal::Hold(Hold::Said);
            }
            self.asked_up = action.direction == Direction::Up;
        }
        Need::from(told(trace, action.count)).into()
    }
}

/// The check of a metric where a policy writes none.
fn of_target(metric: &Metric) -> CheckConfig {
    let strategy = TargetValueConfig { metric: Some(metric.name.clone()), ..TargetValueConfig::default() };
    CheckConfig {
        name: metric.name.clone(),
        group: String::new(),
        on_error: None,
        strategy: StrategyConfig::TargetValue(strategy),
    }
}

impl ScalingAlgorithm for Nomad {
    #[inline]
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        self.follow(look);
        let current = i64::from(look.current);
        // The manager caps; Nomad's own way caps each vote, but for the mark of a dry run.
        let limits = self.exact.then(|| (i64::from(look.bounds.min()), i64::from(look.bounds.max())));
        let eyes = &mut self.eyes;
        let judge = |place: usize, member: &Member| match &member.strategy {
            Some(strategy) => eyes[place].judge(strategy, look),
            None => Err(Failed::Strategy),
        };
        Ok(match self.checks.decide(current, limits, judge, trace) {
            Verdict::Act(action) => self.act(action, look, trace),
            Verdict::Keep if self.exact => Proposal::Hold(Hold::Said),
            Verdict::Keep => Need::from(look.current).into(),
            Verdict::Blocked { count } => {
                held(trace, count, current, Hold::ShrinkBlocked);
                Proposal::Hold(Hold::ShrinkBlocked)
            }
            Verdict::Silent => {
                held(trace, current, current, Hold::NoReadings);
                Proposal::Hold(Hold::NoReadings)
            }
            Verdict::Failed { check } => {
                let message = format!("check {} failed, and no decision is made without it", check + 1);
                return Err(EvaluateError::new(FailureKind::Refused, message));
            }
        })
    }

    // Version, which way the last vote went, the cooldown's end, the newest change noticed; then how many windows, and
    // each of them.
    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        state.extend([Self::STATE_VERSION, u8::from(self.asked_up)]);
        self.cooldown.write(state);
        self.noticed.write(state);
        let windows = self.eyes.iter().filter(|eye| eye.remembers()).count();
        state.extend(u32::try_from(windows).expect("there are not 2^32 checks").to_le_bytes());
        self.eyes.iter().for_each(|eye| eye.write(state));
        Ok(())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let mut reader = StateReader::new(NAME, Self::STATE_VERSION, state)?;
        let (asked_up, cooldown) = (reader.flag()?, self.cooldown.read(&mut reader)?);
        let noticed = Noticed::read(&mut reader)?;
        let windows = self.eyes.iter().filter(|eye| eye.remembers()).count();
        if usize::try_from(reader.u32()?) != Ok(windows) {
            return Err(reader.damaged("it has another number of thresholds"));
        }
        let mut recent = Vec::with_capacity(self.eyes.len());
        for eye in &self.eyes {
            recent.push(eye.read(&mut reader)?);
        }
        reader.end()?;
        self.eyes.iter_mut().zip(recent).for_each(|(eye, recent)| eye.set_recent(recent));
        (self.asked_up, self.cooldown, self.noticed) = (asked_up, cooldown, noticed);
        Ok(())
    }
}
