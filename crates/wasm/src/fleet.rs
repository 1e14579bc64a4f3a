//! Many workloads of one plugin and configuration, asked in as few calls as there are stores.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use setpoint::{
    AlgorithmFactory as _, Capability, ConfigError, EvaluateError, FailureKind, Hold, Metric, Observation, Proposal,
    ScalingAlgorithm as _, StateError, Trace,
};
use wasmtime::component::ResourceAny;

use crate::contract::{Answers, Looks};
use crate::counters::count;
use crate::host::Mode;
use crate::instance::{Columns, PluginAlgorithm};
use crate::plugin::Plugin;
use crate::reload::{self, ReplaceError, Replacement, Sample};
use crate::seat::Recipe;

/// Workloads with the same configuration and metrics, which a plugin answers for in one call a store.
///
/// It answers what each workload's own algorithm would, without reasons. What one workload breaks costs no other an
/// answer: after a call that failed, each of its workloads is asked alone, once. A plugin without the contract's `batch`
/// is asked so always, and so are looks that were not all taken at the same time.
///
/// ```no_run
/// use setpoint::{Metric, Observation, Reading, Target, Timestamp};
/// use setpoint_wasm::{Fleet, Plugin, PluginHost};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let plugin = Plugin::load(&PluginHost::new()?, &std::fs::read("per_replica.wasm")?)?;
/// let metrics = [Metric::new("rps", Target::average_value(100.0)?)];
/// let mut fleet = Fleet::new(&plugin, &serde_json::json!({ "perReplica": 100 }), &metrics, &Default::default())?;
/// for _ in 0..2 {
///     fleet.add()?;
/// }
/// let now = Timestamp::from_millis(0);
/// let readings = [[Reading::Value(620.0)], [Reading::Missing("scrape failed")]];
/// let looks = readings.each_ref().map(|readings| Observation::new(now, 4, readings));
/// let mut proposals = Vec::new();
/// fleet.evaluate(&looks, &mut proposals)?;
/// # Ok(())
/// # }
/// ```
pub struct Fleet {
    plugin: Plugin,
    recipe: Arc<Recipe>,
    members: Vec<PluginAlgorithm>,
    /// Until a batch has failed that no workload alone was to blame for.
    in_batches: bool,
    room: Room,
}

/// What a batch is made of, kept from one to the next.
#[derive(Default)]
struct Room {
    instances: Vec<ResourceAny>,
    current: Vec<u32>,
    ready: Vec<u32>,
    min: Vec<u32>,
    max: Vec<u32>,
    columns: Columns,
}

/// Looks and workloads, or readings and metrics, don't match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LooksMismatch {
    /// Not as many looks as workloads.
    #[error("the fleet has {workloads} workloads, {looks} looks came")]
    Looks {
        /// How many workloads there are.
        workloads: usize,
        /// How many looks came.
        looks: usize,
    },
    /// Not as many readings as metrics.
    #[error("the fleet has {metrics} metrics, the look at workload {workload} has {readings} readings")]
    Readings {
        /// The workload's index.
        workload: usize,
        /// How many metrics there are.
        metrics: usize,
        /// How many readings came.
        readings: usize,
    },
}

/// What became of a batch.
enum Batch {
    /// All have an answer but those that must be asked alone.
    Answered { alone: Vec<usize> },
    /// The store is gone, by no fault of batches: before anybody was asked, or for want of memory, which all in it share.
    Gone,
    /// The store is gone, and nobody has an answer.
    Failed,
}

type Answer = Result<Proposal, EvaluateError>;

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet")
            .field("plugin", &self.plugin)
            .field("workloads", &self.members.len())
            .field("in_batches", &self.in_batches)
            .finish_non_exhaustive()
    }
}

impl Fleet {
    /// A fleet without workloads.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the plugin takes no such configuration, or the metrics or `capabilities` are not what it
    /// needs.
    pub fn new(
        plugin: &Plugin,
        config: &Value,
        metrics: &[Metric],
        capabilities: &BTreeSet<Capability>,
    ) -> Result<Self, ConfigError> {
        plugin.needs().check(plugin.name(), metrics, capabilities)?;
        let recipe = plugin.recipe(config, metrics, capabilities);
        // Tried out once here, so that no workload need be.
        PluginAlgorithm::new(Arc::clone(plugin.inner()), Arc::clone(&recipe))?;
        Ok(Self {
            in_batches: in_batches(plugin, &recipe),
            plugin: plugin.clone(),
            recipe,
            members: Vec::new(),
            room: Room::default(),
        })
    }

    /// How many workloads there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// One more workload. Gives its index.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the plugin fails to make an instance.
    pub fn add(&mut self) -> Result<usize, ConfigError> {
        let member = PluginAlgorithm::new(Arc::clone(self.plugin.inner()), Arc::clone(&self.recipe))?;
        self.members.push(member);
        Ok(self.members.len() - 1)
    }

