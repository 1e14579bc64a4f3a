//! A pool of real processes.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use setpoint::{ResourceHandler as _, Update};
use setpoint_process::{PoolSpec, ProcessPool, Restarts};

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
