//! Everything that a plugin has ever done to its host, each with how it must end.
//!
//! Fifty-three items in one table, some in several ways. Each ends in one of few manners: refused at load, refused when a
//! policy is added, a typed error of the call, an answer that was checked, or nothing at all. What can't happen to
//! this host is in the table too, and says why. After each of them the host goes on, for its other plugins and for the same.
//!
//! The rows are data. `crates/wasm/tests/it/hostile.rs` runs them.

mod bombs;
mod handmade;

use setpoint::{Capability, FailureKind};

use self::handmade::{SPIN, words};

/// How many items there are.
pub const ITEMS: u8 = 53;

/// One way to misbehave.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The item, of 1 to [`ITEMS`]. An item can have several rows.
    pub item: u8,
    /// What it does.
    pub name: &'static str,
    /// What is given to the host.
    pub input: Input,
    /// What must come of it.
    pub ends: Ends,
}

/// What is given to the host.
///
/// Where nothing else is said, it is loaded, a policy is added, and it is asked about a workload of four replicas.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The guest `hostile`, told to misbehave so.
    Guest(&'static str),
    /// The guest `chatty` with a configuration, as JSON, and these grants.
    Chatty(&'static str, &'static [Capability]),
    /// A file.
    File(fn() -> Vec<u8>),
    /// Each beginning of a file.
    EachBeginning(fn() -> Vec<u8>),
    /// What wasmtime compiles of a component.
    Precompiled(fn() -> Vec<u8>),
    /// A file, to a host in whose cache what was compiled of it has been changed in one bit.
    Altered(fn() -> Vec<u8>),
    /// A file, to a host with this budget for compiling, in milliseconds.
    Compiled(fn() -> Vec<u8>, u64),
    /// The guest `hostile`, called on a thread with a stack of so many KiB.
    OnStack(&'static str, usize),
    /// A file, that is asked a million times.
    AMillionTimes(fn() -> Vec<u8>),
    /// Garbage in place of a state, for this file.
    Garbage(fn() -> Vec<u8>),
    /// As [`Self::Chatty`], to two hosts that replay.
    Replayed(&'static str, &'static [Capability]),
    /// The guest `hostile`, while another plugin is asked.
    Beside(&'static str),
    /// There is nothing to give.
    Nothing,
}

/// What must come of it.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// It is not loaded; the error says this.
    RefusedAtLoad(&'static str),
    /// It is loaded, and no policy of it can be added; the error says this.
    RefusedAtStart(&'static str),
    /// Each call ends with an error of this kind that says this, and the policy's fallback answers.
    Fails(FailureKind, &'static str),
    /// So does one call, and a new instance answers the next.
    FailsOnce(FailureKind, &'static str),
    /// It answers, was checked, and has so many replicas.
    Accepted(u32),
    /// So it does, and so many of its lines are dropped.
    LinesDropped(u32, u64),
    /// It is refused, and the instance is as it was.
    StateRefused(&'static str),
    /// It finds nothing: the answer is the same wherever and whenever it is asked.
    Inert,
    /// It can't happen to this host, and why.
    DoesNotApply(&'static str),
}

impl Ends {
    /// Whether a deadline ends it. Whatever ends otherwise does so on the slowest machine too, from a host with patience.
    #[must_use]
    pub fn by_a_deadline(&self) -> bool {
        match self {
            Self::RefusedAtLoad(says)
            | Self::RefusedAtStart(says)
            | Self::Fails(_, says)
            | Self::FailsOnce(_, says)
            | Self::StateRefused(says) => says.contains("its deadline"),
            Self::Accepted(_) | Self::LinesDropped(..) | Self::Inert | Self::DoesNotApply(_) => false,
        }
    }
}

const fn row(item: u8, name: &'static str, input: Input, ends: Ends) -> Row {
    Row { item, name, input, ends }
}

use Ends::{
    Accepted, DoesNotApply, Fails, FailsOnce, Inert, LinesDropped, RefusedAtLoad, RefusedAtStart, StateRefused,
};
use FailureKind::{Deadline, Nonsense, Resources, Trap};
use Input::{
    AMillionTimes, Altered, Beside, Chatty, Compiled, EachBeginning, File, Garbage, Guest, Nothing, OnStack,
    Precompiled, Replayed,
};

const OUT_OF_TIME: &str = "took longer than its deadline of 100ms";
const OUT_OF_MEMORY: &str = "wanted more than 67108864 bytes of memory";
const TOO_MANY_ITEMS: &str = "wanted more than 64 instances, tables or memories";
const TOO_MANY_COPIES: &str = "made the host copy more than 2097152 bytes in one call";
const LOG: &[Capability] = &[Capability::Log];

/// All of them, in the order of the items.
pub const TABLE: &[Row] = &[
    row(1, "an endless loop in evaluate", Guest("endless-loop"), Fails(Deadline, OUT_OF_TIME)),
    row(1, "an endless loop in create", Guest("endless-create"), RefusedAtStart("took longer than its deadline of 1s")),
    row(
        1,
        "an endless loop in describe",
        File(|| handmade::with(&[("describe", SPIN)])),
        RefusedAtLoad("took longer than its deadline of 1s"),
    ),
    row(
        2,
        "an endless loop in the start function",
        File(|| handmade::with(&[("items", &format!("(func $start {SPIN}) (start $start)"))])),
        RefusedAtLoad("failed at its start: took longer than its deadline of 1s"),
    ),
    row(3, "an endless loop in realloc", File(|| handmade::with(&[("realloc", SPIN)])), Fails(Deadline, OUT_OF_TIME)),
    row(
        4,
        "an endless loop in post-return",
        File(|| handmade::with(&[("evaluated", SPIN)])),
        Fails(Deadline, OUT_OF_TIME),
    ),
    row(
        5,
        "a trap in realloc",
        File(|| handmade::with(&[("realloc", "(unreachable)")])),
        Fails(Trap, "crashed: wasm trap: wasm `unreachable`"),
    ),
    row(
        6,
        "a realloc that gives what is out of bounds",
        File(|| handmade::with(&[("realloc", "(return (i32.const -64))")])),
        Fails(Trap, "realloc return: beyond end of memory"),
    ),
    row(
        7,
        "a realloc that gives what is misaligned",
        File(|| handmade::with(&[("realloc", "(return (i32.const 65537))")])),
        Fails(Trap, "realloc return: result not aligned"),
    ),
    row(
        7,
        "an answer that is misaligned",
        File(|| handmade::with(&[("evaluate", "(return (i32.const 1153))")])),
        Fails(Trap, "not aligned"),
    ),
    row(
        8,
        "a trap in post-return",
        File(|| handmade::with(&[("evaluated", "(unreachable)")])),
        Fails(Trap, "crashed: wasm trap: wasm `unreachable`"),
    ),
    row(9, "recursion without end", Guest("stack-overflow"), Fails(Trap, "call stack exhausted")),
    row(
        10,
        "recursion without end on the smallest stack that is allowed",
        OnStack("stack-overflow", 1024),
        Fails(Trap, "call stack exhausted"),
    ),
    row(11, "memory without end", Guest("memory-bomb"), Fails(Resources, OUT_OF_MEMORY)),
    row(
        11,
        "memory without end, page by page",
        File(|| {
            let grow = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
            handmade::with(&[("evaluate", grow)])
        }),
        Fails(Resources, OUT_OF_MEMORY),
    ),
    row(
        12,
        "4 GiB of memory to begin with",
        File(|| handmade::with(&[("memory", "65536")])),
        RefusedAtLoad(OUT_OF_MEMORY),
    ),
    row(
        12,
        "more memory than there are addresses",
        File(|| {
            // One more than a text could say.
            let mut bytes = handmade::with(&[("memory", "65535")]);
            let at = bytes.windows(3).position(|bytes| bytes == [0xff, 0xff, 0x03]).expect("the number of pages");
            bytes[at..at + 3].copy_from_slice(&[0x81, 0x80, 0x04]);
            bytes
        }),
        RefusedAtLoad("is not valid"),
    ),
    row(
        12,
        "a memory of 64 bits",
        File(|| handmade::with(&[("items", "(memory i64 1)")])),
        RefusedAtLoad("is not valid"),
    ),
    row(13, "70 instances", File(|| bombs::instances(70)), RefusedAtLoad(TOO_MANY_ITEMS)),
    row(
        13,
        "70 memories",
        File(|| handmade::with(&[("items", &"(memory 1)".repeat(70))])),
        RefusedAtLoad(TOO_MANY_ITEMS),
    ),
    row(
        13,
        "70 tables",
        File(|| handmade::with(&[("items", &"(table 1 funcref)".repeat(70))])),
        RefusedAtLoad(TOO_MANY_ITEMS),
    ),
    row(
        14,
        "a table of 400,000,000 elements",
        File(|| handmade::with(&[("items", "(table 400000000 funcref)")])),
        RefusedAtLoad(OUT_OF_MEMORY),
    ),
    row(
        14,
        "a table that grows without end",
        File(|| {
            let grow =
                "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1))))
                (unreachable)";
            handmade::with(&[("items", "(table $t 0 funcref)"), ("evaluate", grow)])
        }),
        Fails(Resources, OUT_OF_MEMORY),
    ),
    row(
        15,
        "a reason that is out of bounds",
        File(|| handmade::with(&[("data", &words(1176, &[0xffff_fff0, 100]))])),
        Fails(Trap, "out of bounds of memory"),
    ),
    row(
        15,
        "a state as long as there are numbers",
        File(|| handmade::with(&[("data", &words(1184, &[1, 0, u32::MAX]))])),
        Fails(Trap, "out of bounds of memory"),
    ),
    row(
        15,
        "a list of metrics that is out of bounds",
        File(|| handmade::with(&[("data", &words(1056, &[2048, 0x1fff_ffff]))])),
        RefusedAtLoad("out of bounds of memory"),
    ),
    row(
        16,
        "4,000 strings of 64 KiB that are all the same memory",
        File(|| bombs::aliased_metrics(4000, 65_536)),
        RefusedAtLoad(TOO_MANY_COPIES),
    ),
    row(16, "a reason of 8 MiB", Guest("huge-reason"), Fails(Resources, TOO_MANY_COPIES)),
    row(16, "a state of 8 MiB", Guest("huge-new-state"), Fails(Resources, TOO_MANY_COPIES)),
    row(
        16,
        "a summary of 8 MiB",
        File(|| handmade::with(&[("memory", "256"), ("data", &words(1044, &[8 << 20]))])),
        RefusedAtLoad(TOO_MANY_COPIES),
    ),
    row(
        16,
        "a schema of 8 MiB",
        File(|| handmade::with(&[("memory", "256"), ("data", &words(1052, &[8 << 20]))])),
        RefusedAtLoad(TOO_MANY_COPIES),
    ),
    row(
        16,
        "a need of 20,000 metrics",
        File(|| bombs::many_metrics(20_000)),
        RefusedAtLoad("it needs 20000 metrics, at most 256"),
    ),
    row(
        17,
        "a reason that is not UTF-8",
        File(|| handmade::with(&[("data", &(words(1176, &[3000, 2]) + r#"(data (i32.const 3000) "\ff\fe")"#))])),
        Fails(Trap, "utf-8"),
    ),
    row(
        17,
        "a name that is not UTF-8",
        File(|| handmade::with(&[("data", r#"(data (i32.const 2048) "\ff\fe")"#)])),
        RefusedAtLoad("utf-8"),
    ),
    row(
        18,
        "a proposal of no known kind",
        File(|| handmade::with(&[("data", &words(1160, &[9]))])),
        Fails(Trap, "unexpected discriminant: 9"),
    ),
    row(
        18,
        "a result that is neither",
        File(|| handmade::with(&[("data", &words(1152, &[2]))])),
        Fails(Trap, "invalid expected discriminant"),
    ),
    row(19, "a char that is none", Nothing, DoesNotApply("no type of the contract holds a char")),
    row(
        20,
        "a bool that is 7",
        File(|| handmade::with(&[("data", &words(1064, &[7]))])),
        // True, as every number but 0.
        Accepted(7),
    ),
    row(21, "a need of NaN", Guest("nan"), Fails(Nonsense, "answered with a need of NaN replicas")),
    row(21, "a need without end", Guest("infinity"), Fails(Nonsense, "answered with a need of inf replicas")),
    row(
        21,
        "a NaN with a payload",
        File(|| handmade::with(&[("data", &words(1168, &[0xdead_beef, 0x7ff0_dead]))])),
        Fails(Nonsense, "answered with a need of NaN replicas"),
    ),
    row(22, "a negative need", Guest("negative"), Fails(Nonsense, "answered with a need of -1 replicas")),
    row(
        22,
        "a need of more than there can be",
        Guest("out-of-range"),
        Fails(Nonsense, "answered with a need of 10000000000 replicas"),
    ),
    row(
        22,
        "a need beyond the policy's bounds",
        File(|| handmade::with(&[("data", &words(1168, &[0, 0x408f_4000]))])),
        // Of 1000, and 40 is the most.
        Accepted(40),
    ),
    row(
        23,
        "a core module",
        File(|| handmade::component("(module)")),
        RefusedAtLoad("is a core WebAssembly module, not a WebAssembly component"),
    ),
    row(24, "an empty file", File(Vec::new), RefusedAtLoad("is empty")),
    row(24, "garbage", File(|| b"garbage\0\xff".repeat(1000)), RefusedAtLoad("is something else")),
    row(
        24,
        "garbage that begins as a component",
        File(|| [b"\0asm\x0d\0\x01\0".as_slice(), &b"\xfe\xed".repeat(1000)].concat()),
        RefusedAtLoad("is not valid"),
    ),
    row(25, "a component cut anywhere", EachBeginning(handmade::without_names), RefusedAtLoad("the ")),
    row(
        26,
        "native code in wasmtime's own form",
        Precompiled(|| handmade::with(&[])),
        RefusedAtLoad("is a precompiled .cwasm, which could hold any native code"),
    ),
    row(27, "a corrupt entry in the cache of compiled code", Altered(|| handmade::with(&[])), Accepted(7)),
    row(28, "types 101 deep", File(|| bombs::nested_types(101)), RefusedAtLoad("nesting")),
    row(28, "types 10,000 deep", File(|| bombs::nested_types(10_000)), RefusedAtLoad("nesting")),
    row(28, "types that double 60 times", File(|| bombs::doubled_types(60)), RefusedAtLoad("type size")),
    row(
        29,
        "a record of 10,001 fields",
        File(|| bombs::wide_record(10_001)),
        RefusedAtLoad("record field size is out of bounds"),
    ),
    row(
        29,
        "20,000 exports, none of them an algorithm",
        File(|| bombs::exports(20_000)),
        RefusedAtLoad("exports no `setpoint:scaling/algorithm`, but thing0, "),
    ),
    row(
        30,
        "a function that compiles for too long",
        Compiled(|| slow_to_compile(100_000), 2),
        RefusedAtLoad("did not compile within 2ms"),
    ),
    row(
        30,
        "functions that compile for too long",
        Compiled(|| bombs::many_functions(10_000), 2),
        RefusedAtLoad("did not compile within 2ms"),
    ),
    row(31, "a compressed file", File(bombs::gzip), RefusedAtLoad("is something else")),
    row(
        32,
        "no algorithm",
        File(|| handmade::with(&[("interface", "\"wasi:http/handler@0.2.0\"")])),
        RefusedAtLoad("exports no `setpoint:scaling/algorithm`, but wasi:http/handler@0.2.0; export one with"),
    ),
    row(
        32,
        "an algorithm without restore",
        File(|| handmade::with(&[("restore-name", "\"[method]instance.recall\"")])),
        RefusedAtLoad("does not have the types of `setpoint:scaling@0.2.0`"),
    ),
    row(
        33,
        "an algorithm of a later contract",
        File(|| handmade::with(&[("interface", "\"setpoint:scaling/algorithm@7.1.0\"")])),
        RefusedAtLoad("was built for `setpoint:scaling@7.1.0`, this host speaks"),
    ),
    row(
        34,
        "a field of another type in what it is asked",
        File(|| handmade::with(&[("count", "s32")])),
        RefusedAtLoad("does not have the types of `setpoint:scaling@0.2.0`"),
    ),
    row(
        34,
        "a field of another type in what it answers",
        File(|| handmade::with(&[("text", "(list u8)")])),
        RefusedAtLoad("does not have the types of `setpoint:scaling@0.2.0`"),
    ),
    row(
        35,
        "an import of sockets",
        File(|| handmade::importing("wasi:sockets/network@0.2.0", "connect", "", "", &[])),
        RefusedAtLoad("imports `wasi:sockets/network@0.2.0`, which a plugin may not have"),
    ),
    row(
        36,
        "an import that it never calls",
        File(|| handmade::importing("wasi:cli/run@0.2.0", "launch", "", "", &[])),
        Accepted(7),
    ),
    row(
        37,
        "an import that it calls",
        File(|| handmade::importing("wasi:cli/run@0.2.0", "launch", "", "", &[("evaluate", "(call $import)")])),
        Fails(Trap, "called `wasi:cli/run.launch`, which it was not granted"),
    ),
    row(
        37,
        "an import that it calls at its start",
        File(|| {
            let start = [("items", "(func $start (call $import)) (start $start)")];
            handmade::importing("wasi:cli/run@0.2.0", "launch", "", "", &start)
        }),
        RefusedAtLoad("failed at its start: crashed: the plugin called `wasi:cli/run.launch`"),
    ),
    row(37, "a file that it opens", Guest("file"), Fails(Trap, "it said: thread '<unnamed>'")),
    row(37, "the environment that it reads", Guest("environment"), Inert),
    row(37, "the directory that it reads", Guest("directory"), Inert),
    row(38, "an hour of sleep", Guest("sleep"), Fails(Trap, "which it was not granted")),
    row(39, "a flood of lines", Chatty(r#"{ "lines": 1000 }"#, LOG), LinesDropped(40, 1000 - 32)),
    row(39, "a flood of lines without end", Chatty(r#"{ "lines": 4000000000 }"#, LOG), Fails(Deadline, OUT_OF_TIME)),
    row(
        40,
        "a line of 1 MiB that colours the terminal",
        Chatty(r#"{ "lines": 3, "width": 1048576 }"#, LOG),
        Accepted(40),
    ),
    row(40, "a reason of 512 KiB that clears the terminal", Guest("long-reason"), Accepted(4)),
    row(
        41,
        "a host that is entered again",
        Nothing,
        DoesNotApply(
            "nothing that a plugin can import calls back into a plugin: log, clocks and random numbers answer at once",
        ),
    ),
    row(
        42,
        "an import that realloc calls",
        File(|| {
            let called = [("realloc", "(drop (call $import))")];
            handmade::importing("wasi:clocks/monotonic-clock@0.2.0", "now", "(result u64)", "(result i64)", &called)
        }),
        Fails(Trap, "cannot leave component instance"),
    ),
    row(
        42,
        "an import that post-return calls",
        File(|| {
            let called = [("evaluated", "(drop (call $import))")];
            handmade::importing("wasi:clocks/monotonic-clock@0.2.0", "now", "(result u64)", "(result i64)", &called)
        }),
        Fails(Trap, "cannot leave component instance"),
    ),
    row(
        43,
        "handles without end",
        File(|| handmade::with(&[("evaluate", "(loop $more (drop (call $new (i32.const 1))) (br $more))")])),
        Fails(Resources, "held more handles to resources than it may"),
    ),
    row(
        43,
        "a handle that it doesn't have",
        File(|| handmade::with(&[("create", "(i32.store (i32.const 1220) (i32.const 77)) (return (i32.const 1216))")])),
        RefusedAtStart("unknown handle index 77"),
    ),
    row(
        44,
        "a million looks, of which each sixteenth leaks a page",
        AMillionTimes(|| {
            let leak = "(if (i32.eqz (i32.and (global.get $asked) (i32.const 15)))
                (then (drop (memory.grow (i32.const 1)))))";
            handmade::with(&[("evaluate", leak)])
        }),
        Accepted(7),
    ),
    row(45, "a call after a trap", Guest("trap@4"), FailsOnce(Trap, "it said: thread '<unnamed>'")),
    row(46, "an exit that says all is well", Guest("exit"), Fails(Trap, "wasi:cli/exit")),
    row(47, "a panic in create", Guest("trap-in-create"), RefusedAtStart("it said: thread '<unnamed>'")),
    row(
        47,
        "a trap in describe",
        File(|| handmade::with(&[("describe", "(unreachable)")])),
        RefusedAtLoad("failed at its start: crashed: wasm trap: wasm `unreachable`"),
    ),
    row(
        48,
        "a name that is a path",
        File(|| handmade::with(&[("data", "(data (i32.const 2048) \"../../rc\")")])),
        RefusedAtLoad("the name \"../../rc\" must be 1 to 63 lower case letters, digits and hyphens"),
    ),
    row(
        48,
        "a schema that is not JSON",
        File(|| handmade::with(&[("data", "(data (i32.const 2112) \"{[\")")])),
        RefusedAtLoad("the configuration's schema is not JSON"),
    ),
    row(
        48,
        "another name at each call",
        File(|| {
            // It is asked once.
            handmade::with(&[(
                "describe",
                "(i32.store8 (i32.const 2048) (i32.add (i32.load8_u (i32.const 2048)) (i32.const 1)))",
            )])
        }),
        Accepted(7),
    ),
    row(
        48,
        "a metric that it needs twice",
        File(|| bombs::aliased_metrics(2, 4)),
        RefusedAtLoad("it needs the metric `hand` twice"),
    ),
    row(48, "an algorithm that says it is deterministic, and counts", File(liar), Accepted(1)),
    row(49, "the clock under replay", Replayed(r#"{ "tell": "clock" }"#, &[Capability::Clock, Capability::Log]), Inert),
    row(
        49,
        "the monotonic clock under replay",
        Replayed(r#"{ "tell": "passing" }"#, &[Capability::Clock, Capability::Log]),
        Inert,
    ),
    row(
        49,
        "randomness under replay",
        Replayed(r#"{ "tell": "random" }"#, &[Capability::Random, Capability::Log]),
        Inert,
    ),
    row(49, "clocks and randomness without a grant", Guest("ambient"), Inert),
    row(50, "garbage for a state", Garbage(|| handmade::with(&[])), StateRefused("no state.")),
    row(
        50,
        "garbage for a state, on which it traps",
        Garbage(|| handmade::with(&[("restore", "(if (local.get 2) (then (unreachable)))")])),
        StateRefused("crashed: wasm trap: wasm `unreachable`"),
    ),
    row(
        50,
        "garbage for a state, on which it spins",
        Garbage(|| handmade::with(&[("restore", &format!("(if (local.get 2) (then {SPIN}))"))])),
        StateRefused(OUT_OF_TIME),
    ),
    row(
        51,
        "a file that is replaced while it is loaded",
        // As each row's: the bytes are another's as soon as they are loaded.
        File(|| handmade::with(&[])),
        Accepted(7),
    ),
    row(
        52,
        "64 MiB filled over and over",
        File(|| {
            let fill = "(loop $again (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65000000)) (br $again))";
            handmade::with(&[("memory", "1000"), ("evaluate", fill)])
        }),
        Fails(Deadline, OUT_OF_TIME),
    ),
    row(
        53,
        "a deadline that passes beside another plugin's calls",
        Beside("endless-loop"),
        Fails(Deadline, OUT_OF_TIME),
    ),
];

/// A component whose answers are how often it was asked, though it says that it is deterministic. It has no state.
#[must_use]
pub fn liar() -> Vec<u8> {
    handmade::with(&[("evaluate", "(f64.store (i32.const 1168) (f64.convert_i32_u (global.get $asked)))")])
}

/// A component with a function of so many bytes: one that takes its compiler a while.
#[must_use]
pub fn slow_to_compile(bytes: usize) -> Vec<u8> {
    bombs::long_function(bytes)
}

/// A component that takes a page of memory at each fourth look, and can't go on without.
#[must_use]
pub fn leaky() -> Vec<u8> {
    let leak = "(if (i32.eqz (i32.and (global.get $asked) (i32.const 3)))
        (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (unreachable)))))";
    handmade::with(&[("evaluate", leak)])
}
