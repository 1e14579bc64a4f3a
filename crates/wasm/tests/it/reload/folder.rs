//! A folder whose files come, change and go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use setpoint::{AlgorithmManager, Outcome, Registry};
use setpoint_testkit::guests;
use setpoint_wasm::{LoadError, PluginFolder, RefusedFile, ReloadEvent, ReplaceError};
use tempfile::TempDir;

use super::{add, decide, edition, hears};

fn watched() -> (TempDir, PluginFolder) {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = PluginFolder::new(&crate::HOST, folder.path());
    (folder, plugins)
}

/// As a deployment should: whole at once.
fn put(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let (file, unfinished) = (folder.join(name), folder.join(".unfinished"));
    fs::write(&unfinished, content).expect("it may");
    fs::rename(unfinished, &file).expect("it may");
    file
}

/// The only event.
#[track_caller]
fn event(plugins: &mut PluginFolder) -> ReloadEvent {
    let mut events = plugins.poll();
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[track_caller]
fn nothing_new(plugins: &mut PluginFolder) {
    let events = plugins.poll();
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn files_come_change_break_and_go_and_what_ran_goes_on() {
    let (folder, mut plugins) = watched();
    nothing_new(&mut plugins);
    put(folder.path(), "notes.txt", b"not a plugin's name");
    nothing_new(&mut plugins);

    let file = put(folder.path(), "a.wasm", &edition(1));
    let ReloadEvent::Added { plugin: live, edition: first, .. } = event(&mut plugins) else { panic!("not added") };
    assert_eq!((live.name(), plugins.plugins().count()), ("hostile", 1));
    nothing_new(&mut plugins);
    let mut manager = AlgorithmManager::with_registry(super::registry(&live));
    let workload = add(&mut manager, "nothing:0");
    assert_eq!(decide(&mut manager, workload, 0), (0, Outcome::Need));

    // The same again is nothing new, whatever its time.
    put(folder.path(), "a.wasm", &edition(1));
    nothing_new(&mut plugins);

    put(folder.path(), "a.wasm", &edition(2));
    let ReloadEvent::Replaced { replacement, name, .. } = event(&mut plugins) else { panic!("not replaced") };
    assert_eq!((name.as_str(), replacement.kept, replacement.resets()), ("hostile", 1, 0));
    assert_eq!((&replacement.from, &replacement.to), (&first, &live.edition()));
    assert_eq!(decide(&mut manager, workload, 1), (1, Outcome::Need));

    // Half a file, by someone who writes in place.
    let whole = edition(3);
    fs::write(&file, &whole[..whole.len() / 2]).expect("it may");
    let second = live.edition();
    let refused = event(&mut plugins);
    let ReloadEvent::Refused { running, why, .. } = &refused else { panic!("{refused}") };
    assert!(matches!(why, RefusedFile::Load(LoadError::Invalid { .. })), "{why}");
    assert_eq!(running.as_ref(), Some(&("hostile".to_owned(), second.clone())));
    assert!(refused.to_string().ends_with(&format!("; `hostile` goes on as {second}")), "{refused}");
    nothing_new(&mut plugins);
    assert_eq!(decide(&mut manager, workload, 2), (2, Outcome::Need));
    // And the rest of it.
    fs::write(&file, &whole).expect("it may");
    assert!(matches!(event(&mut plugins), ReloadEvent::Replaced { .. }));
    assert_eq!(decide(&mut manager, workload, 3), (3, Outcome::Need));

    let third = live.edition();
    for (name, content, want) in [
        ("nothing", Vec::new(), "the file is empty"),
        ("another plugin", guests::component("chatty"), "it calls itself `chatty`, and what runs is `hostile`"),
        ("no plugin", b"#!/bin/sh".to_vec(), "the file is something else, not a WebAssembly component"),
    ] {
        put(folder.path(), "a.wasm", &content);
        let refused = event(&mut plugins);
        assert!(matches!(refused, ReloadEvent::Refused { .. }), "{name}: {refused}");
        assert!(refused.to_string().contains(want), "{name}: {refused}");
        nothing_new(&mut plugins);
    }
    assert_eq!(decide(&mut manager, workload, 4), (4, Outcome::Need));

    fs::remove_file(&file).expect("it may");
    let removed = event(&mut plugins);
    assert!(
        matches!(&removed, ReloadEvent::Removed { running: Some((_, edition)), .. } if *edition == third),
        "{removed}"
    );
    nothing_new(&mut plugins);
    assert_eq!(decide(&mut manager, workload, 5), (5, Outcome::Need));
    put(folder.path(), "a.wasm", &edition(3));
    let returned = event(&mut plugins);
    assert!(matches!(&returned, ReloadEvent::Returned { edition, .. } if *edition == third), "{returned}");
    nothing_new(&mut plugins);
    assert_eq!(decide(&mut manager, workload, 6), (6, Outcome::Need));
    assert_eq!(live.counters().failures(), 0);
}

#[test]
fn a_version_that_fails_its_trial_is_refused_and_tried_again_when_it_is_touched() {
    let (folder, mut plugins) = watched();
    put(folder.path(), "a.wasm", &edition(1));
    let ReloadEvent::Added { plugin: live, .. } = event(&mut plugins) else { panic!("not added") };
    let mut manager = AlgorithmManager::with_registry(super::registry(&live));
    let workload = add(&mut manager, "stop");
    assert_eq!(decide(&mut manager, workload, 0), (9, Outcome::Need));

    let file = put(folder.path(), "a.wasm", &hears("stop", "trap"));
    let refused = event(&mut plugins);
    let ReloadEvent::Refused { why: RefusedFile::Replace(ReplaceError::Answer(_)), .. } = refused else {
        panic!("{refused}")
    };
    nothing_new(&mut plugins);
    assert_eq!(decide(&mut manager, workload, 1), (9, Outcome::Need));
    // The workload that it can't serve is gone.
    assert!(manager.remove(workload));
    fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(SystemTime::now())).expect("it may");
    let replaced = event(&mut plugins);
    assert!(matches!(replaced, ReloadEvent::Replaced { .. }), "{replaced}");
}

#[test]
fn a_file_with_a_new_name_takes_over_once_the_old_one_is_gone() {
    let (folder, mut plugins) = watched();
    let old = put(folder.path(), "hostile-1.wasm", &edition(1));
    let ReloadEvent::Added { plugin: live, .. } = event(&mut plugins) else { panic!("not added") };
    let new = put(folder.path(), "hostile-2.wasm", &edition(2));
    let refused = event(&mut plugins);
    let ReloadEvent::Refused { why: RefusedFile::NameTaken { file, .. }, running: None, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!(*file, old);
    nothing_new(&mut plugins);
    fs::remove_file(&old).expect("it may");
    let events = plugins.poll();
    assert!(
        matches!(&events[..], [ReloadEvent::Removed { .. }, ReloadEvent::Replaced { file, .. }] if *file == new),
        "{events:?}"
    );
    assert_eq!((plugins.plugins().count(), live.running().fingerprint().len()), (1, 64));
    nothing_new(&mut plugins);
    // And renamed as it is.
    fs::rename(&new, folder.path().join("hostile.wasm")).expect("it may");
    let events = plugins.poll();
    assert!(matches!(&events[..], [ReloadEvent::Removed { .. }, ReloadEvent::Returned { .. }]), "{events:?}");
    nothing_new(&mut plugins);
}

#[test]
fn a_change_that_neither_time_nor_size_shows_is_found() {
    let (folder, mut plugins) = watched();
    let file = put(folder.path(), "a.wasm", &edition(1));
    // A time that is not long past, however slow this machine is.
    let time = SystemTime::now() + Duration::from_secs(3600);
    let at_that_time = |file: &Path| {
        fs::File::options().write(true).open(file).and_then(|file| file.set_modified(time)).expect("it may");
    };
    at_that_time(&file);
    assert!(matches!(event(&mut plugins), ReloadEvent::Added { .. }));
    fs::write(&file, edition(2)).expect("it may");
    at_that_time(&file);
    let replaced = event(&mut plugins);
    assert!(matches!(replaced, ReloadEvent::Replaced { .. }), "{replaced}");
}

#[test]
fn a_folder_that_is_not_there_is_said_once_and_found_when_it_comes() {
    let (folder, _) = watched();
    let later = folder.path().join("later");
    let mut plugins = PluginFolder::new(&crate::HOST, &later);
    let unreadable = event(&mut plugins);
    assert!(unreadable.to_string().contains("later: the folder can't be read, all plugins go on"), "{unreadable}");
    nothing_new(&mut plugins);
    fs::create_dir(&later).expect("it may");
    fs::create_dir(later.join("folder.wasm")).expect("it may");
    put(&later, "a.wasm", &edition(1));
    let events = plugins.poll();
    let [ReloadEvent::Added { .. }, ReloadEvent::Refused { why: RefusedFile::Unreadable { message }, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(message, "it is no regular file");
    nothing_new(&mut plugins);
    // What was said is said again after it was well between.
    fs::rename(&later, folder.path().join("away")).expect("it may");
    assert!(matches!(event(&mut plugins), ReloadEvent::Unreadable { .. }));
    fs::rename(folder.path().join("away"), &later).expect("it may");
    nothing_new(&mut plugins);
}

#[test]
fn a_watch_tells_what_happens_on_its_own_thread() {
    let (folder, plugins) = watched();
    let (tell, told) = mpsc::channel();
    put(folder.path(), "a.wasm", &edition(1));
    let watch = plugins.watch(Duration::from_millis(20), move |event| {
        let thread = std::thread::current().name().map(str::to_owned);
        // The test may be over.
        let _ = tell.send((thread, event));
    });
    let watch = watch.expect("a thread");
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("an event");
    let (thread, added) = next();
    assert_eq!(thread.as_deref(), Some("setpoint-plugins"));
    let ReloadEvent::Added { plugin, .. } = added else { panic!("{added}") };
    let mut registry = Registry::empty();
    registry.register_algorithm(plugin.name(), plugin.clone()).expect("a free name");
    put(folder.path(), "a.wasm", &edition(2));
    assert!(matches!(next().1, ReloadEvent::Replaced { .. }));
    let mut plugins = watch.stop().expect("the handler did not panic");
    nothing_new(&mut plugins);
    assert_eq!(plugins.plugins().count(), 1);
}
