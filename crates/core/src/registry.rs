//! Algorithms and stages by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, schema_for};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aibrix::{Apa, Kpa};
use crate::algorithm::ScalingAlgorithm;
use crate::algorithm::average_ratio::AverageRatio;
use crate::algorithm::capped_smooth_ratio::CappedSmoothRatioConfig;
use crate::algorithm::max_ratio::MaxRatio;
use crate::algorithm::weighted_ratio::WeightedRatio;
use crate::capability::{Capability, Needs};
use crate::combinator::{Combined, Member, Rule};
use crate::config::{ConfigError, near_miss, parse_config};
use crate::formula::Formula;
use crate::group::ScalingGroup;
use crate::hpa::{Behavior, Hpa};
use crate::knative::KnativeKpa;
use crate::metric::Metric;
use crate::policy::{AlgorithmSpec, MemberSpec, Policy, StageSpec};
use crate::stage::activation::Activation;
use crate::stage::capped::Capped;
use crate::stage::cooled::Cooled;
use crate::stage::delayed::Delayed;
use crate::stage::remembered::Remembered;
use crate::stage::restrained::Restrained;
use crate::stage::smoothed::Smoothed;
use crate::stage::stabilized::Stabilized;
use crate::stage::substituted::Substituted;
use crate::watermark::Watermark;

/// What an algorithm or stage is, for people and tools.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// What it does, in a sentence.
    pub summary: String,
    /// The JSON Schema of its configuration.
    pub config_schema: Value,
}

impl Description {
    /// `summary`, and the schema of the configuration.
    #[must_use]
    pub fn new(summary: impl Into<String>, config_schema: Value) -> Self {
        Self { summary: summary.into(), config_schema }
    }
}

/// What an algorithm is made from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Setup<'a> {
    /// Its configuration, as the policy has it.
    pub config: &'a Value,
    /// The policy's metrics; readings come in this order.
    pub metrics: &'a [Metric],
    /// What it is granted.
    pub capabilities: &'a BTreeSet<Capability>,
}

/// No capability at all.
static NONE: BTreeSet<Capability> = BTreeSet::new();

/// Makes one instance of an algorithm for each workload that asks for it.
pub trait AlgorithmFactory: Send + Sync {
    /// What the algorithm is.
    fn describe(&self) -> Description;

    /// What it asks of a policy, checked before an instance is made. Default: nothing, and no capability is taken.
    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }

    /// A new instance.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with paths from the configuration's own root.
    fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError>;
}

/// Shared by several registries.
impl<F: AlgorithmFactory + ?Sized> AlgorithmFactory for Arc<F> {
    fn describe(&self) -> Description {
        (**self).describe()
    }

    fn needs(&self) -> Needs<'_> {
        (**self).needs()
    }

    fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        (**self).build(setup)
    }
}

/// Wraps a stage around an algorithm.
pub trait StageFactory: Send + Sync {
    /// What the stage is.
    fn describe(&self) -> Description;

    /// `inner` inside a new instance of the stage.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with paths from the configuration's own root.
    fn wrap(
        &self,
        inner: Box<dyn ScalingAlgorithm>,
        setup: &Setup<'_>,
    ) -> Result<Box<dyn ScalingAlgorithm>, ConfigError>;
}

/// Makes one algorithm of several.
pub trait CombinatorFactory: Send + Sync {
    /// What the combinator is.
    fn describe(&self) -> Description;

    /// `members` in one new instance.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with paths from the algorithm's own root: `config`, `of[2]`.
    fn combine(&self, members: Vec<Member>, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError>;
}

/// The library's own combinators.
impl CombinatorFactory for Rule {
    fn describe(&self) -> Description {
        Description::new(self.summary(), serde_json::json!({ "type": "object", "maxProperties": 0 }))
    }

