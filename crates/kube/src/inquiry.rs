//! What a cluster says of one policy, for those who ask why.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, DynamicObject, ListParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use setpoint::{TargetRef, near_miss};
use setpoint_runtime::in_one_line;

use crate::claims::{Claims, Rival};
use crate::controller::{hpa_key, hpa_target};
use crate::crd::{GROUP, KIND, VERSION};
use crate::kind::Kind;
use crate::policy::{Known, understand};

/// The kind that is asked about.
const OWN: Kind = Kind::ScalingPolicy;

/// A policy as it was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyFound {
    /// Where it is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// What it says, as a document: without what only the cluster has to say of it.
    pub document: Value,
    /// What it scales, unless it doesn't say so in a way that is understood.
    pub target: Option<TargetRef>,
    /// How often it was changed.
    pub generation: Option<i64>,
    /// Its status, as the controller left it; null where no controller has seen it.
    pub status: Value,
    /// Who else wants to scale its target.
    pub others: Vec<Claimant>,
    /// Why HPAs or groups aren't among them, if they couldn't be listed.
    pub unlisted: Option<String>,
}

/// Who wants to scale something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claimant {
    /// `ScalingPolicy`, `ScalingGroup` or `HorizontalPodAutoscaler`.
    pub kind: &'static str,
    /// Namespace and name.
    pub key: String,
    /// Whether the target is left to it.
    pub has_target: bool,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InquiryError {
    /// There are no policies at all.
    #[error("this cluster doesn't know ScalingPolicies: `setpoint crd | kubectl apply -f -` defines them")]
    Undefined,
    /// The API server doesn't say.
    #[error("policies can't be listed")]
    Unlisted(#[source] Box<kube::Error>),
    /// There is none of that name, and none for such a target.
    #[error("in namespace {namespace} no ScalingPolicy has that name or target; {known}")]
    NotFound {
        /// Where it was looked for.
        namespace: String,
        /// What is there.
        known: String,
    },
}

/// The policy of `namespace`, or of the client's own, that is meant by `wanted`: its name, or its target as `KIND/NAME`. Of
/// several for a target it is the one that has it.
///
/// # Errors
///
/// [`InquiryError`].
pub async fn inquire(client: &Client, namespace: Option<&str>, wanted: &str) -> Result<PolicyFound, InquiryError> {
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    let policies = list_policies(client, namespace).await?;
    let mut claims = Claims::default();
    // Whoever may read policies need not be one who may read the others.
    let mut unlisted = Vec::new();
    let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    match hpas.list(&ListParams::default()).await {
        Ok(list) => list.iter().for_each(|hpa| drop(claims.hpa(&hpa_key(hpa), Some(&hpa_target(hpa))))),
        Err(error) => unlisted.push(format!("HorizontalPodAutoscalers: {}", in_one_line(&error))),
    }
    let groups = match list(client, namespace, Kind::ScalingGroup).await {
        Ok(groups) => groups,
        Err(error) if is_undefined(&error) => Vec::new(),
        Err(error) => {
            unlisted.push(format!("{}s: {}", Kind::ScalingGroup, in_one_line(&error)));
            Vec::new()
        }
    };
    let of_kind = |kind: Kind| move |object| (kind, object);
    for (kind, object) in policies.iter().map(of_kind(OWN)).chain(groups.iter().map(of_kind(Kind::ScalingGroup))) {
        if let Ok(understood) = understand(kind, object) {
            claims.claim(&kind.key_of(object), &understood.targets(), &Known::of(kind, object).created);
        }
    }
    let found = find(&policies, &claims, wanted)
        .ok_or_else(|| InquiryError::NotFound { namespace: namespace.to_owned(), known: known(&policies, wanted) })?;
    Ok(PolicyFound {
        namespace: namespace.to_owned(),
        name: found.name_any(),
        document: json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": { "name": found.name_any() },
            "spec": found.data.get("spec").cloned().unwrap_or_default(),
        }),
        target: understand(OWN, found).ok().and_then(|understood| understood.targets().pop()),
        generation: found.metadata.generation,
        status: found.data.get("status").cloned().unwrap_or_default(),
        others: claims.others(&OWN.key_of(found)).into_iter().map(|rival| claimant(&claims, rival)).collect(),
        unlisted: (!unlisted.is_empty()).then(|| unlisted.join("; ")),
    })
}

/// What the policies of `namespace`, or of the client's own, are called.
///
/// # Errors
///
/// [`InquiryError`].
pub async fn policy_names(client: &Client, namespace: Option<&str>) -> Result<Vec<String>, InquiryError> {
    let namespace = namespace.unwrap_or_else(|| client.default_namespace());
    Ok(list_policies(client, namespace).await?.iter().map(|policy| policy.name_any()).collect())
}

async fn list_policies(client: &Client, namespace: &str) -> Result<Vec<DynamicObject>, InquiryError> {
    list(client, namespace, OWN).await.map_err(|error| {
        if is_undefined(&error) { InquiryError::Undefined } else { InquiryError::Unlisted(Box::new(error)) }
    })
}

async fn list(client: &Client, namespace: &str, kind: Kind) -> Result<Vec<DynamicObject>, kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind.resource());
    Ok(api.list(&ListParams::default()).await?.items)
}

