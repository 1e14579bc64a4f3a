//! Workloads in memory, as the command line names them.

use setpoint::TargetRef;

/// A workload in memory, and how many replicas it begins with.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) target: TargetRef,
    pub(crate) replicas: u32,
}

impl std::str::FromStr for Workload {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a workload is written KIND/NAMESPACE/NAME=REPLICAS: Deployment/default/web=2";
        let (place, replicas) = text.split_once('=').ok_or(FORM)?;
        let replicas = replicas.parse().map_err(|_| FORM)?;
        let &[kind, namespace, name] = place.split('/').collect::<Vec<_>>().as_slice() else { return Err(FORM) };
        if [kind, namespace, name].iter().any(|part| part.is_empty()) {
            return Err(FORM);
        }
        if !["Deployment", "StatefulSet", "ReplicaSet"].contains(&kind) {
            return Err("a workload is a Deployment, StatefulSet or ReplicaSet");
        }
        let (api_version, namespace) = ("apps/v1".to_owned(), Some(namespace.to_owned()));
        let target = TargetRef { api_version, kind: kind.to_owned(), name: name.to_owned(), namespace };
        Ok(Self { target, replicas })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_written_in_one_way() {
        let cases = [
            ("Deployment/default/web=2", true),
            ("StatefulSet/a/b=0", true),
            ("Deployment/default/web", false),
            ("Deployment/web=2", false),
            ("Deployment//web=2", false),
            ("Pod/default/web=2", false),
            ("Deployment/default/web=two", false),
        ];
        for (text, fits) in cases {
            assert_eq!(text.parse::<Workload>().is_ok(), fits, "{text}");
        }
    }
}
