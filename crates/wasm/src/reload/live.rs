//! A plugin, whichever version of it runs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use setpoint::{
    AlgorithmFactory, ConfigError, Description, EvaluateError, Needs, Observation, Proposal, ScalingAlgorithm, Setup,
    StateError, Trace,
};

use super::trial::{self, Sample};
use super::{Edition, ReplaceError, Replacement};
use crate::counters::Counters;
use crate::instance::{Looked, PluginAlgorithm, STAGE};
use crate::plugin::Plugin;
use crate::seat::Recipe;

/// A plugin that can be replaced by another version of itself, while workloads run it. Cheap to clone.
///
/// Registered like a [`Plugin`]. Each of its workloads runs the new version from its next call on, and goes on from its
/// state where the new version takes that; its next decision's trace says so. A call takes one lock more, for
/// which nobody but a replacement keeps it waiting.
///
/// ```no_run
/// use setpoint::AlgorithmManager;
/// use setpoint_wasm::{LivePlugin, Plugin, PluginHost};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = PluginHost::new()?;
/// let live = LivePlugin::new(Plugin::load(&host, &std::fs::read("per_replica.wasm")?)?);
/// let mut manager = AlgorithmManager::new();
/// manager.registry_mut().register_algorithm(live.name(), live.clone())?;
/// // On any thread, while the manager decides on its own:
/// let replacement = live.replace(&Plugin::load(&host, &std::fs::read("per_replica_2.wasm")?)?)?;
/// println!("{replacement}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LivePlugin {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    state: Mutex<State>,
    /// Held by who replaces it: one at a time.
    replacing: Mutex<u64>,
}

struct State {
    running: Plugin,
    members: Vec<Weak<Member>>,
    /// How many members there may be until those that are gone are forgotten.
    forget_at: usize,
}

impl State {
    /// Those that are still there.
    fn members(&self) -> Vec<Arc<Member>> {
        self.members.iter().filter_map(Weak::upgrade).collect()
    }
}

/// One workload that runs it.
struct Member {
    recipe: Arc<Recipe>,
    /// The last attempt to replace the plugin in which this workload's needs were tried.
    tried_in: AtomicU64,
    body: Mutex<Body>,
}

/// What a call uses. Between two calls it can be replaced.
struct Body {
    algorithm: PluginAlgorithm,
    /// The last look, if it was answered.
    looked: Option<Looked>,
    /// What the next decision is to say.
    note: Option<String>,
}

impl Body {
    fn sample(&self) -> Sample {
        Sample {
            state: self.algorithm.last_good.clone(),
            look: self.looked.map(|looked| (looked, self.algorithm.columns.clone())),
        }
    }
}

impl fmt::Debug for LivePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LivePlugin").field("running", &self.running()).finish_non_exhaustive()
    }
}

/// How often a replacement tries whoever is there and untried, before it keeps more from coming.
const ROUNDS: u32 = 4;

impl LivePlugin {
    /// `plugin`, to be replaced one day. Workloads that were made from `plugin` itself stay as they are.
    #[must_use]
    pub fn new(plugin: Plugin) -> Self {
        let name = plugin.name().to_owned();
        let state = Mutex::new(State { running: plugin, members: Vec::new(), forget_at: 0 });
        Self { shared: Arc::new(Shared { name, state, replacing: Mutex::new(0) }) }
    }

    /// The name that it gives itself, in all its versions.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What runs now.
    #[must_use]
    pub fn running(&self) -> Plugin {
        lock(&self.shared.state).running.clone()
    }

    /// Which version runs now.
    #[must_use]
    pub fn edition(&self) -> Edition {
        Edition::of(&self.running())
    }

