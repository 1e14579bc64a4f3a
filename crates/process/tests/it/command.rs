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
            Program::new("python3")
                .arg("-c")
                .arg("a = bytearray(1 << 30); print(len(a))")
                .limits(Limits::default().with_memory(Some(256 << 20))),
            |error| matches!(error, CommandError::Failed { .. } | CommandError::Start { .. }),
        ),
    ];
    for (name, program, want) in cases {
        let error = program.run().await.expect_err(name);
        assert!(want(&error), "{name}: {error:?}");
    }
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