    /// Drops a workload. The last one gets its index. False when there is none.
    pub fn swap_remove(&mut self, workload: usize) -> bool {
        if workload >= self.members.len() {
            return false;
        }
        drop(self.members.swap_remove(workload));
        true
    }

    /// Appends a workload's state to `state`.
    ///
    /// # Errors
    ///
    /// [`StateError`] when there is no such workload, or the plugin can't tell.
    pub fn snapshot(&mut self, workload: usize, state: &mut Vec<u8>) -> Result<(), StateError> {
        self.member(workload)?.snapshot(state)
    }

    /// Puts a workload's state back.
    ///
    /// # Errors
    ///
    /// [`StateError`] when there is no such workload, or the bytes are not this plugin's state.
    pub fn restore(&mut self, workload: usize, state: &[u8]) -> Result<(), StateError> {
        self.member(workload)?.restore(state)
    }

    /// Lets another version of the plugin answer from the next look on. Each workload goes on from its state where `next`
    /// takes that.
    ///
    /// `next` is tried aside first, with the fleet's configuration and each workload's state.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`]: then nothing has changed.
    pub fn replace(&mut self, next: &Plugin) -> Result<Replacement, ReplaceError> {
        reload::fits(&self.plugin, next)?;
        let (aside, successor) = (next.aside(), next.in_place_of(&self.plugin));
        reload::try_out(&aside, &self.recipe, Sample::default())?;
        for member in &self.members {
            reload::try_out(&aside, &self.recipe, Sample { state: member.last_good.clone(), look: None })?;
        }
        let mut replacement = Replacement::begin(&self.plugin, &successor);
        for member in &mut self.members {
            let ready = PluginAlgorithm::new(Arc::clone(successor.inner()), Arc::clone(&self.recipe)).ok();
            replacement.count(&reload::carry(member, &successor, ready));
        }
        self.in_batches = in_batches(&successor, &self.recipe);
        self.plugin = successor;
        Ok(replacement)
    }

    fn member(&mut self, workload: usize) -> Result<&mut PluginAlgorithm, StateError> {
        let workloads = self.members.len();
        let none = || StateError::Refused(format!("there is no workload {workload}, but {workloads} of them"));
        self.members.get_mut(workload).ok_or_else(none)
    }

