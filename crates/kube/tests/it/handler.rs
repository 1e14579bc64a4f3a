//! The handler on what has a scale subresource, and what hasn't.

use setpoint::{HandlerError, ResourceHandler as _, TargetRef, Update};
use setpoint_kube::ScaleHandler;

use setpoint_testkit::cluster::workload;

use crate::{cluster, eventually};

fn target(api_version: &str, kind: &str, name: &str, namespace: &str) -> TargetRef {
    let namespace = Some(namespace.to_owned());
    TargetRef { api_version: api_version.into(), kind: kind.into(), name: name.into(), namespace }
}

/// A definition of `kind`, with a scale subresource or none.
fn definition(kind: &str, scale: bool) -> String {
    let plural = format!("{}s", kind.to_lowercase());
    let scale = if scale {
        "scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}"
    } else {
        ""
    };
    format!(
        "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.example.com}}
spec:
  group: example.com
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{{scale}}}
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_has_replicas_is_scaled() {
    let Some((cluster, client)) = cluster("handler").await else { return };
    for (kind, scale) in [("Pool", true), ("Herd", false)] {
        cluster.define(&definition(kind, scale));
        let object =
            format!("apiVersion: example.com/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{replicas: 2}}\n");
        cluster.apply("handler", &object);
    }
    for kind in ["Deployment", "StatefulSet", "ReplicaSet"] {
        cluster.apply("handler", &workload(kind, &kind.to_lowercase(), 2));
    }
    let handler = ScaleHandler::new(client);
    let cases = [
        ("apps/v1", "Deployment", "deployment", true),
        ("apps/v1", "StatefulSet", "statefulset", true),
        ("apps/v1", "ReplicaSet", "replicaset", true),
        ("example.com/v1", "Pool", "a", false),
        ("example.com/v1", "Herd", "a", false),
    ];
    for (api_version, kind, name, has_pods) in cases {
        let target = target(api_version, kind, name, "handler");
        assert!(handler.supports(&target));
        assert_eq!(handler.current_replicas(&target).await.expect(kind).asked, 2, "{kind}");
        assert_eq!(
            handler.update_replicas(&target, 3).await.expect(kind),
            Update::Written { from: 2, to: 3 },
            "{kind}"
        );
        let object = format!("{}/{name}", kind.to_lowercase());
        assert_eq!(cluster.field("handler", &object, ".spec.replicas"), "3", "{kind}");
        let version = || cluster.field("handler", &object, ".metadata.generation");
        let before = version();
        assert_eq!(handler.update_replicas(&target, 3).await.expect(kind), Update::Unchanged, "{kind}");
        assert_eq!(version(), before, "{kind}: nothing was written");
        assert_eq!(handler.describe(&target).await.expect(kind)["kind"], kind);
        if has_pods {
            let ready = || cluster.field("handler", &object, ".status.readyReplicas");
            eventually(kind, "3", ready).await;
            let instances = handler.instances(&target).await.expect(kind);
            assert_eq!(instances.iter().filter(|instance| instance.ready()).count(), 3, "{kind}: {instances:?}");
            assert!(instances.iter().all(|instance| instance.state.started.is_some()), "{kind}: {instances:?}");
            let pods = handler.describe_instances(&target).await.expect(kind);
            assert!(pods.iter().all(|pod| pod["metadata"]["labels"]["app"] == name), "{kind}: {pods:?}");
        } else {
            assert!(handler.instances(&target).await.expect(kind).is_empty(), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_and_who_writes_at_once_both_get_through() {
    let Some((cluster, client)) = cluster("handler-errors").await else { return };
    let handler = ScaleHandler::new(client);
    let nobody = target("apps/v1", "Deployment", "nobody", "handler-errors");
    let error = handler.update_replicas(&nobody, 2).await.expect_err("it isn't there");
    assert!(matches!(error, HandlerError::NotFound { .. }), "{error:?}");
    let unknown = target("example.org/v7", "Nothing", "a", "handler-errors");
    assert!(handler.current_replicas(&unknown).await.is_err());
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\n";
    cluster.apply("handler-errors", map);
    let error =
        handler.current_replicas(&target("v1", "ConfigMap", "map", "handler-errors")).await.expect_err("no count");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("neither a scale subresource nor a number in spec.replicas"), "{cause}");

    cluster.apply("handler-errors", &workload("Deployment", "web", 1));
    let web = target("apps/v1", "Deployment", "web", "handler-errors");
    let writes = (0..24).map(|number| {
        let (handler, web) = (handler.clone(), web.clone());
        tokio::spawn(async move { handler.update_replicas(&web, 2 + number % 3).await.map(drop) })
    });
    let mut written = 0;
    for write in writes.collect::<Vec<_>>() {
        match write.await.expect("it ends") {
            Ok(()) => written += 1,
            // Others came before it each time: that is said, and whose doing it was.
            Err(error) => assert!(format!("{error:?}").contains("Conflict"), "{error:?}"),
        }
    }
    assert!(written > 0, "one of those who write at once is the first");
    let count = handler.current_replicas(&web).await.expect("known").asked;
    assert!((2..=4).contains(&count), "one of those that were wanted: {count}");
}
