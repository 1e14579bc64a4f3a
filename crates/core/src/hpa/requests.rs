//! What an instance requests of a resource: the denominator of a utilization.
//!
//! Kubernetes: pkg/controller/podautoscaler/replica_calculator.go, `calculateRequests`; KEP-2837 for requests of
//! whole pods.

use std::collections::BTreeMap;

/// Amounts by resource, in thousandths.
pub type Amounts = BTreeMap<String, i64>;

/// What the containers of an instance request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// The containers.
    pub containers: Vec<Container>,
    /// Init containers that go on running. Ordinary ones ask for nothing that lasts, and don't count.
    pub sidecars: Vec<Container>,
    /// What the pod requests as a whole, where it does. Goes before the sum of its containers.
    pub pod: Option<Amounts>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// What it requests.
    pub requests: Amounts,
}

/// Why an instance's request can't be told. It fails the metric, not only the instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A container doesn't request the resource.
    #[error("the container `{container}` has no request for {resource}")]
    NotRequested {
        /// The container.
        container: String,
        /// The resource.
        resource: String,
    },
    /// The pod requests other resources as a whole, and not this one.
    #[error("the pod's own requests have none for {resource}")]
    NotRequestedByPod {
        /// The resource.
        resource: String,
    },
    /// There is no such container.
    #[error("there is no container `{container}`")]
    NoContainer {
        /// The container.
        container: String,
    },
}

impl Requests {
    /// The request for `resource`, of one `container` or of all.
    ///
    /// ```
    /// use setpoint::hpa::requests::{Container, Requests};
    /// let container = |name: &str, cpu| Container { name: name.into(), requests: [("cpu".to_owned(), cpu)].into() };
    /// let requests = Requests {
    ///     containers: vec![container("app", 1000)], sidecars: vec![container("proxy", 200)], pod: None,
    /// };
    /// assert_eq!(requests.of("cpu", None), Ok(1200));
    /// assert_eq!(requests.of("cpu", Some("proxy")), Ok(200));
    /// assert!(requests.of("memory", None).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestError`] when one container doesn't request it, or there is no such container.
    pub fn of(&self, resource: &str, container: Option<&str>) -> Result<i64, RequestError> {
        if let (Some(pod), None) = (&self.pod, container) {
            let missing = || RequestError::NotRequestedByPod { resource: resource.to_owned() };
            return pod.get(resource).copied().ok_or_else(missing);
        }
        let mut sum = 0_i64;
        let mut found = container.is_none();
        for it in self.containers.iter().chain(&self.sidecars) {
            if container.is_some_and(|name| name != it.name) {
                continue;
            }
            found = true;
            let request = it.requests.get(resource).ok_or_else(|| RequestError::NotRequested {
                container: it.name.clone(),
                resource: resource.to_owned(),
            })?;
            sum = sum.wrapping_add(*request);
        }
        match container {
            Some(container) if !found => Err(RequestError::NoContainer { container: container.to_owned() }),
            _ => Ok(sum),
        }
    }
}