    fn combine(&self, members: Vec<Member>, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        let NoConfig {} = parse_config(setup.config).map_err(|error| error.under("config"))?;
        Ok(Box::new(Combined::new(*self, members)?))
    }
}

/// Nothing to configure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoConfig {}

/// A factory from a typed configuration, whose schema it publishes, and a constructor.
///
/// ```
/// use setpoint::{AlgorithmManager, MaxRatio, MaxRatioConfig, algorithm_factory};
/// let mut manager = AlgorithmManager::new();
/// let factory = algorithm_factory("another name for max-ratio", |metrics, config: MaxRatioConfig| {
///     Ok(MaxRatio::new(metrics, &config))
/// });
/// manager.registry_mut().register_algorithm("MaxRatio", factory)?;
/// # Ok::<(), setpoint::RegisterError>(())
/// ```
pub fn algorithm_factory<C, A, F>(summary: &'static str, make: F) -> impl AlgorithmFactory
where
    C: DeserializeOwned + JsonSchema,
    A: ScalingAlgorithm + 'static,
    F: Fn(&[Metric], C) -> Result<A, ConfigError> + Send + Sync,
{
    struct Typed<F, C>(&'static str, F, std::marker::PhantomData<fn() -> C>);

    impl<C, A, F> AlgorithmFactory for Typed<F, C>
    where
        C: DeserializeOwned + JsonSchema,
        A: ScalingAlgorithm + 'static,
        F: Fn(&[Metric], C) -> Result<A, ConfigError> + Send + Sync,
    {
        fn describe(&self) -> Description {
            Description::new(self.0, schema_for!(C).to_value())
        }

        fn build(&self, setup: &Setup<'_>) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
            Ok(Box::new((self.1)(setup.metrics, parse_config(setup.config)?)?))
        }
    }

    Typed(summary, make, std::marker::PhantomData)
}

/// A stage factory from a typed configuration, whose schema it publishes, and a constructor, which gets the policy's
/// metrics too.
pub fn stage_factory<C, A, F>(summary: &'static str, wrap: F) -> impl StageFactory
where
    C: DeserializeOwned + JsonSchema,
    A: ScalingAlgorithm + 'static,
    F: Fn(Box<dyn ScalingAlgorithm>, &[Metric], C) -> Result<A, ConfigError> + Send + Sync,
{
    struct Typed<F, C>(&'static str, F, std::marker::PhantomData<fn() -> C>);

    impl<C, A, F> StageFactory for Typed<F, C>
    where
        C: DeserializeOwned + JsonSchema,
        A: ScalingAlgorithm + 'static,
        F: Fn(Box<dyn ScalingAlgorithm>, &[Metric], C) -> Result<A, ConfigError> + Send + Sync,
    {
        fn describe(&self) -> Description {
            Description::new(self.0, schema_for!(C).to_value())
        }

        fn wrap(
            &self,
            inner: Box<dyn ScalingAlgorithm>,
            setup: &Setup<'_>,
        ) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
            Ok(Box::new((self.1)(inner, setup.metrics, parse_config(setup.config)?)?))
        }
    }

    Typed(summary, wrap, std::marker::PhantomData)
}

/// Why a name can't be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Nobody could ask for it.
    #[error("a name must not be empty or blank")]
    EmptyName,
    /// Two would answer to it.
    #[error("the name {name:?} is taken")]
    Taken {
        /// The name.
        name: String,
    },
}

/// Algorithms and stages by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    algorithms: BTreeMap<String, Arc<dyn AlgorithmFactory>>,
    combinators: BTreeMap<String, Arc<dyn CombinatorFactory>>,
    stages: BTreeMap<String, Arc<dyn StageFactory>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("algorithms", &self.algorithms.keys())
            .field("combinators", &self.combinators.keys())
            .field("stages", &self.stages.keys())
            .finish()
    }
}

impl Registry {
    /// With nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// With this library's own algorithms and stages.
    #[must_use]
    pub fn builtin() -> Self {
        let mut registry = Self::empty();
        let taken = "the library's own names are distinct";
        registry
            .register_algorithm(
                MaxRatio::NAME,
                algorithm_factory("multiply the current replicas by the largest ratio of reading to target", |m, c| {
                    Ok(MaxRatio::new(m, &c))
                }),
            )
            .expect(taken);
        registry
            .register_algorithm(
                AverageRatio::NAME,
                algorithm_factory("multiply the current replicas by the mean ratio of reading to target", |m, c| {
                    Ok(AverageRatio::new(m, &c))
                }),
            )
            .expect(taken);
        registry
            .register_algorithm(
                WeightedRatio::NAME,
                algorithm_factory("multiply the current replicas by the weighted mean ratio", |m, c| {
                    WeightedRatio::new(m, &c)
                }),
            )
            .expect(taken);
        registry
            .register_algorithm(
                CappedSmoothRatioConfig::NAME,
                algorithm_factory(
                    "max-ratio, exponentially smoothed, in steps of limited size",
                    |m, c: CappedSmoothRatioConfig| Ok(c.build(m)),
                ),
            )
            .expect(taken);
        registry
            .register_stage(
                Smoothed::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("average exponentially what is needed", |inner, _, c| Ok(Smoothed::new(inner, &c))),
            )
            .expect(taken);
        registry
            .register_stage(
                Capped::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("limit how much one step may add or remove", |inner, _, c| Ok(Capped::new(inner, &c))),
            )
            .expect(taken);
        registry
            .register_stage(
                Activation::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("idle while no metric is above its threshold: to zero, and back", |inner, m, c| {
                    Activation::new(inner, m, &c)
                }),
            )
            .expect(taken);
        registry
            .register_stage(
                Substituted::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory(
                    "what a metric that has failed for too long is taken to ask for, as KEDA's fallback",
                    |inner, m, c| Substituted::new(inner, m, &c),
                ),
            )
            .expect(taken);
        registry
            .register_stage(
                Remembered::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("let a metric that can't be read count as it last read, for a while", |inner, m, c| {
                    Remembered::new(inner, m, &c)
                }),
            )
            .expect(taken);
        registry
            .register_algorithm(
                Formula::NAME,
                algorithm_factory(
                    "one number made of several readings by a formula, and HPA's rules for it",
                    |m, c| Formula::new(m, &c),
                ),
            )
            .expect(taken);
        registry
            .register_stage(
                Stabilized::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("wait until a whole window agrees, a window for each direction", |inner, _, c| {
                    Ok(Stabilized::new(inner, &c))
                }),
            )
            .expect(taken);
        registry
            .register_stage(
                Cooled::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("leave the count alone for a while after each change", |inner, _, c| {
                    Ok(Cooled::new(inner, &c))
                }),
            )
            .expect(taken);
        registry
            .register_stage(
                Delayed::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory("change the count only after that was wanted for a while", |inner, _, c| {
                    Ok(Delayed::new(inner, &c))
                }),
            )
            .expect(taken);
        registry
            .register_algorithm(
                Hpa::NAME,
                algorithm_factory("what Kubernetes' HorizontalPodAutoscaler makes of its metrics", |m, c| {
                    Hpa::new(m, &c)
                }),
            )
            .expect(taken);
        registry
            .register_stage(
                Restrained::<Box<dyn ScalingAlgorithm>>::NAME,
                stage_factory(
                    "HPA's behavior: windows, then rates, a set for each direction",
                    |inner, _, c: Behavior| Restrained::new(inner, &c),
                ),
            )
            .expect(taken);
        registry
            .register_stage(
                Restrained::<Box<dyn ScalingAlgorithm>>::LEGACY_NAME,
                stage_factory("what HPA does without behavior: a window down, twice the count up", |inner, _, c| {
                    Ok(Restrained::legacy(inner, &c))
                }),
            )
            .expect(taken);
        crate::nomad::register(&mut registry).expect(taken);
        registry
            .register_algorithm(
                Apa::NAME,
                algorithm_factory("AIBrix's APA: the mean of a window, rates, a cooldown", |m, c| Apa::new(m, &c)),
            )
            .expect(taken);
        registry
            .register_algorithm(
                Kpa::NAME,
                algorithm_factory("AIBrix's KPA: a long window, and a short one for panic", |m, c| Kpa::new(m, &c)),
            )
            .expect(taken);
        registry
            .register_algorithm(
                Watermark::NAME,
                algorithm_factory(
                    "what DataDog's WatermarkPodAutoscaler makes of its metrics and two marks",
                    |m, c| Watermark::new(m, &c),
                ),
            )
            .expect(taken);
        for rule in Rule::ALL {
            registry.register_combinator(rule.name(), rule).expect(taken);
        }
        registry
            .register_algorithm(
                KnativeKpa::NAME,
                algorithm_factory("Knative's pod autoscaler: a stable window, and a short one for panic", |m, c| {
                    KnativeKpa::new(m, &c)
                }),
            )
            .expect(taken);
        registry
    }

