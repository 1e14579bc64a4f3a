//! Small files that are much to a host: types without end, code without end, the same bytes over and over.

use std::fmt::Write as _;

use super::handmade;

/// Lists of lists, `depth` deep.
pub(super) fn nested_types(depth: u32) -> Vec<u8> {
    let mut text = "(component (type $t0 (list u8))\n".to_owned();
    for level in 1..depth {
        let _ = writeln!(text, "(type $t{level} (list $t{}))", level - 1);
    }
    handmade::component(&(text + ")"))
}

/// Pairs of pairs: each of a few types is twice as large as the one before.
pub(super) fn doubled_types(depth: u32) -> Vec<u8> {
    let mut text = "(component (type $t0 (tuple u8 u8))\n".to_owned();
    for level in 1..depth {
        let _ = writeln!(text, "(type $t{level} (tuple $t{0} $t{0}))", level - 1);
    }
    handmade::component(&(text + ")"))
}

/// A record of so many fields.
pub(super) fn wide_record(fields: u32) -> Vec<u8> {
    let fields: String = (0..fields).map(|field| format!("(field \"f{field}\" u8)")).collect();
    handmade::component(&format!("(component (type (record {fields})))"))
}

/// So many core instances, beside the one with the code.
pub(super) fn instances(count: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $nothing))".repeat(count);
    handmade::with(&[("instances", &format!("(core module $nothing) {instances}"))])
}

/// A component that exports so many things, none of which is an algorithm.
pub(super) fn exports(count: u32) -> Vec<u8> {
    let exports: String = (0..count).map(|number| format!("(export \"thing{number}\" (type $t))")).collect();
    handmade::component(&format!("(component (type $t u8) {exports})"))
}

/// A description that needs so many metrics, all of whose names are the same bytes of memory, so many of them.
pub(super) fn aliased_metrics(metrics: usize, bytes: u32) -> Vec<u8> {
    let need = [2048, bytes, 2048, bytes].map(u32::to_le_bytes).concat();
    let need: String = need.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let data = format!(
        "{} (data (i32.const 131072) \"{}\")",
        handmade::words(1056, &[131_072, u32::try_from(metrics).unwrap_or(u32::MAX)]),
        need.repeat(metrics)
    );
    handmade::with(&[("memory", "64"), ("data", &data)])
}

/// A description that needs so many metrics, each with another name of three bytes.
pub(super) fn many_metrics(metrics: u32) -> Vec<u8> {
    let data: String = (0..metrics)
        .map(|metric| {
            // The names are pieces of one text, which stands behind the list.
            let need = [131_072 + 16 * metrics + 4 * metric, 4, 2048, 1];
            need.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect::<String>()
        })
        .collect();
    let names: String = (0..metrics)
        .map(|metric| {
            [12, 8, 4, 0].map(|shift| char::from(b'a' + ((metric >> shift) & 15) as u8)).iter().collect::<String>()
        })
        .collect();
    let list = handmade::words(1056, &[131_072, metrics]);
    handmade::with(&[("memory", "64"), ("data", &format!("{list} (data (i32.const 131072) \"{data}{names}\")"))])
}

/// One function of about so many bytes.
pub(super) fn long_function(bytes: usize) -> Vec<u8> {
    // Seven bytes a turn, and each depends on the one before.
    let code = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7)) (local.get 0)))".repeat(bytes / 9);
    handmade::with(&[("items", &format!("(func (param i32) (result i32) {code} (local.get 0))"))])
}

/// So many functions.
pub(super) fn many_functions(count: usize) -> Vec<u8> {
    handmade::with(&[("items", &"(func (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))".repeat(count))])
}

/// A file in the form of gzip.
pub(super) fn gzip() -> Vec<u8> {
    b"\x1f\x8b\x08\0\0\0\0\0\x02\xff\x4b\xcc\xad\xca\x48\x2c\x4d\x52\x48\xaa\xd4\x51\x28\x28\x4a\x2d\x4e\x05\0".to_vec()
}