    /// What it has done so far, in all its versions.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.running().counters()
    }

    /// Tries `next` aside, with each workload's configuration, state and last look, and lets it take over.
    ///
    /// That takes some tens of microseconds a workload, during which all of them go on with what runs; each then waits at
    /// most for its own state to be carried over, and a new one at most until those before it are tried. No counter counts
    /// what is tried.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`]: then nothing has changed.
    pub fn replace(&self, next: &Plugin) -> Result<Replacement, ReplaceError> {
        // A panic while it was held left the attempts counted so far, which is all that is kept.
        let mut attempt = lock(&self.shared.replacing);
        *attempt += 1;
        let running = self.running();
        super::fits(&running, next)?;
        let aside = next.aside();
        let successor = next.in_place_of(&running);
        // Whoever is added during the trial is tried too; at last those to come have to wait until it takes over for them.
        let try_out =
            |members: &[Arc<Member>]| members.iter().try_for_each(|member| member.try_out_in(*attempt, &aside));
        for _ in 0..ROUNDS {
            let members = lock(&self.shared.state).members();
            try_out(&members)?;
        }
        let members = {
            let mut state = lock(&self.shared.state);
            let members = state.members();
            try_out(&members)?;
            state.running = successor.clone();
            members
        };
        let mut replacement = Replacement::begin(&running, &successor);
        for member in members {
            let carried = member.carry(&running, &successor);
            replacement.count(&carried);
        }
        Ok(replacement)
    }

    fn adopt(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        loop {
            let running = self.running();
            let recipe = running.recipe(setup.config, setup.metrics, setup.capabilities);
            let algorithm = PluginAlgorithm::new(Arc::clone(running.inner()), Arc::clone(&recipe))?;
            let mut state = lock(&self.shared.state);
            if !Arc::ptr_eq(state.running.inner(), running.inner()) {
                // Replaced meanwhile, and nobody has tried this workload.
                continue;
            }
            let member = Arc::new(Member {
                recipe,
                tried_in: AtomicU64::new(0),
                body: Mutex::new(Body { algorithm, looked: None, note: None }),
            });
            if state.members.len() >= state.forget_at {
                state.members.retain(|member| member.strong_count() > 0);
                state.forget_at = (state.members.len() * 2).max(64);
            }
            state.members.push(Arc::downgrade(&member));
            return Ok(Box::new(LiveAlgorithm { member }));
        }
    }
}

impl AlgorithmFactory for LivePlugin {
    fn describe(&self) -> Description {
        self.running().describe()
    }

    fn needs(&self) -> Needs<'_> {
        self.running().needs().into_owned()
    }

    fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        self.adopt(setup)
    }
}

impl Member {
    /// Tries `aside`, unless this attempt has.
    fn try_out_in(&self, attempt: u64, aside: &Plugin) -> Result<(), ReplaceError> {
        if self.tried_in.load(Ordering::Relaxed) == attempt {
            return Ok(());
        }
        let sample = lock(&self.body).sample();
        trial::try_out(aside, &self.recipe, sample)?;
        self.tried_in.store(attempt, Ordering::Relaxed);
        Ok(())
    }

    fn carry(&self, from: &Plugin, to: &Plugin) -> Result<(), String> {
        // Made before the workload has to wait. An error is what its next call would get.
        let ready = PluginAlgorithm::new(Arc::clone(to.inner()), Arc::clone(&self.recipe)).ok();
        let mut body = lock(&self.body);
        let carried = trial::carry(&mut body.algorithm, to, ready);
        let (from, to) = (Edition::of(from), Edition::of(to));
        body.note = Some(match &carried {
            Ok(()) => format!("{to} took over from {from}"),
            Err(why) => format!("{to} took over from {from} and begins anew: {why}"),
        });
        carried
    }
}

/// One workload's instance, of whichever version runs.
struct LiveAlgorithm {
    member: Arc<Member>,
}

impl ScalingAlgorithm for LiveAlgorithm {
    fn evaluate(&mut self, look: &Observation<'_>, trace: &mut Trace) -> Result<Proposal, EvaluateError> {
        let mut body = lock(&self.member.body);
        if let Some(note) = body.note.take() {
            let current = f64::from(look.current);
            trace.note(STAGE, current, current, format_args!("{note}"));
        }
        let answer = body.algorithm.evaluate(look, trace);
        body.looked = answer.is_ok().then(|| Looked::at(look));
        answer
    }

    fn snapshot(&mut self, state: &mut Vec<u8>) -> Result<(), StateError> {
        lock(&self.member.body).algorithm.snapshot(state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        lock(&self.member.body).algorithm.restore(state)
    }
}

/// What is guarded is whole between any two calls, and an algorithm that panicked within one is as after a failed call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