    /// Makes an algorithm available as `name`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when `name` is blank or taken.
    pub fn register_algorithm(
        &mut self,
        name: impl Into<String>,
        factory: impl AlgorithmFactory + 'static,
    ) -> Result<(), RegisterError> {
        let name = name.into();
        if self.combinators.contains_key(&name) {
            return Err(RegisterError::Taken { name });
        }
        insert(&mut self.algorithms, name, Arc::new(factory))
    }

    /// Makes a combinator available as `name`. Policies name it where they name an algorithm, and give it `of`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when `name` is blank, or taken by a combinator or an algorithm.
    pub fn register_combinator(
        &mut self,
        name: impl Into<String>,
        factory: impl CombinatorFactory + 'static,
    ) -> Result<(), RegisterError> {
        let name = name.into();
        if self.algorithms.contains_key(&name) {
            return Err(RegisterError::Taken { name });
        }
        insert(&mut self.combinators, name, Arc::new(factory))
    }

    /// Makes a stage available as `name`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] when `name` is blank or taken.
    pub fn register_stage(
        &mut self,
        name: impl Into<String>,
        factory: impl StageFactory + 'static,
    ) -> Result<(), RegisterError> {
        insert(&mut self.stages, name.into(), Arc::new(factory))
    }

    /// The algorithms, by name.
    pub fn algorithms(&self) -> impl Iterator<Item = (&str, Description)> {
        self.algorithms.iter().map(|(name, factory)| (name.as_str(), factory.describe()))
    }

