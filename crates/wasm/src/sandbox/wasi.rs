//! A WASI in which nothing is there and nothing happens, but for what the policy grants.
//!
//! Language runtimes import WASI whether they use it or not. The parts they touch at their start answer
//! harmlessly: no arguments, no environment, no directories, clocks that stand at the observation's `now`, the same random
//! bytes each time, short waits that are over at once, an output that is dropped (the beginning of standard error is kept,
//! to explain a panic). Everything else is an error that names the import. What is not of these interfaces at all is
//! refused at load.

use std::time::Duration;

use setpoint::Capability;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{Result, StoreContextMut, bail};

use super::{Sandbox, printable};
use crate::contract::{LOG, Version, link_log};
use crate::error::LoadError;
use crate::host::PluginHost;

/// Every WASI resource: a handle to nothing. Standard error is told by its number.
struct Nothing;
const STDERR_HANDLE: u32 = 2;

/// The interfaces whose presence among the imports is no reason to refuse a component.
const INERT: [&str; 5] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"];

/// What a component gets to import, and what it can't do without.
pub(crate) struct Linked {
    pub(crate) linker: Linker<Sandbox>,
    /// The capabilities that a policy must grant it, and why.
    pub(crate) requires: Vec<(Capability, String)>,
    /// The interfaces that it imports, but for those of types alone.
    pub(crate) imports: Vec<String>,
}

/// What a policy may grant to a plugin that imports an interface whose name begins so.
pub(crate) const OPTIONAL: [(&str, Capability); 2] =
    [("wasi:clocks/", Capability::Clock), ("wasi:random/", Capability::Random)];

/// Links what `component` imports, or says what it may not have.
pub(crate) fn link(host: &PluginHost, component: &Component) -> Result<Linked, LoadError> {
    let mut linker = host.linker();
    let (mut requires, mut imports) = (Vec::new(), Vec::new());
    let engine = host.engine();
    for (name, item) in component.component_type().imports(engine) {
        let forbidden = || LoadError::ForbiddenImport { import: printable(name) };
        let invalid = |error| LoadError::Invalid { message: format!("import `{}`: {error:#}", printable(name)) };
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(forbidden());
        };
        // An interface of plain types, like the contract's own, gives nothing to link and nothing to use.
        if instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_))) {
            continue;
        }
        imports.push(printable(name));
        if name.strip_prefix(LOG).and_then(Version::find) == Some(Version::V0_2) {
            link_log(&mut linker).map_err(invalid)?;
            requires.push((Capability::Log, format!("imports `{name}`")));
            continue;
        }
        if !INERT.iter().any(|inert| name.starts_with(inert)) {
            return Err(forbidden());
        }
        let interface = name.split('@').next().unwrap_or(name);
        let mut inert = linker.instance(name).map_err(|_| forbidden())?;
        for (item, export) in instance.exports(engine) {
            define(&mut inert, interface, item, &export.ty).map_err(invalid)?;
        }
    }
    Ok(Linked { linker, requires, imports })
}

fn define(linker: &mut LinkerInstance<'_, Sandbox>, interface: &str, item: &str, ty: &ComponentItem) -> Result<()> {
    match ty {
        ComponentItem::Resource(_) => linker.resource(item, ResourceType::host::<Nothing>(), |_, _| Ok(())),
        ComponentItem::ComponentFunc(_) => {
            let answer = answer(interface, item);
            let import = format!("{interface}.{item}");
            linker.func_new(item, move |store, _, arguments, results| match answer {
                Some(answer) => answer(store, arguments, results),
                None => bail!("the plugin called `{import}`, which it was not granted"),
            })
        }
        // Type definitions need no implementation.
        _ => Ok(()),
    }
}

