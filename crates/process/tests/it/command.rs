//! What becomes of programs that go too far, and of what they started.

use std::time::Duration;

use setpoint_process::{CommandError, Limits, Program, Stream};

use crate::{lives, until};

fn shell(script: &str) -> Program {
    Program::new("sh").arg("-c").arg(script).limits(Limits::default().with_time(Duration::from_secs(20)))
}

fn within(script: &str, limits: Limits) -> Program {
    shell(script).limits(limits)
}

#[tokio::test]
async fn each_way_to_fail_is_told_apart() {
    let brief = Limits::default().with_time(Duration::from_millis(300));
    let small = Limits::default().with_output(1000);
    type Want = fn(&CommandError) -> bool;
    let cases: [(&str, Program, Want); 8] = [
        ("no such program", Program::new("no-such-program"), |error| matches!(error, CommandError::Start { .. })),
        (
            "a failure",
            shell("echo bad news >&2; exit 3"),
            |error| matches!(error, CommandError::Failed { code: 3, said, .. } if said == "bad news"),
        ),
        ("a signal", shell("kill -SEGV $$"), |error| matches!(error, CommandError::Signalled { signal: 11, .. })),
        ("it takes for ever", within("sleep 1000", brief), |error| matches!(error, CommandError::TimedOut { .. })),
        ("and doesn't want to end", within("trap '' TERM INT; while :; do sleep 1000; done", brief), |error| {
            matches!(error, CommandError::TimedOut { .. })
        }),
        ("too much to say", within("yes", small), |error| {
            matches!(error, CommandError::TooLoud { stream: Stream::Stdout, limit: 1000, .. })
        }),
        ("too much to complain of", within("yes >&2", small), |error| {
            matches!(error, CommandError::TooLoud { stream: Stream::Stderr, .. })
        }),
        (
            "too much memory",
            hungry(Some(256 << 20)),
            |error| matches!(error, CommandError::Failed { code: 1, said, .. } if said.contains("memory")),
        ),
    ];
    for (name, program, want) in cases {
        let error = program.run().await.expect_err(name);
        assert!(want(&error), "{name}: {error:?}");
    }
    hungry(None).run().await.expect("it is the limit that it fails for");
}

/// Wants half a gigabyte, in one piece.
fn hungry(limit: Option<u64>) -> Program {
    let limits = Limits::default().with_time(Duration::from_secs(20)).with_memory(limit);
    let copy = ["if=/dev/zero", "of=/dev/null", "bs=512M", "count=1"];
    Program::new("dd").args(copy).env("LC_ALL", "C").limits(limits)
}

#[tokio::test]
async fn input_environment_and_folder_are_what_was_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().canonicalize().expect("it is there");
    let said = shell("cat; echo $ONE; pwd").stdin("fed\n").env("ONE", "1").folder(&place).run().await.expect("it runs");
    assert_eq!(String::from_utf8_lossy(&said.stdout), format!("fed\n1\n{}\n", place.display()));
    let deaf = shell("exec <&-; echo heard nothing").stdin(vec![b'x'; 1 << 20]).run().await.expect("needn't read");
    assert_eq!(deaf.stdout, b"heard nothing\n");
    let bare = Program::new("env").clear_env().env("ONLY", "this").run().await.expect("it runs");
    let bare = String::from_utf8_lossy(&bare.stdout).into_owned();
    assert!(bare.contains("ONLY=this") && !bare.contains("HOME="), "{bare}");
}

#[tokio::test]
async fn whatever_it_started_ends_with_it() {
    let scripts = [
        ("in the background", "sleep 1000 & echo $!; exit 0"),
        ("holding its output open", "sleep 1000 & echo $!; exit 0"),
        ("in a session of its own", "setsid sleep 1000 & echo $!; exit 0"),
        ("an orphan's orphan", "sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 1000\" &' ; sleep 0.3; exit 0"),
    ];
    for (name, script) in scripts {
        let said = shell(script).run().await.expect(name);
        let pid: i32 = String::from_utf8_lossy(&said.stdout).trim().parse().expect(name);
        until(name, || !lives(pid)).await;
    }
}

#[tokio::test]
async fn one_that_nobody_waits_for_any_more_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pid");
    let program = shell(&format!("echo $$ > {}; sleep 1000", file.display()));
    let waiting = tokio::spawn(async move { program.run().await.map(drop) });
    let pid = || std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i32>().ok());
    until("it runs", || pid().is_some_and(lives)).await;
    waiting.abort();
    let pid = pid().expect("it ran");
    until("it ends", || !lives(pid)).await;
}

/// Nothing counts a tree's processes: they last as long as the program may, and what bounds them is that they end with it.
/// These stop at so many, for the machine's sake.
#[tokio::test]
async fn a_fork_bomb_ends_with_its_program() {
    const BOMBS: [(&str, &str, usize); 3] = [
        ("a tree", "bomb() { [ $1 -eq 0 ] || { bomb $(($1 - 1)) & bomb $(($1 - 1)) & }; sleep 1000; }; bomb 5", 100),
        (
            "each in a session of its own",
            r#"SELF='[ $1 -eq 0 ] || { setsid sh -c "$SELF" sh $(($1 - 1)) & setsid sh -c "$SELF" sh $(($1 - 1)) & }
               sleep 1000'; export SELF; sh -c "$SELF" sh 3"#,
            25,
        ),
        ("ever new ones", "while :; do sleep 0.2 & done", 20),
    ];
    for (name, script, many) in BOMBS {
        let mark = format!("SETPOINT_TEST_BOMB={}-{}", std::process::id(), name.replace(' ', "-"));
        let (variable, value) = mark.split_once('=').expect("it has one");
        let program = shell(script).env(variable, value);
        let running = tokio::spawn(async move { program.run().await.map(drop) });
        until(name, || with(&mark) >= many).await;
        running.abort();
        until(name, || with(&mark) == 0).await;
    }
}

/// How many processes live that have `entry` in their environment.
fn with(entry: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    let has = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    pids.filter(has).count()
}