    /// The combinators, by name.
    pub fn combinators(&self) -> impl Iterator<Item = (&str, Description)> {
        self.combinators.iter().map(|(name, factory)| (name.as_str(), factory.describe()))
    }

    /// The stages, by name.
    pub fn stages(&self) -> impl Iterator<Item = (&str, Description)> {
        self.stages.iter().map(|(name, factory)| (name.as_str(), factory.describe()))
    }

    /// A new instance of the algorithm that `spec` names.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `spec`: an unknown name (with the known ones and the near miss), a
    /// plugin file that nobody has loaded and registered, or what the algorithm says of its configuration.
    pub fn build(&self, spec: &AlgorithmSpec, metrics: &[Metric]) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        let (field, name) = match (&spec.name, &spec.plugin) {
            (Some(name), _) => ("name", name),
            (None, Some(plugin)) => ("plugin", plugin),
            (None, None) => return Err(ConfigError::new("", "an algorithm needs a `name`, or a `plugin` file")),
        };
        let setup = Setup { config: &spec.config, metrics, capabilities: &spec.capabilities };
        if let Some(combinator) = self.combinators.get(name) {
            Needs::default().check(name, metrics, &spec.capabilities)?;
            let members = spec.of.iter().enumerate().map(|(index, member)| {
                self.member(member, metrics).map_err(|error| error.under(&format!("of[{index}]")))
            });
            return combinator.combine(members.collect::<Result<_, _>>()?, &setup);
        }
        let known = self.algorithms.keys().chain(self.combinators.keys()).map(String::as_str);
        let factory =
            find(&self.algorithms, "algorithm", name, known).map_err(|message| ConfigError::new(field, message))?;
        if !spec.of.is_empty() {
            let combinators: Vec<&str> = self.combinators.keys().map(String::as_str).collect();
            let message = format!("{name} asks no others; those that do are {}", combinators.join(", "));
            return Err(ConfigError::new("of", message));
        }
        factory.needs().check(name, metrics, &spec.capabilities)?;
        factory.build(&setup).map_err(|error| error.under("config"))
    }

    fn member(&self, spec: &MemberSpec, metrics: &[Metric]) -> Result<Member, ConfigError> {
        let mut numbers = Vec::new();
        for (index, name) in spec.metrics.iter().enumerate() {
            let wrong = |message| ConfigError::new(format!("metrics[{index}]"), message);
            let number = metrics.iter().position(|metric| metric.name == *name).ok_or_else(|| {
                let known: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
                wrong(format!("the policy has no metric called `{name}`; {}", near_miss(name, &known)))
            })?;
            if numbers.contains(&number) {
                return Err(wrong(format!("`{name}` is picked twice")));
            }
            numbers.push(number);
        }
        if numbers.len() > Member::MOST_PICKED {
            return Err(ConfigError::new("metrics", format!("at most {} can be picked", Member::MOST_PICKED)));
        }
        let picked: Vec<Metric> = numbers.iter().filter_map(|&number| metrics.get(number).cloned()).collect();
        let sees = if numbers.is_empty() { metrics } else { &picked };
        let mut algorithm = self.build(&spec.algorithm, sees).map_err(|error| error.under("algorithm"))?;
        for (index, stage) in spec.stages.iter().enumerate() {
            let path = format!("stages[{index}]");
            algorithm = self.wrap(algorithm, stage, sees).map_err(|error| error.under(&path))?;
        }
        let member = Member::new(spec.lineage(), algorithm).with_role(spec.role);
        Ok(if numbers.is_empty() { member } else { member.with_metrics(numbers) })
    }

