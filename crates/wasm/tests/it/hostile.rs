//! Everything in the table of hostile plugins ends as it says there, and the host goes on.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use setpoint::{
    AlgorithmManager, AlgorithmSpec, Capability, Decision, Observation, Outcome, PolicySpec, QuarantineSpec, Reading,
    ScalingAlgorithm as _, StateError, Timestamp, Trace, WorkloadId,
};
use setpoint_testkit::hostile::{Ends, ITEMS, Input, Row, TABLE};
use setpoint_testkit::{guests, hostile};
use setpoint_wasm::{BadEntry, CacheUse, LoadError, Mode, Plugin, PluginHost};

use crate::{HOST, p99, registry_of};

const READINGS: [Reading<'static>; 1] = [Reading::Value(620.0)];
/// What the policy declares for when the plugin fails: neither what it answers nor the current count.
const FALLBACK: u32 = 6;

/// Not to be hurried: on a machine that is busy, what ends for another reason could meet a deadline before.
static PATIENT: LazyLock<PluginHost> = LazyLock::new(|| {
    let patience = Duration::from_secs(60);
    PluginHost::builder().deadline(patience).init_deadline(patience).build().expect("a host")
});

/// The host on which a row is tried.
fn host(ends: Ends) -> &'static PluginHost {
    if ends.by_a_deadline() { &HOST } else { &PATIENT }
}

/// Why a row did not end as it should.
type Surprise = String;

#[test]
fn the_table_has_all_items_and_each_row_can_be_told_from_the_others() {
    for item in 1..=ITEMS {
        assert!(TABLE.iter().any(|row| row.item == item), "item {item} is missing");
    }
    assert!(TABLE.is_sorted_by_key(|row| row.item) && TABLE.iter().all(|row| row.item <= ITEMS));
    for (index, row) in TABLE.iter().enumerate() {
        assert!(TABLE[..index].iter().all(|other| other.name != row.name), "{} is there twice", row.name);
        let tried = !matches!(row.input, Input::Nothing);
        assert_ne!(
            tried,
            matches!(row.ends, Ends::DoesNotApply(_)),
            "{}: nothing to try, and why, go together",
            row.name
        );
    }
}

#[test]
fn each_ends_as_the_table_says_and_the_host_goes_on() {
    let mut surprises = Vec::new();
    let neighbours = [&HOST, &PATIENT].map(|host| Neighbour::on(host));
    for row in TABLE {
        if let Err(surprise) = run(row).and_then(|()| neighbours.iter().try_for_each(Neighbour::is_well)) {
            surprises.push(format!("{}: {}: {surprise}", row.item, row.name));
        }
    }
    assert!(surprises.is_empty(), "{} of {} rows:\n{}", surprises.len(), TABLE.len(), surprises.join("\n"));
}

fn run(row: &Row) -> Result<(), Surprise> {
    match row.input {
        Input::Guest(how) => asked(&guest("hostile", row.ends), how.into(), &[], row.ends),
        Input::Chatty(config, grants) => asked(&guest("chatty", row.ends), json(config), grants, row.ends),
        Input::File(file) => loaded(host(row.ends), &file(), row.ends),
        Input::EachBeginning(file) => {
            let file = file();
            (0..file.len()).try_for_each(|end| {
                loaded(host(row.ends), &file[..end], row.ends).map_err(|surprise| format!("cut at {end}: {surprise}"))
            })
        }
        Input::Precompiled(file) => {
            let native =
                wasmtime::Engine::default().precompile_component(&file()).map_err(|error| error.to_string())?;
            loaded(host(row.ends), &native, row.ends)
        }
        Input::Altered(file) => {
            let plugin = altered(&file())?;
            asked(&plugin, Value::Null, &[], row.ends)
        }
        Input::Compiled(file, budget) => {
            let budget = Duration::from_millis(budget);
            let host = PluginHost::builder().compile_time(budget).build().map_err(|error| error.to_string())?;
            loaded(&host, &file(), row.ends)
        }
        Input::OnStack(how, kib) => {
            let ends = row.ends;
            std::thread::Builder::new()
                .stack_size(kib << 10)
                .spawn(move || asked(&guest("hostile", ends), how.into(), &[], ends))
                .map_err(|error| error.to_string())?
                .join()
                .map_err(|_| "its thread panicked".to_owned())?
        }
        // That takes a process of its own: see below.
        Input::AMillionTimes(_) => Ok(()),
        Input::Garbage(file) => garbage(&file(), row.ends),
        Input::Replayed(config, grants) => replayed(&json(config), grants, row.ends),
        Input::Beside(how) => beside(how, row.ends),
        Input::Nothing => Ok(()),
    }
}

