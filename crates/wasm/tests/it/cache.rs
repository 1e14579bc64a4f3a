//! What was compiled once is loaded, and what only looks like it is not.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use setpoint_testkit::{guests, looks};
use setpoint_wasm::{BadEntry, CacheUse, LoadError, Plugin, PluginHost};
use tempfile::TempDir;

use crate::equivalence::{configs, equal};
use crate::registry_of;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn host(cache: &Path) -> PluginHost {
    PluginHost::builder().cache(cache).build().expect("a host")
}

/// What a host that was just started makes of `name`.
fn load(cache: &Path, name: &str) -> (Plugin, PluginHost) {
    let host = host(cache);
    (Plugin::load(&host, &guests::component(name)).expect("a good component"), host)
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(cache).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut entries: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|end| end == "native")).collect();
    entries.sort();
    entries
}

fn the_entry(cache: &Path) -> PathBuf {
    let entries = entries(cache);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its owner may");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o777
}

/// The entry with one bit of one byte changed.
fn flip(entry: &Path, at: usize) {
    let mut bytes = fs::read(entry).expect("an entry");
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x10;
    fs::write(entry, bytes).expect("its owner may");
}

fn cut(entry: &Path, to: u64) {
    fs::File::options().write(true).open(entry).and_then(|file| file.set_len(to)).expect("its owner may");
}

/// A folder in which both plugins are kept; the entries of `hostile` and the other.
fn two_kept() -> (TempDir, PathBuf, PathBuf) {
    let cache = folder();
    load(cache.path(), "hostile");
    let hostile = the_entry(cache.path());
    load(cache.path(), "chatty");
    let other = entries(cache.path()).into_iter().find(|entry| *entry != hostile).expect("two entries");
    (cache, hostile, other)
}

#[test]
fn a_plugin_is_compiled_once_and_loaded_from_then_on() {
    let cache = folder();
    let inside = cache.path().join("made/when/missing");
    let (plugin, first) = load(&inside, "hostile");
    assert_eq!(plugin.cache_use(), &CacheUse::Miss);
    let counters = first.cache_counters().expect("a cache");
    assert_eq!((counters.hits, counters.misses, counters.rejected, counters.kept), (0, 1, 0, 1));

    let (plugin, second) = load(&inside, "hostile");
    assert_eq!((plugin.cache_use(), plugin.name()), (&CacheUse::Hit, "hostile"));
    let counters = second.cache_counters().expect("a cache");
    assert_eq!((counters.hits, counters.misses, counters.rejected, counters.kept), (1, 0, 0, 0));

    assert_eq!(mode(&inside), 0o700);
    assert_eq!(mode(&inside.join("key")), 0o600);
    assert_eq!(mode(&the_entry(&inside)), 0o600);
    assert_eq!(crate::HOSTILE.cache_use(), &CacheUse::Off);
    assert_eq!(crate::HOST.cache_counters(), None);
}