    /// `inner` inside the stage that `spec` names.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with paths from `spec`: an unknown name, or what the stage says of its configuration.
    pub fn wrap(
        &self,
        inner: Box<dyn ScalingAlgorithm>,
        spec: &StageSpec,
        metrics: &[Metric],
    ) -> Result<Box<dyn ScalingAlgorithm>, ConfigError> {
        let known = self.stages.keys().map(String::as_str);
        let factory =
            find(&self.stages, "stage", &spec.name, known).map_err(|message| ConfigError::new(&spec.name, message))?;
        factory
            .wrap(inner, &Setup { config: &spec.config, metrics, capabilities: &NONE })
            .map_err(|error| error.under(&spec.name))
    }

    /// The JSON Schema of a policy document, with what is registered here: names, and what each one's
    /// configuration may hold.
    #[must_use]
    pub fn policy_schema(&self) -> Value {
        self.with_names(schema_for!(Policy).to_value())
    }

    /// The JSON Schema of a group's document, likewise.
    #[must_use]
    pub fn group_schema(&self) -> Value {
        self.with_names(schema_for!(ScalingGroup).to_value())
    }

    fn with_names(&self, mut schema: Value) -> Value {
        let by_name: Vec<Value> = self
            .algorithms()
            .chain(self.combinators())
            .map(|(name, description)| {
                serde_json::json!({
                    "if": { "required": ["name"], "properties": { "name": { "const": name } } },
                    "then": { "properties": { "config": embedded(description) } },
                })
            })
            .collect();
        let names: Vec<&str> = self.algorithms.keys().chain(self.combinators.keys()).map(String::as_str).collect();
        let stages: serde_json::Map<String, Value> =
            self.stages().map(|(name, description)| (name.to_owned(), embedded(description))).collect();
        if let Some(algorithm) = schema.pointer_mut("/$defs/AlgorithmSpec").and_then(Value::as_object_mut) {
            algorithm.insert("allOf".into(), by_name.into());
            algorithm.insert(
                "oneOf".into(),
                serde_json::json!([
                    { "required": ["name"], "properties": { "name": { "enum": names } } },
                    { "required": ["plugin"] },
                ]),
            );
        }
        if let Some(stage) = schema.pointer_mut("/$defs/StageSpec").and_then(Value::as_object_mut) {
            stage.insert("properties".into(), stages.into());
            stage.insert("additionalProperties".into(), false.into());
        }
        schema
    }
}

// A schema inside another: its `$defs` are found from its own root, so it becomes one by its `$id`.
fn embedded(description: Description) -> Value {
    let mut schema = description.config_schema;
    if let Some(object) = schema.as_object_mut() {
        if let Some(title) = object.get("title").and_then(Value::as_str) {
            object.insert("$id".into(), format!("https://setpoint.dev/schemas/{title}").into());
        }
        object.insert("description".into(), description.summary.into());
    }
    schema
}

fn insert<T: ?Sized>(into: &mut BTreeMap<String, Arc<T>>, name: String, factory: Arc<T>) -> Result<(), RegisterError> {
    if name.trim().is_empty() {
        return Err(RegisterError::EmptyName);
    }
    if into.contains_key(&name) {
        return Err(RegisterError::Taken { name });
    }
    into.insert(name, factory);
    Ok(())
}

fn find<'a, T: ?Sized>(
    among: &'a BTreeMap<String, Arc<T>>,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Result<&'a T, String> {
    among.get(name).map(Arc::as_ref).ok_or_else(|| {
        let known: Vec<&str> = known.collect();
        format!("no {what} is called `{name}`; {}", near_miss(name, &known))
    })
}