/// A plugin that behaves, on a host of the others.
struct Neighbour(Plugin);

impl Neighbour {
    fn on(host: &PluginHost) -> Self {
        Self(load(host, &guests::component("capped-smooth-ratio")).expect("a good component"))
    }

    fn is_well(&self) -> Result<(), Surprise> {
        let mut workload = Workload::new(&self.0, &Value::Null, &[], 40).map_err(|error| error.to_string())?;
        let (decision, why) = workload.decide(0, 4);
        expect((decision.outcome, decision.desired) == (Outcome::Need, 5), || {
            format!("and then its neighbour: {decision:?} {why}")
        })
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Surprise> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON in the table")
}

fn guest(name: &str, ends: Ends) -> Plugin {
    load(host(ends), &guests::component(name)).expect("a good component")
}

/// Loads `file`, of which nothing is left then.
fn load(host: &PluginHost, file: &[u8]) -> Result<Plugin, LoadError> {
    let mut bytes = file.to_vec();
    let plugin = Plugin::load(host, &bytes);
    bytes.fill(0xff);
    plugin
}

/// One workload of one plugin.
struct Workload {
    manager: AlgorithmManager,
    id: WorkloadId,
}

impl Workload {
    fn new(plugin: &Plugin, config: &Value, grants: &[Capability], most: u32) -> Result<Self, setpoint::ConfigError> {
        let mut algorithm = AlgorithmSpec::named(plugin.name(), config.clone());
        algorithm.capabilities = grants.iter().copied().collect();
        let policy = PolicySpec::new(0, most, vec![p99()], algorithm)
            .expect("a good policy")
            .with_on_failure(setpoint::FailureSpec::Replicas(FALLBACK))
            .with_quarantine(QuarantineSpec::Never);
        let mut manager = AlgorithmManager::with_registry(registry_of(plugin));
        let id = manager.add(&policy)?;
        Ok(Self { manager, id })
    }