    /// One look at each workload, in the order of their indices. `into` is cleared, and then holds the answers.
    ///
    /// # Errors
    ///
    /// [`LooksMismatch`] when there isn't a look a workload with a reading a metric. Then nobody was asked.
    pub fn evaluate(&mut self, looks: &[Observation<'_>], into: &mut Vec<Answer>) -> Result<(), LooksMismatch> {
        into.clear();
        self.check(looks)?;
        into.resize(looks.len(), Ok(Proposal::NoOpinion));
        let at_once = looks.windows(2).all(|pair| pair[0].now == pair[1].now);
        if !self.in_batches || !at_once {
            self.ask_each(0..looks.len(), looks, into);
            return Ok(());
        }
        let counting = &self.plugin.inner().identity.counting;
        for ((member, look), answer) in self.members.iter_mut().zip(looks).zip(&mut *into) {
            let PluginAlgorithm { seat, last_good, .. } = member;
            seat.now = look.now;
            if let Err(error) = seat.be_live(last_good) {
                count(&counting.calls, 1);
                counting.failed(error.kind);
                *answer = Err(error);
            }
        }
        let mut start = 0;
        while start < looks.len() {
            let end = self.run_from(start);
            match end - start {
                // It has answered already: no instance could be made.
                1 if self.members[start].seat.live().is_none() => {}
                1 => self.ask_each(start..end, looks, into),
                _ => self.ask_together(start..end, looks, into),
            }
            start = end;
        }
        Ok(())
    }

    fn check(&self, looks: &[Observation<'_>]) -> Result<(), LooksMismatch> {
        if looks.len() != self.members.len() {
            return Err(LooksMismatch::Looks { workloads: self.members.len(), looks: looks.len() });
        }
        let metrics = self.recipe.metrics.len();
        match looks.iter().position(|look| look.readings.len() != metrics) {
            None => Ok(()),
            Some(workload) => {
                Err(LooksMismatch::Readings { workload, metrics, readings: looks[workload].readings.len() })
            }
        }
    }

    /// Where the workloads end that live in one store, from `start` on. Who was added one after another usually does.
    fn run_from(&self, start: usize) -> usize {
        let Some(first) = self.members[start].seat.live() else { return start + 1 };
        let beside =
            |member: &PluginAlgorithm| member.seat.live().is_some_and(|live| live.place.is_beside(&first.place));
        start + self.members[start..].iter().take_while(|member| beside(member)).count()
    }

    fn ask_each(&mut self, run: Range<usize>, looks: &[Observation<'_>], into: &mut [Answer]) {
        let mut trace = Trace::off();
        for index in run {
            into[index] = self.members[index].evaluate(&looks[index], &mut trace);
        }
    }

    fn ask_together(&mut self, run: Range<usize>, looks: &[Observation<'_>], into: &mut [Answer]) {
        match self.batch(run.clone(), looks, into) {
            Batch::Answered { alone } => {
                alone.into_iter().for_each(|index| self.ask_each(index..index + 1, looks, into))
            }
            Batch::Gone => self.ask_each(run, looks, into),
            Batch::Failed => {
                self.ask_each(run.clone(), looks, into);
                if into[run].iter().all(Result::is_ok) {
                    tracing::warn!(plugin = self.plugin.name(), "a plugin's batches fail, its workloads alone don't");
                    self.in_batches = false;
                }
            }
        }
    }

    /// Asks the workloads of `run`, which live in one store, in one call.
    fn batch(&mut self, run: Range<usize>, looks: &[Observation<'_>], into: &mut [Answer]) -> Batch {
        let members = &mut self.members[run.clone()];
        let looks = &looks[run.clone()];
        let into = &mut into[run.clone()];
        let (plugin, room) = (self.plugin.inner(), &mut self.room);
        room.fill(members, looks, &self.recipe.metrics);
        let Some(first) = members.first().and_then(|member| member.seat.live()) else { return Batch::Gone };
        let mut entered = first.place.enter();
        let Some(cell) = entered.open() else { return Batch::Gone };
        let asked = Looks {
            now_ms: looks[0].now.as_millis(),
            current: &room.current,
            ready: &room.ready,
            min: &room.min,
            max: &room.max,
            values: &room.columns.values,
            states: &room.columns.states,
        };
        let Some(answers) = cell.evaluate_all(plugin, &room.instances, looks[0].now, asked) else { return Batch::Gone };
        let (full, worn) = (cell.is_full(), cell.is_worn(first.place.residents()));
        let answers = answers.and_then(|answers| {
            whole(answers, looks.len())
                .ok_or_else(|| plugin.nonsense(&"answered for other workloads than it was asked about"))
        });
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) if error.kind == FailureKind::Resources => {
                plugin.outgrown(&mut entered, &first.place);
                return Batch::Gone;
            }
            Err(error) => {
                plugin.break_up(&mut entered, &error);
                return Batch::Failed;
            }
        };
        if full {
            plugin.outgrown(&mut entered, &first.place);
        } else if worn {
            plugin.renew(&mut entered);
        }
        drop(entered);
        let counting = &plugin.identity.counting;
        count(&counting.batches, 1);
        let (mut alone, mut begin) = (Vec::new(), 0);
        for (index, member) in members.iter_mut().enumerate() {
            let end = answers.state_ends[index] as usize;
            let state = &answers.states[begin..end];
            begin = end;
            let proposal = match answers.proposals[index] {
                0 => plugin.need(answers.needs[index]),
                1 => Ok(Proposal::Hold(Hold::Said)),
                2 => Ok(Proposal::NoOpinion),
                3 => Ok(Proposal::Suspend),
                4 => {
                    alone.push(run.start + index);
                    continue;
                }
                other => Err(plugin.nonsense(&format_args!("answered with a proposal of kind {other}"))),
            };
            count(&counting.calls, 1);
            into[index] = proposal.and_then(|proposal| plugin.check_state(state).map(|()| proposal));
            match &into[index] {
                Ok(_) if state.is_empty() => {}
                Ok(_) => member.keep(state),
                Err(error) => {
                    counting.failed(error.kind);
                    member.seat.leave();
                }
            }
        }
        Batch::Answered { alone }
    }
}

/// An instance for each call is in no store with others.
fn in_batches(plugin: &Plugin, recipe: &Recipe) -> bool {
    plugin.has_batch() && recipe.mode != Mode::Fresh
}

impl Room {
    fn fill(&mut self, members: &[PluginAlgorithm], looks: &[Observation<'_>], metrics: &[Metric]) {
        for column in [&mut self.current, &mut self.ready, &mut self.min, &mut self.max] {
            column.clear();
        }
        self.instances.clear();
        self.columns.clear();
        self.instances.extend(members.iter().filter_map(|member| Some(member.seat.live()?.instance)));
        for look in looks {
            self.current.push(look.current);
            self.ready.push(look.ready);
            self.min.push(look.bounds.min());
            self.max.push(look.bounds.max());
            self.columns.push(look, metrics);
        }
    }
}

/// The answers, if there is one for each of so many workloads and their states are where they say.
fn whole(answers: Answers, workloads: usize) -> Option<Answers> {
    let lengths = [answers.proposals.len(), answers.needs.len(), answers.state_ends.len()];
    let rising = answers.state_ends.is_sorted();
    let last = answers.state_ends.last().map_or(0, |&end| end as usize);
    (lengths == [workloads; 3] && rising && last == answers.states.len()).then_some(answers)
}
