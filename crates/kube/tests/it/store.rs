//! States that outlive the process.

use std::sync::Arc;

use setpoint_kube::ConfigMapStore;
use setpoint_runtime::StateStore as _;

use crate::cluster;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_is_there_for_the_next_process() {
    let Some((cluster, client)) = cluster("store").await else { return };
    let first = Arc::new(ConfigMapStore::new(client.clone(), "store", "states"));
    let key = |number: u32| format!("shop/policy-{number}");
    let state = |number: u32| number.to_le_bytes().repeat(100);
    assert_eq!(first.load(&key(0)).await.expect("an answer"), None);
    let saves = (0..1000).map(|number| {
        let first = Arc::clone(&first);
        tokio::spawn(async move { first.save(&key(number), &state(number)).await })
    });
    for save in saves.collect::<Vec<_>>() {
        save.await.expect("it ends").expect("it is kept");
    }
    first.remove(&key(7)).await.expect("it is forgotten");
    first.remove(&key(4711)).await.expect("it never was");
    first.save(&key(8), b"another").await.expect("it is kept");

    let next = ConfigMapStore::new(client.clone(), "store", "states");
    for number in [0, 1, 500, 999] {
        assert_eq!(next.load(&key(number)).await.expect("an answer"), Some(state(number)), "{number}");
    }
    assert_eq!(next.load(&key(7)).await.expect("an answer"), None);
    assert_eq!(next.load(&key(8)).await.expect("an answer").as_deref(), Some(&b"another"[..]));
    let maps = cluster.kubectl(&["-n", "store", "get", "configmaps", "-o", "name"]).expect("a list");
    assert_eq!(maps.lines().filter(|map| map.contains("states-")).count(), ConfigMapStore::SHARDS);

    let large = vec![1; ConfigMapStore::BYTES];
    // Beside those that are not: they are kept.
    let others = (0..200).map(|number| key(2000 + number)).collect::<Vec<_>>();
    let others = futures::future::join_all(others.iter().map(|key| next.save(key, b"beside")));
    let (error, others) = futures::future::join(next.save("shop/large", &large), others).await;
    let error = error.expect_err("too large");
    assert!(error.to_string().contains("shorten windows"), "{error}");
    others.into_iter().for_each(|other| other.expect("it is kept"));
    let again = next.save(&key(2000), b"again").await;
    again.expect("nothing stands in its way");
    assert_eq!(ConfigMapStore::new(client, "store", "states").load("shop/large").await.expect("an answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_led_before_overwrites_nothing() {
    let Some((_, client)) = cluster("stale").await else { return };
    let store = || ConfigMapStore::new(client.clone(), "stale", "states");
    let (before, now) = (store(), store());
    assert_eq!(before.load("shop/web").await.expect("an answer"), None);
    now.save("shop/web", b"created since").await.expect("it is kept");
    let error = before.save("shop/web", b"old").await.expect_err("it was not known");
    assert!(error.to_string().contains("already exists"), "{error}");
    // It knows by now.
    before.save("shop/web", b"its turn").await.expect("it is kept");
    let error = now.save("shop/web", b"old").await.expect_err("the other one wrote since");
    assert!(error.to_string().contains("modified"), "{error}");
    for (name, store) in [("the first", &before), ("the second", &now), ("a third", &store())] {
        let found = store.load("shop/web").await.expect("an answer");
        assert_eq!(found.as_deref(), Some(&b"its turn"[..]), "{name}");
    }
}