type Answer = fn(StoreContextMut<'_, Sandbox>, &[Val], &mut [Val]) -> Result<()>;

/// The harmless answer of an import, where there is one.
fn answer(interface: &str, function: &str) -> Option<Answer> {
    Some(match (interface, function) {
        ("wasi:cli/environment", "get-environment" | "get-arguments")
        | ("wasi:filesystem/preopens", "get-directories") => |_, _, results| give(results, Val::List(Vec::new())),
        ("wasi:cli/environment", "initial-cwd")
        | (
            "wasi:cli/terminal-stdin" | "wasi:cli/terminal-stdout" | "wasi:cli/terminal-stderr",
            "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr",
        ) => |_, _, results| give(results, Val::Option(None)),
        ("wasi:cli/stdin", "get-stdin") | ("wasi:cli/stdout", "get-stdout") => {
            |store, _, results| give_handle(store, results, 0)
        }
        ("wasi:cli/stderr", "get-stderr") => |store, _, results| give_handle(store, results, STDERR_HANDLE),
        ("wasi:io/streams", "[method]output-stream.check-write") => |store, arguments, results| {
            give_back(store, arguments)?;
            give(results, Val::Result(Ok(Some(Box::new(Val::U64(4096))))))
        },
        ("wasi:io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => write,
        ("wasi:io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            |store, arguments, results| {
                give_back(store, arguments)?;
                give(results, Val::Result(Ok(None)))
            }
        }
        ("wasi:random/random" | "wasi:random/insecure", "get-random-u64" | "get-insecure-random-u64") => {
            |mut store, _, results| {
                let random = store.data_mut().random()?;
                give(results, Val::U64(random))
            }
        }
        ("wasi:random/random" | "wasi:random/insecure", "get-random-bytes" | "get-insecure-random-bytes") => {
            random_bytes
        }
        ("wasi:random/insecure-seed", "insecure-seed" | "get-insecure-seed") => |mut store, _, results| {
            let sandbox = store.data_mut();
            let seed = Val::Tuple(vec![Val::U64(sandbox.random()?), Val::U64(sandbox.random()?)]);
            give(results, seed)
        },
        ("wasi:clocks/monotonic-clock", "now") => |store, _, results| {
            let time = store.data().monotonic();
            give(results, Val::U64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
        },
        ("wasi:clocks/monotonic-clock", "resolution") => |_, _, results| give(results, Val::U64(1)),
        ("wasi:clocks/monotonic-clock", "subscribe-duration") => |store, arguments, results| {
            doze(store, Duration::from_nanos(nanoseconds(arguments)?), "subscribe-duration", results)
        },
        ("wasi:clocks/monotonic-clock", "subscribe-instant") => |store, arguments, results| {
            let until = Duration::from_nanos(nanoseconds(arguments)?);
            let wait = until.saturating_sub(store.data().monotonic());
            doze(store, wait, "subscribe-instant", results)
        },
        ("wasi:io/poll", "poll") => all_ready,
        ("wasi:io/poll", "[method]pollable.block") => |store, arguments, _| give_back(store, arguments),
        ("wasi:io/poll", "[method]pollable.ready") => |store, arguments, results| {
            give_back(store, arguments)?;
            give(results, Val::Bool(true))
        },
        ("wasi:clocks/wall-clock", "now") => |store, _, results| {
            let time = store.data().wall();
            give_time(results, time.as_secs(), time.subsec_nanos())
        },
        ("wasi:clocks/wall-clock", "resolution") => |_, _, results| give_time(results, 0, 1),
        _ => return None,
    })
}

fn give(results: &mut [Val], value: Val) -> Result<()> {
    match results.first_mut() {
        Some(result) => *result = value,
        None => bail!("an import has no result where its interface has one"),
    }
    Ok(())
}

fn give_time(results: &mut [Val], seconds: u64, nanoseconds: u32) -> Result<()> {
    let fields = [("seconds", Val::U64(seconds)), ("nanoseconds", Val::U32(nanoseconds))];
    give(results, Val::Record(fields.map(|(name, value)| (name.to_owned(), value)).into()))
}

fn give_handle(mut store: StoreContextMut<'_, Sandbox>, results: &mut [Val], number: u32) -> Result<()> {
    let handle = Resource::<Nothing>::new_own(number).try_into_resource_any(&mut store)?;
    give(results, Val::Resource(handle))
}

/// Ends the borrows of a call: one that is left over would be a trap.
fn give_back(mut store: StoreContextMut<'_, Sandbox>, arguments: &[Val]) -> Result<()> {
    for argument in arguments {
        if let Val::Resource(borrowed) = argument {
            Resource::<Nothing>::try_from_resource_any(*borrowed, &mut store)?;
        }
    }
    Ok(())
}

/// The longest wait that is over at once. A runtime waits so for itself, Go's between its collector's phases and for at
/// most 1 ms; who wants to wait for longer wants time to pass, and that is nothing a decision may do.
const DOZE: Duration = Duration::from_millis(10);

fn doze(store: StoreContextMut<'_, Sandbox>, wait: Duration, function: &str, results: &mut [Val]) -> Result<()> {
    if wait > DOZE {
        bail!(
            "the plugin called `wasi:clocks/monotonic-clock.{function}` to wait for {wait:?}, which it was not granted"
        );
    }
    give_handle(store, results, 0)
}

fn nanoseconds(arguments: &[Val]) -> Result<u64> {
    match arguments {
        [Val::U64(nanoseconds)] => Ok(*nanoseconds),
        _ => bail!("a clock was asked without the nanoseconds that its interface has"),
    }
}

fn all_ready(store: StoreContextMut<'_, Sandbox>, arguments: &[Val], results: &mut [Val]) -> Result<()> {
    let [Val::List(pollables)] = arguments else {
        bail!("`poll` was called without a list, which its interface has");
    };
    give_back(store, pollables)?;
    let ready = (0..u32::try_from(pollables.len())?).map(Val::U32).collect();
    give(results, Val::List(ready))
}

fn write(mut store: StoreContextMut<'_, Sandbox>, arguments: &[Val], results: &mut [Val]) -> Result<()> {
    if let [Val::Resource(stream), Val::List(bytes)] = arguments {
        let stream = Resource::<Nothing>::try_from_resource_any(*stream, &mut store)?;
        if stream.rep() == STDERR_HANDLE {
            let bytes = bytes.iter().filter_map(|byte| if let Val::U8(byte) = byte { Some(*byte) } else { None });
            store.data_mut().keep_stderr(bytes);
        }
    }
    give(results, Val::Result(Ok(None)))
}

/// More than any runtime seeds itself with; each byte costs the host 40 as a dynamic value.
const RANDOM_BYTES: u64 = 4096;

fn random_bytes(mut store: StoreContextMut<'_, Sandbox>, arguments: &[Val], results: &mut [Val]) -> Result<()> {
    let length = match arguments {
        [Val::U64(length)] if *length <= RANDOM_BYTES => *length,
        _ => bail!("the plugin asked for more than {RANDOM_BYTES} random bytes at once"),
    };
    let sandbox = store.data_mut();
    let mut bytes = Vec::new();
    for _ in 0..length.div_ceil(8) {
        bytes.extend(sandbox.random()?.to_le_bytes().map(Val::U8));
    }
    bytes.truncate(usize::try_from(length)?);
    give(results, Val::List(bytes))
}
