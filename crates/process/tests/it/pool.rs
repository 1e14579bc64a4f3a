//! A pool of real processes.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use setpoint::{ResourceHandler as _, Update};
use setpoint_process::{PoolSpec, ProcessPool, ReadyWhen, Restarts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::{lives, until};

fn sleepers(script: &str) -> PoolSpec {
    let mut spec = PoolSpec::new("workers", "sh");
    spec.arguments = vec!["-c".into(), script.into()];
    spec.grace = Duration::from_secs(20);
    spec.restarts = Restarts::default().with_first(Duration::from_millis(50));
    spec
}

async fn described(pool: &ProcessPool, spec: &PoolSpec) -> Vec<Value> {
    let described = pool.describe(&spec.target()).await.expect("its own");
    described["status"]["instances"].as_array().cloned().unwrap_or_default()
}

async fn pids(pool: &ProcessPool, spec: &PoolSpec) -> Vec<i32> {
    let pid = |one: &Value| one["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    described(pool, spec).await.iter().filter_map(pid).collect()
}

/// The processes, once there are `count` of them.
async fn running(pool: &ProcessPool, spec: &PoolSpec, count: usize) -> Vec<i32> {
    for _ in 0..3000 {
        let pids = pids(pool, spec).await;
        if pids.len() == count && pids.iter().all(|pid| lives(*pid)) {
            return pids;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there are not {count} processes: {:?}", described(pool, spec).await);
}

#[tokio::test]
async fn processes_come_go_and_come_again() {
    let spec = sleepers("trap 'exit 0' TERM; while :; do sleep 0.05; done");
    let pool = ProcessPool::new(spec.clone()).expect("a pool");
    let target = spec.target();
    assert_eq!(pool.update_replicas(&target, 3).await.expect("its own"), Update::Written { from: 0, to: 3 });
    let three = running(&pool, &spec, 3).await;
    assert_eq!(pool.current_replicas(&target).await.expect("its own").asked, 3);
    let names: Vec<String> = pool.instances(&target).await.expect("its own").into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["workers-0", "workers-1", "workers-2"]);

    // One that is killed is started again, in its slot.
    Command::new("kill").args(["-KILL", &three[1].to_string()]).status().expect("it runs");
    until("it ended", || !lives(three[1])).await;
    let again = running(&pool, &spec, 3).await;
    assert!(again[0] == three[0] && again[1] != three[1] && again[2] == three[2], "{three:?} {again:?}");

    // The youngest are asked to end.
    pool.update_replicas(&target, 1).await.expect("its own");
    assert_eq!(running(&pool, &spec, 1).await, again[..1]);
    pool.shut_down().await;
    assert!(!lives(again[0]) && pool.update_replicas(&target, 1).await.is_err());
}

#[tokio::test]
async fn one_that_does_not_end_when_asked_is_ended() {
    let mut spec = sleepers("trap '' TERM; while :; do sleep 1; done");
    spec.grace = Duration::from_millis(200);
    let pool = ProcessPool::new(spec.clone()).expect("a pool");
    pool.update_replicas(&spec.target(), 2).await.expect("its own");
    let two = running(&pool, &spec, 2).await;
    pool.shut_down().await;
    assert!(!two.iter().any(|pid| lives(*pid)));
}

#[tokio::test]
async fn one_that_drains_keeps_its_port_until_it_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().display();
    // Nobody listens: all that counts is who is told which port.
    let mut spec = sleepers(&format!(
        "echo $PORT > {place}/$$; trap 'asked=1' TERM; until [ \"$asked\" ] && [ -e {place}/go ]; do sleep 0.05; done"
    ));
    spec.port = Some(20_000);
    let port = |pid: i32| {
        let text = std::fs::read_to_string(folder.path().join(pid.to_string())).ok()?;
        text.trim().parse::<u16>().ok()
    };
    let pool = ProcessPool::new(spec.clone()).expect("a pool");
    pool.resize(1).expect("a port");
    let first = running(&pool, &spec, 1).await[0];
    until("it has its port", || port(first) == Some(20_000)).await;
    pool.resize(0).expect("fewer");
    pool.resize(1).expect("a port");
    let both = running(&pool, &spec, 2).await;
    until("the next has another", || both.iter().any(|pid| port(*pid) == Some(20_001))).await;
    let slots: Vec<_> = described(&pool, &spec).await.iter().map(|one| one["terminating"] == true).collect();
    assert_eq!(slots, [true, false]);

    std::fs::write(folder.path().join("go"), "").expect("written");
    until("the first is gone", || !lives(first)).await;
    while described(&pool, &spec).await.len() > 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let only = running(&pool, &spec, 1).await[0];
    assert_eq!(port(only), Some(20_001));
    pool.resize(2).expect("the port is free");
    let both = running(&pool, &spec, 2).await;
    until("its port has another process", || both.iter().any(|pid| *pid != first && port(*pid) == Some(20_000))).await;
    pool.shut_down().await;
}

#[tokio::test]
async fn one_that_no_longer_answers_well_is_no_longer_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut spec = sleepers("exec sleep 1000");
    spec.port = Some(listener.local_addr().expect("it listens").port());
    spec.ready = ReadyWhen::Http("/healthz".to_owned());
    let status = Arc::new(AtomicU16::new(503));
    let answers = Arc::clone(&status);
    // In the process' place, so that the test says what is answered.
    let served = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("it listens");
            let mut request = [0; 256];
            let read = stream.read(&mut request).await.unwrap_or_default();
            assert!(request[..read].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            let answer = format!("HTTP/1.1 {} So\r\nContent-Length: 0\r\n\r\n", answers.load(Ordering::Relaxed));
            stream.write_all(answer.as_bytes()).await.expect("it is read");
        }
    });
    let pool = ProcessPool::new(spec.clone()).expect("a pool");
    pool.resize(1).expect("a port");
    running(&pool, &spec, 1).await;
    for (name, code, ready) in
        [("not yet", 503, false), ("it serves", 204, true), ("it fails", 500, false), ("again", 200, true)]
    {
        status.store(code, Ordering::Relaxed);
        let mut seen = !ready;
        for _ in 0..3000 {
            let instances = pool.instances(&spec.target()).await.expect("its own");
            seen = instances[0].ready();
            if seen == ready {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(seen, ready, "{name}");
    }
    assert!(!served.is_finished(), "a request was not as it should be");
    served.abort();
    pool.shut_down().await;
}

const POOL: &str = "SETPOINT_TEST_POOL";

/// Is a process with a pool, when another test wants it to be.
#[tokio::test]
async fn a_pool_when_asked_to_be_one() {
    let Some(folder) = std::env::var_os(POOL) else { return };
    let folder = folder.into_string().expect("UTF-8");
    let spec = sleepers(&format!("echo $$ > {folder}/$SETPOINT_INSTANCE; setsid sleep 1000 & sleep 1000"));
    let pool = ProcessPool::new(spec.clone()).expect("a pool");
    pool.update_replicas(&spec.target(), 2).await.expect("its own");
    std::future::pending().await
}

#[tokio::test]
async fn nothing_is_left_when_its_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut parent = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "pool::a_pool_when_asked_to_be_one"])
        .env(POOL, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = |slot: &str| {
        let text = std::fs::read_to_string(folder.path().join(slot)).ok()?;
        text.trim().parse::<i32>().ok()
    };
    until("both run", || ["0", "1"].iter().all(|slot| pid(slot).is_some_and(lives))).await;
    parent.kill().expect("it runs");
    parent.wait().expect("it ends");
    for slot in ["0", "1"] {
        let pid = pid(slot).expect("it ran");
        until("it ends", || !lives(pid)).await;
    }
}
