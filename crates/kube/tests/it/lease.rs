//! Two candidates for one lease.

use std::time::Duration;

use setpoint_kube::{Lease, LeaseConfig};
use setpoint_runtime::Permit as _;

use crate::cluster;

fn candidate(client: &kube::Client, identity: &str) -> Lease {
    let mut config = LeaseConfig::new("lease", "setpoint", identity);
    config.duration = Duration::from_secs(3);
    config.renew_deadline = Duration::from_secs(2);
    config.retry_period = Duration::from_millis(300);
    Lease::new(client.clone(), config).expect("it can be held")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_and_the_next_when_it_gives_back_or_dies() {
    let Some((_, client)) = cluster("lease").await else { return };
    let (first, second) = (candidate(&client, "first"), candidate(&client, "second"));
    first.acquire().await;
    assert!(first.is_leading() && first.may_write("any"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let held = tokio::spawn({
        let first = first.clone();
        async move { first.hold(async { drop(stopped.await) }).await }
    });
    // Longer than the lease lasts: it is renewed.
    let early = tokio::time::timeout(Duration::from_secs(5), second.acquire()).await;
    assert!(early.is_err() && first.is_leading() && !second.is_leading());

    stop.send(()).expect("it holds");
    assert!(held.await.expect("it ends"), "by a shutdown");
    assert!(!first.is_leading());
    second.acquire().await;
    assert!(second.is_leading() && !first.is_leading());

    // The second dies: it doesn't renew, and stops by itself before the third begins.
    let third = candidate(&client, "third");
    third.acquire().await;
    assert!(third.is_leading() && !second.is_leading());
    assert!(!second.hold(std::future::pending()).await, "it finds that it lost");
}
