//! How a cluster is reached.

use std::path::Path;

use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// Why a cluster can't be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing says where one is.
    #[error("there is no kubeconfig and no service account here: {0}")]
    Nowhere(#[from] InferConfigError),
    /// The kubeconfig can't be used.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// What it says can't be used.
    #[error(transparent)]
    Client(#[from] kube::Error),
}

/// A client by `kubeconfig` and its current context; without it, by `$KUBECONFIG`, `~/.kube/config` or the service account of
/// the pod that this runs in.
///
/// # Errors
///
/// [`ConnectError`]. That the API server doesn't answer is found later.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    connect_in(kubeconfig, None).await
}

/// The same in another context of the kubeconfig than its current one.
///
/// # Errors
///
/// As for [`connect`].
pub async fn connect_in(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Client, ConnectError> {
    let options = KubeConfigOptions { context: context.map(ToOwned::to_owned), ..KubeConfigOptions::default() };
    let config = match kubeconfig {
        Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?,
        // A service account has no contexts.
        None if context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    };
    Ok(Client::try_from(config)?)
}