/// Whether the cluster doesn't know the kind that was asked for.
fn is_undefined(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn claimant(claims: &Claims, rival: Rival) -> Claimant {
    match rival {
        Rival::Hpa(key) => Claimant { kind: "HorizontalPodAutoscaler", key, has_target: true },
        Rival::Policy(key) => {
            let (kind, name) = Kind::called(&key);
            Claimant { kind: kind.names().kind, key: name.to_owned(), has_target: claims.rival(&key).is_none() }
        }
    }
}

fn find<'a>(policies: &'a [DynamicObject], claims: &Claims, wanted: &str) -> Option<&'a DynamicObject> {
    let Some((kind, name)) = wanted.split_once('/') else {
        let of_name = policies.iter().find(|policy| policy.name_any() == wanted);
        return of_name.or_else(|| first(policies, claims, |_, target| target == wanted));
    };
    if is_kind(kind, KIND) {
        return policies.iter().find(|policy| policy.name_any() == name);
    }
    first(policies, claims, |of, target| is_kind(kind, of) && target == name)
}

/// Of the policies whose target is of such a kind and name the one that has it; else one that waits for it.
fn first<'a>(
    policies: &'a [DynamicObject],
    claims: &Claims,
    is_wanted: impl Fn(&str, &str) -> bool,
) -> Option<&'a DynamicObject> {
    let (kind, name) = ("/spec/targetRef/kind", "/spec/targetRef/name");
    let text = |policy: &'a DynamicObject, at| policy.data.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let candidates = policies.iter().filter(|policy| is_wanted(text(policy, kind), text(policy, name)));
    candidates.min_by_key(|policy| claims.rival(&OWN.key_of(*policy)).is_some())
}

/// Whether somebody who writes `written` means `kind`, as kubectl would have it.
fn is_kind(written: &str, kind: &str) -> bool {
    let (written, kind) = (written.to_lowercase(), kind.to_lowercase());
    let short = match kind.as_str() {
        "deployment" => "deploy",
        "statefulset" => "sts",
        "replicaset" => "rs",
        "scalingpolicy" => "sp",
        _ => &kind,
    };
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    // `deployments.apps` names the group, too.
    let resource = written.split('.').next().unwrap_or_default();
    [kind.as_str(), short, &plural].contains(&resource)
}

/// What there is instead.
fn known(policies: &[DynamicObject], wanted: &str) -> String {
    let name: fn(&DynamicObject) -> String = |policy| policy.name_any();
    let target: fn(&DynamicObject) -> String = |policy| {
        let text = |field| policy.data.pointer(field).and_then(Value::as_str).unwrap_or_default();
        format!("{}/{}", text("/spec/targetRef/kind"), text("/spec/targetRef/name"))
    };
    let names: Vec<String> = policies.iter().map(if wanted.contains('/') { target } else { name }).collect();
    near_miss(wanted, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_for_kubectl() {
        let cases = [
            ("deployment", "Deployment", true),
            ("Deployment", "Deployment", true),
            ("deploy", "Deployment", true),
            ("deployments", "Deployment", true),
            ("deployments.apps", "Deployment", true),
            ("sts", "StatefulSet", true),
            ("sp", "ScalingPolicy", true),
            ("scalingpolicies", "ScalingPolicy", true),
            ("pools", "Pool", true),
            ("dep", "Deployment", false),
            ("", "Deployment", false),
        ];
        for (written, kind, want) in cases {
            assert_eq!(is_kind(written, kind), want, "{written}");
        }
    }

    #[test]
    fn a_policy_is_found_by_its_name_and_by_its_target() {
        let policy = |name: &str, kind: &str, target: &str| {
            let mut policy = DynamicObject::new(name, &OWN.resource());
            policy.metadata.namespace = Some("shop".to_owned());
            policy.data = json!({ "spec": { "targetRef": { "kind": kind, "name": target } } });
            policy
        };
        let policies =
            [policy("web", "Deployment", "api"), policy("late", "Deployment", "db"), policy("db", "StatefulSet", "db")];
        let target = |policy: &DynamicObject| TargetRef {
            api_version: "apps/v1".to_owned(),
            kind: policy.data["spec"]["targetRef"]["kind"].as_str().expect("a kind").to_owned(),
            name: policy.data["spec"]["targetRef"]["name"].as_str().expect("a name").to_owned(),
            namespace: policy.namespace(),
        };
        let early = policy("early", "Deployment", "db");
        let all = [&policies[..], &[early]].concat();
        let mut claims = Claims::default();
        for (policy, since) in all.iter().zip(["2026", "2026", "2026", "2025"]) {
            claims.claim(&OWN.key_of(policy), &[target(policy)], since);
        }
        let cases = [
            ("web", Some("web")),
            ("api", Some("web")),
            ("deploy/api", Some("web")),
            ("sp/db", Some("db")),
            ("db", Some("db")),
            ("sts/db", Some("db")),
            ("deployment/db", Some("early")),
            ("sts/api", None),
            ("nobody", None),
        ];
        for (wanted, want) in cases {
            let found = find(&all, &claims, wanted).map(|policy| policy.name_any());
            assert_eq!(found.as_deref(), want, "{wanted}");
        }
        assert!(known(&all, "erly").starts_with("did you mean `early`?"), "{}", known(&all, "erly"));
        assert!(known(&all, "Deployment/apy").starts_with("did you mean `Deployment/api`?"), "by target, too");
    }
}