    /// What is decided for `current` replicas, and the reasons.
    fn decide(&mut self, secs: i64, current: u32) -> (Decision, String) {
        let mut trace = Trace::new();
        let look = Observation::new(Timestamp::from_millis(secs * 1000), current, &READINGS);
        let decision = self.manager.decide(self.id, &look, &mut trace).expect("a decision");
        let reasons: Vec<_> = trace.records(&[]).into_iter().map(|record| record.text).collect();
        (decision, reasons.join("; "))
    }
}

fn loaded(host: &PluginHost, file: &[u8], ends: Ends) -> Result<(), Surprise> {
    match (load(host, file), ends) {
        (Err(error), Ends::RefusedAtLoad(want)) => said(&error.to_string(), want),
        (Err(error), _) => Err(format!("not loaded: {error}")),
        (Ok(_), Ends::RefusedAtLoad(_)) => Err("loaded".to_owned()),
        (Ok(plugin), ends) => asked(&plugin, Value::Null, &[], ends),
    }
}

/// Whether a message says what it should, in a few lines' worth of characters that do nothing to a terminal.
fn said(message: &str, want: &str) -> Result<(), Surprise> {
    expect(message.contains(want), || format!("it says: {message}"))?;
    expect(message.len() < 2048, || format!("{} bytes of a message", message.len()))?;
    expect(!message.contains(char::is_control), || format!("control characters in {message:?}"))
}

/// Asks a workload of `plugin`, twice: what ended must end so again, by another instance.
fn asked(plugin: &Plugin, config: Value, grants: &[Capability], ends: Ends) -> Result<(), Surprise> {
    if matches!(ends, Ends::Inert) {
        return inert([plugin, &plugin.in_mode(Mode::Isolated)], &config, grants);
    }
    let (mut workload, ends) = match (Workload::new(plugin, &config, grants, 40), ends) {
        (Err(error), Ends::RefusedAtStart(want)) => return said(&error.to_string(), want),
        (Err(error), _) => return Err(format!("no policy of it can be added: {error}")),
        (Ok(_), Ends::RefusedAtStart(_)) => return Err("a policy of it was added".to_owned()),
        (Ok(workload), ends) => (workload, ends),
    };
    for look in 0..2_u32 {
        let before = plugin.counters();
        let (decision, why) =
            workload.decide(look.into(), if matches!(ends, Ends::FailsOnce(..)) { 4 + look } else { 4 });
        let counters = plugin.counters();
        let unexpected = || Err(format!("look {look}: {decision:?}: {why}"));
        match (ends, decision.outcome) {
            (Ends::Fails(kind, want), Outcome::Fallback) | (Ends::FailsOnce(kind, want), Outcome::Fallback)
                if look == 0 || matches!(ends, Ends::Fails(..)) =>
            {
                expect(decision.desired == FALLBACK, || format!("the fallback is {}", decision.desired))?;
                said(&why, want)?;
                expect(why.contains(&format!("plugin {} ", plugin.name())), || format!("no name in: {why}"))?;
                let counted = [
                    (setpoint::FailureKind::Deadline, counters.deadlines - before.deadlines),
                    (setpoint::FailureKind::Resources, counters.resources - before.resources),
                    (setpoint::FailureKind::Nonsense, counters.nonsense - before.nonsense),
                    (setpoint::FailureKind::Trap, counters.traps - before.traps),
                ];
                for (counted, count) in counted {
                    expect(count == u64::from(counted == kind), || format!("counted {count} of {counted}"))?;
                }
                // The first is made with the policy.
                expect(counters.instances - before.instances == u64::from(look > 0), || {
                    format!("look {look}: another instance than a new one: {counters:?}")
                })?;
            }
            (Ends::FailsOnce(..), Outcome::Need) if look == 1 => {}
            (Ends::Accepted(want), Outcome::Need | Outcome::Hold) => {
                // One that counts goes on counting.
                expect([want, want + look].contains(&decision.desired), || format!("{} replicas", decision.desired))?;
                said(&why, "")?;
            }
            (Ends::LinesDropped(want, dropped), Outcome::Need) => {
                expect(decision.desired == want, || format!("{} replicas", decision.desired))?;
                let count = counters.log_lines_dropped - before.log_lines_dropped;
                expect(count == dropped, || format!("{count} lines dropped"))?;
            }
            _ => return unexpected(),
        }
    }
    Ok(())
}

/// Whether workloads of both plugins find the same at all times, and nothing of the machine.
fn inert(plugins: [&Plugin; 2], config: &Value, grants: &[Capability]) -> Result<(), Surprise> {
    let mut first = None;
    for plugin in plugins {
        for _ in 0..2 {
            let mut workload = Workload::new(plugin, config, grants, 1_000_000).map_err(|error| error.to_string())?;
            let (decision, why) = workload.decide(0, 4);
            expect(decision.outcome == Outcome::Need, || format!("{decision:?}: {why}"))?;
            let first = *first.get_or_insert(decision);
            expect(decision == first, || format!("{decision:?} here, {first:?} there"))?;
        }
    }
    Ok(())
}

/// What a host makes of `file` that finds it in its cache with one bit changed.
fn altered(file: &[u8]) -> Result<Plugin, Surprise> {
    let cache = tempfile::tempdir().expect("a folder");
    let cached = || PluginHost::builder().cache(cache.path()).build().expect("a host");
    load(&cached(), file).map_err(|error| error.to_string())?;
    let entries = fs::read_dir(cache.path()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let entries: Vec<_> = entries.filter(|file| file.extension().is_some_and(|end| end == "native")).collect();
    let [entry] = &entries[..] else { return Err(format!("kept as {entries:?}")) };
    let mut bytes = fs::read(entry).expect("an entry");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(entry, bytes).expect("its owner may");
    let plugin = load(&cached(), file).map_err(|error| error.to_string())?;
    expect(matches!(plugin.cache_use(), CacheUse::Rejected(BadEntry::Altered)), || {
        format!("{:?}", plugin.cache_use())
    })?;
    Ok(plugin)
}

fn replayed(config: &Value, grants: &[Capability], ends: Ends) -> Result<(), Surprise> {
    expect(matches!(ends, Ends::Inert), || "a replay can only be inert".to_owned())?;
    let plugins = [0, 1].map(|_| {
        let host = PluginHost::builder().replay().build().expect("a host");
        load(&host, &guests::component("chatty")).expect("a good component")
    });
    inert(plugins.each_ref(), config, grants)
}

fn garbage(file: &[u8], ends: Ends) -> Result<(), Surprise> {
    let Ends::StateRefused(want) = ends else { return Err("garbage can only be refused".to_owned()) };
    let plugin = load(host(ends), file).map_err(|error| error.to_string())?;
    let spec = AlgorithmSpec::named(plugin.name(), Value::Null);
    let mut instance = registry_of(&plugin).build(&spec, &[p99()]).map_err(|error| error.to_string())?;
    let look = Observation::new(Timestamp::from_millis(0), 4, &READINGS);
    let before = instance.evaluate(&look, &mut Trace::off());
    for garbage in [&b"\0"[..], b"\xff\xfe\xfd\xfc", &[0x5a; 65_536]] {
        match instance.restore(garbage) {
            Err(StateError::Refused(why)) => said(&why, want)?,
            other => return Err(format!("{other:?}")),
        }
        let after = instance.evaluate(&look, &mut Trace::off());
        expect(before == after, || format!("{before:?} before, {after:?} after"))?;
    }
    Ok(())
}

/// Asks the well-behaved plugin for as long as the other one burns its deadlines.
fn beside(how: &'static str, ends: Ends) -> Result<(), Surprise> {
    let neighbour = Neighbour::on(host(ends));
    std::thread::scope(|scope| {
        let burning = scope.spawn(|| asked(&guest("hostile", ends), how.into(), &[], ends));
        while !burning.is_finished() {
            neighbour.is_well()?;
        }
        expect(neighbour.0.counters().failures() == 0, || format!("{:?}", neighbour.0.counters()))?;
        burning.join().map_err(|_| "its thread panicked".to_owned())?
    })
}

/// Names the row that a process of its own runs.
const ALONE: &str = "SETPOINT_HOSTILE_ROW";
/// How much of what the process holds may be there more after the second half of the looks than after the first. A leak
/// of four bytes a look would show.
const GROWTH: u64 = 2 << 20;

#[test]
fn a_million_looks_leave_memory_as_it_was() {
    if let Ok(index) = std::env::var(ALONE) {
        let row = &TABLE[index.parse::<usize>().expect("a row's index")];
        let Input::AMillionTimes(file) = row.input else { panic!("row {index} is another") };
        return a_million_times(&load(host(row.ends), &file()).expect("a good component"), row.ends);
    }
    let rows = TABLE.iter().enumerate().filter(|(_, row)| matches!(row.input, Input::AMillionTimes(_)));
    let mut count = 0;
    for (index, row) in rows {
        let mut alone = Command::new(std::env::current_exe().expect("this test"));
        alone.args(["--exact", "hostile::a_million_looks_leave_memory_as_it_was"]).env(ALONE, index.to_string());
        let ran = alone.output().expect("this test, again");
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success() && out.contains("1 passed"), "{}: {out}{err}", row.name);
        count += 1;
    }
    assert_eq!(count, 1, "rows that take a process of their own");
}

fn a_million_times(plugin: &Plugin, ends: Ends) {
    let Ends::Accepted(want) = ends else { panic!("a million looks can only be answered") };
    let mut workload = Workload::new(plugin, &Value::Null, &[], 40).expect("a workload");
    let mut trace = Trace::off();
    let mut half = || {
        for at in 0..500_000 {
            let look = Observation::new(Timestamp::from_millis(at), 4, &READINGS);
            let decision = workload.manager.decide(workload.id, &look, &mut trace).expect("a decision");
            assert_eq!((decision.desired, decision.outcome), (want, Outcome::Need), "look {at}");
        }
        resident()
    };
    let (first, second) = (half(), half());
    let counters = plugin.counters();
    assert_eq!((counters.calls, counters.failures()), (1_000_000, 0), "{counters:?}");
    // A page each sixteenth look, and a thousand of them fit.
    assert!(counters.stores > 50, "{counters:?}");
    assert!(second <= first + GROWTH, "{first} bytes after the first half, {second} after the second: {counters:?}");
}

/// Bytes of memory that this process holds; 0 where the machine does not tell.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

#[test]
fn the_liar_answers_otherwise_when_it_is_asked_again() {
    let plugin = load(&HOST, &hostile::liar()).expect("a good component");
    assert!(plugin.is_deterministic());
    let mut workload = Workload::new(&plugin, &Value::Null, &[], 40).expect("a workload");
    assert_eq!([0, 1, 2].map(|at| workload.decide(at, 4).0.desired), [1, 2, 3]);
}
