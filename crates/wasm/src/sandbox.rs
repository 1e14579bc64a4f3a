//! What a plugin finds around itself: a WASI in which nothing is there and nothing happens.
//!
//! Language runtimes import WASI whether they use it or not. The parts they touch at their start answer
//! harmlessly: no arguments, no environment, no directories, a clock that stands still, the same random bytes
//! each time, an output that is dropped (the last of standard error is kept, to explain a panic). Everything
//! else is an error that names the import. What is not of these interfaces at all is refused at load.

use std::fmt;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{Result, StoreContextMut, bail};

use crate::error::LoadError;
use crate::host::Host;
use crate::limits::{Limits, Meter};

/// The state of one store.
pub(crate) struct Sandbox {
    pub(crate) meter: Meter,
    /// Until the call under way has run for its deadline.
    pub(crate) ticks_left: u32,
    pub(crate) stderr: Vec<u8>,
    random: u64,
}

/// How much of standard error is kept.
const STDERR: usize = 512;

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("meter", &self.meter).finish_non_exhaustive()
    }
}

impl Sandbox {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { meter: Meter::new(limits.memory), ticks_left: 0, stderr: Vec::new(), random: 0 }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014) from a fixed seed: a runtime can seed its hash maps, and a replay
    /// sees the same bytes.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn keep_stderr(&mut self, bytes: &[Val]) {
        let room = STDERR.saturating_sub(self.stderr.len());
        let bytes = bytes.iter().take(room).filter_map(|byte| match byte {
            Val::U8(byte) => Some(*byte),
            _ => None,
        });
        self.stderr.extend(bytes);
    }

    /// What was written to standard error, in one printable line.
    pub(crate) fn stderr_line(&self) -> String {
        printable(&String::from_utf8_lossy(&self.stderr))
    }
}

/// How much of a plugin's words is kept, as `wit/scaling.wit` says.
const WORDS: usize = 1 << 10;

/// The beginning of a plugin's `text`, without what could confuse a terminal or a log, its lines joined.
pub(crate) fn printable(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(WORDS)];
    let mut line = String::with_capacity(text.len());
    for part in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// A call took longer than its deadline.
#[derive(Debug)]
pub(crate) struct DeadlinePassed;

impl fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the call took longer than its deadline")
    }
}

impl std::error::Error for DeadlinePassed {}

/// Every WASI resource: a handle to nothing. Standard error is told by its number.
struct Nothing;
const STDERR_HANDLE: u32 = 2;

/// The interfaces whose presence among the imports is no reason to refuse a component.
const INERT: [&str; 5] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/"];

/// Links what `component` imports, or says what it may not have.
pub(crate) fn link(host: &Host, component: &Component) -> Result<wasmtime::component::Linker<Sandbox>, LoadError> {
    let mut linker = host.linker();
    let engine = host.engine();
    for (name, item) in component.component_type().imports(engine) {
        let forbidden = || LoadError::ForbiddenImport { import: printable(name) };
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(forbidden());
        };
        // An interface of plain types, like the contract's own, gives nothing to link and nothing to use.
        if instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_))) {
            continue;
        }
        if !INERT.iter().any(|inert| name.starts_with(inert)) {
            return Err(forbidden());
        }
        let interface = name.split('@').next().unwrap_or(name);
        let mut inert = linker.instance(name).map_err(|_| forbidden())?;
        for (item, export) in instance.exports(engine) {
            define(&mut inert, interface, item, &export.ty)
                .map_err(|error| LoadError::Invalid { message: format!("import `{name}`: {error:#}") })?;
        }
    }
    Ok(linker)
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
        ("wasi:io/streams", "[method]output-stream.check-write") => {
            |_, _, results| give(results, Val::Result(Ok(Some(Box::new(Val::U64(4096))))))
        }
        ("wasi:io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => write,
        ("wasi:io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            |_, _, results| give(results, Val::Result(Ok(None)))
        }
        ("wasi:random/random" | "wasi:random/insecure", "get-random-u64" | "get-insecure-random-u64") => {
            |mut store, _, results| {
                let random = store.data_mut().random();
                give(results, Val::U64(random))
            }
        }
        ("wasi:random/random" | "wasi:random/insecure", "get-random-bytes" | "get-insecure-random-bytes") => {
            random_bytes
        }
        ("wasi:random/insecure-seed", "insecure-seed" | "get-insecure-seed") => |mut store, _, results| {
            let sandbox = store.data_mut();
            let seed = Val::Tuple(vec![Val::U64(sandbox.random()), Val::U64(sandbox.random())]);
            give(results, seed)
        },
        ("wasi:clocks/monotonic-clock", "now" | "resolution") => |_, _, results| give(results, Val::U64(1)),
        ("wasi:clocks/wall-clock", "now" | "resolution") => |_, _, results| {
            give(results, Val::Record(vec![("seconds".into(), Val::U64(0)), ("nanoseconds".into(), Val::U32(0))]))
        },
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

fn give_handle(mut store: StoreContextMut<'_, Sandbox>, results: &mut [Val], number: u32) -> Result<()> {
    let handle = Resource::<Nothing>::new_own(number).try_into_resource_any(&mut store)?;
    give(results, Val::Resource(handle))
}

fn write(mut store: StoreContextMut<'_, Sandbox>, arguments: &[Val], results: &mut [Val]) -> Result<()> {
    if let [Val::Resource(stream), Val::List(bytes)] = arguments {
        let stream = Resource::<Nothing>::try_from_resource_any(*stream, &mut store)?;
        if stream.rep() == STDERR_HANDLE {
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
    let words = (0..length.div_ceil(8)).flat_map(|_| sandbox.random().to_le_bytes());
    let bytes = words.take(usize::try_from(length)?).map(Val::U8).collect();
    give(results, Val::List(bytes))
}