#[test]
fn bad_entries_are_compiled_anew_and_named() {
    type Spoil = fn(&Path, &Path, &Path);
    let altered = BadEntry::Altered;
    let length = |bytes, wants| BadEntry::Length { bytes, wants };
    let (kept, hostile, other) = two_kept();
    let bytes = fs::read(&hostile).expect("an entry");
    let (size, of_length) = (bytes.len() as u64, u64::from(bytes[96]));
    let flipped = size - of_length + (of_length ^ 0x10);
    let cases: Vec<(&str, Spoil, BadEntry)> = vec![
        ("a bit of what it says it is", |_, entry, _| flip(entry, 3), BadEntry::Foreign),
        ("a bit of its key's name", |_, entry, _| flip(entry, 20), BadEntry::OtherKey),
        ("a bit of its component's hash", |_, entry, _| flip(entry, 40), BadEntry::Misplaced { what: "component" }),
        ("a bit of its engine's hash", |_, entry, _| flip(entry, 70), BadEntry::Misplaced { what: "engine" }),
        ("a bit of its length", |_, entry, _| flip(entry, 96), length(size, flipped)),
        ("a bit of its seal", |_, entry, _| flip(entry, 118), altered.clone()),
        ("the first bit of its note", |_, entry, _| flip(entry, 144), altered.clone()),
        ("a bit within its code", |_, entry, _| flip(entry, 20_000), altered.clone()),
        ("the last bit of its code", |_, entry, _| flip(entry, usize::MAX), altered),
        ("nothing of it left", |_, entry, _| cut(entry, 0), BadEntry::Foreign),
        ("cut within its header", |_, entry, _| cut(entry, 100), length(100, 144)),
        ("cut within its code", |_, entry, _| cut(entry, 5_000), length(5_000, size)),
        (
            "the entry of another plugin",
            |_, entry, other| {
                fs::copy(other, entry).expect("it may");
            },
            BadEntry::Misplaced { what: "component" },
        ),
        (
            "a link to the right entry",
            |_, entry, _| {
                let moved = entry.with_extension("moved");
                fs::rename(entry, &moved).expect("it may");
                symlink(&moved, entry).expect("it may");
            },
            BadEntry::NotAFile { what: "symbolic link" },
        ),
        (
            "the entry of a cache with another key",
            |_, entry, _| {
                let elsewhere = folder();
                load(elsewhere.path(), "hostile");
                fs::copy(the_entry(elsewhere.path()), entry).expect("it may");
            },
            BadEntry::OtherKey,
        ),
        ("the key gone", |cache, _, _| fs::remove_file(cache.join("key")).expect("it may"), BadEntry::OtherKey),
        (
            "the entry of a host with other settings",
            |cache, entry, _| {
                let before = entries(cache);
                let replay = PluginHost::builder().replay().cache(cache).build().expect("a host");
                Plugin::load(&replay, &guests::component("hostile")).expect("a good component");
                let new = entries(cache).into_iter().find(|entry| !before.contains(entry)).expect("one more");
                fs::rename(new, entry).expect("it may");
            },
            BadEntry::Misplaced { what: "engine" },
        ),
    ];
    for (name, spoil, want) in cases {
        let cache = folder();
        for file in fs::read_dir(kept.path()).expect("a folder") {
            let file = file.expect("a file").path();
            fs::copy(&file, cache.path().join(file.file_name().expect("a name"))).expect("it may");
        }
        let here = |entry: &Path| cache.path().join(entry.file_name().expect("a name"));
        spoil(cache.path(), &here(&hostile), &here(&other));

        let (plugin, spoiled) = load(cache.path(), "hostile");
        assert_eq!(plugin.cache_use(), &CacheUse::Rejected(want.clone()), "{name}");
        assert_eq!(plugin.name(), "hostile", "{name}");
        let counters = spoiled.cache_counters().expect("a cache");
        assert_eq!((counters.hits, counters.rejected, counters.kept), (0, 1, 1), "{name}: {counters:?}");
        // And the bad one is replaced.
        assert_eq!(load(cache.path(), "hostile").0.cache_use(), &CacheUse::Hit, "{name}");
        assert!(!want.to_string().is_empty(), "{name}");
    }
}

#[test]
fn a_folder_that_others_can_write_into_is_not_used() {
    let cache = folder();
    let first = host(cache.path());
    let component = guests::component("hostile");
    Plugin::load(&first, &component).expect("a good component");
    for shared in [0o777, 0o720] {
        set_mode(cache.path(), shared);
        let plugin = Plugin::load(&first, &component).expect("it is compiled");
        let CacheUse::Rejected(BadEntry::NotPrivate { message }) = plugin.cache_use() else {
            panic!("{:?}", plugin.cache_use());
        };
        assert!(
            message.contains("others can write into the folder") && message.contains("`chmod 700` it"),
            "{message}"
        );
        let error = PluginHost::builder().cache(cache.path()).build().expect_err("not private").to_string();
        assert!(error.contains(&format!("no plugin cache in {}", cache.path().display())), "{error}");
        assert!(error.contains(message), "{error}");
    }
    let counters = first.cache_counters().expect("a cache");
    assert_eq!((counters.rejected, counters.kept, counters.not_kept), (2, 1, 2), "{counters:?}");
    set_mode(cache.path(), 0o755);
    assert_eq!(load(cache.path(), "hostile").0.cache_use(), &CacheUse::Hit);
}

#[test]
fn a_folder_of_somebody_else_is_not_used() {
    let cache = folder();
    if let Err(error) = chown(cache.path(), Some(12_345), None) {
        // Only root can give a folder away.
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        return;
    }
    let error = PluginHost::builder().cache(cache.path()).build().expect_err("not its own").to_string();
    assert!(error.contains("the folder belongs to user 12345"), "{error}");
}

#[test]
fn a_key_that_others_may_know_is_not_used() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil, &str); 4] = [
        ("readable", |key| set_mode(key, 0o640), "others can read the key in"),
        ("short", |key| fs::write(key, [7; 31]).expect("it may"), "has 31 bytes and a key has 32: remove it"),
        ("long", |key| fs::write(key, [7; 99]).expect("it may"), "and a key has 32: remove it"),
        (
            "a link",
            |key| {
                let moved = key.with_extension("moved");
                fs::rename(key, &moved).expect("it may");
                symlink(&moved, key).expect("it may");
            },
            "is not a regular file: remove it",
        ),
    ];
    for (name, spoil, want) in cases {
        let cache = folder();
        host(cache.path());
        spoil(&cache.path().join("key"));
        let error = PluginHost::builder().cache(cache.path()).build().expect_err(name).to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

#[test]
fn compiled_files_that_somebody_brings_are_refused() {
    let (_cache, entry, _) = two_kept();
    let entry = fs::read(entry).expect("an entry");
    let error = Plugin::load(&crate::HOST, &entry).expect_err("native code");
    assert!(
        matches!(error, LoadError::NotAComponent { found } if found.contains("entry of a plugin cache")),
        "{error}"
    );
    // And what wasmtime itself makes: see `a_precompiled_component_is_refused`.
}

#[test]
fn many_hosts_may_use_a_folder_at_the_same_time() {
    let cache = folder();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for name in ["hostile", "chatty"] {
                    let (plugin, _) = load(cache.path(), name);
                    assert!(matches!(plugin.cache_use(), CacheUse::Miss | CacheUse::Hit), "{:?}", plugin.cache_use());
                }
            });
        }
    });
    assert_eq!(load(cache.path(), "hostile").0.cache_use(), &CacheUse::Hit);
    assert_eq!(load(cache.path(), "chatty").0.cache_use(), &CacheUse::Hit);
    assert_eq!(fs::read_dir(cache.path()).expect("a folder").count(), 3, "the key and two entries");
}

#[test]
fn a_cache_is_no_larger_than_it_may_be_and_keeps_what_was_used_last() {
    let (cache, hostile, chatty) = two_kept();
    let size = |entry: &Path| fs::metadata(entry).expect("an entry").len();
    let all = size(&hostile) + size(&chatty);
    let bounded = |bytes| PluginHost::builder().cache(cache.path()).cache_bytes(bytes).build().expect("a host");
    // What was written first is used once more.
    assert_eq!(load(cache.path(), "hostile").0.cache_use(), &CacheUse::Hit);

    let host = bounded(all);
    let third = Plugin::load(&host, &guests::released("0.1", "capped-smooth-ratio")).expect("a good component");
    assert_eq!(third.cache_use(), &CacheUse::Miss);
    assert!(!chatty.exists(), "{:?}", host.cache_counters());
    let total: u64 = entries(cache.path()).iter().map(|entry| size(entry)).sum();
    assert!(total <= all, "{total} of {all}");
    assert!(host.cache_counters().expect("a cache").evicted >= 1);

    let cache = folder();
    let host = PluginHost::builder().cache(cache.path()).cache_bytes(1000).build().expect("a host");
    for _ in 0..2 {
        let plugin = Plugin::load(&host, &guests::component("hostile")).expect("a good component");
        assert_eq!(plugin.cache_use(), &CacheUse::Miss);
    }
    assert_eq!(host.cache_counters().expect("a cache").not_kept, 2);
    assert_eq!(entries(cache.path()), Vec::<PathBuf>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plugin_from_the_cache_answers_as_the_native_algorithm_bit_for_bit(
        config in configs(),
        looks in looks::sequence(40),
    ) {
        static CACHED: std::sync::LazyLock<(TempDir, Plugin)> = std::sync::LazyLock::new(|| {
            let cache = folder();
            load(cache.path(), "capped-smooth-ratio");
            let (plugin, _) = load(cache.path(), "capped-smooth-ratio");
            (cache, plugin)
        });
        let plugin = &CACHED.1;
        prop_assert_eq!(plugin.cache_use(), &CacheUse::Hit);
        equal(&registry_of(plugin), plugin.name(), &config, &looks)?;
    }
}
