//! Requests to servers that nobody vouches for: bounded in time and in bytes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response, StatusCode, redirect};

/// Asks servers. Cheap to clone: clones share connections.
#[derive(Clone, Debug)]
pub struct Fetch {
    client: Client,
    bytes: usize,
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The machine's root certificates can't be had.
    #[error("no HTTP client can be made here")]
    Client(#[from] reqwest::Error),
    /// What is to be trusted is no certificate.
    #[error("these are no PEM certificates")]
    Certificates(#[source] reqwest::Error),
    /// What is to be trusted is nothing.
    #[error("there is no certificate in it: it has none that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
}

/// A request that was not answered with success, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RequestError(String);

impl Fetch {
    /// How long a request may take, by default: less than a step of a look may.
    pub const TIMEOUT: Duration = Duration::from_secs(4);
    /// How many bytes an answer may have, by default.
    pub const BYTES: usize = 1 << 20;

    /// Asks with the default limits.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub fn new() -> Result<Self, FetchError> {
        Self::within(Self::TIMEOUT, Self::BYTES)
    }

    /// Asks for at most `timeout`, and takes answers of at most `bytes`. Redirects aren't followed: who redirects is not
    /// whom the policy names.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub fn within(timeout: Duration, bytes: usize) -> Result<Self, FetchError> {
        Self::bounded(Self::client(), timeout, bytes)
    }

    /// The same, never through a proxy, whatever the environment says: for those who are near, and known by no name.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub fn directly(timeout: Duration, bytes: usize) -> Result<Self, FetchError> {
        Self::bounded(Self::client().no_proxy(), timeout, bytes)
    }

    /// As [`within`](Self::within), and trusts only servers with a certificate of these authorities: `pem` is what a CA file
    /// holds.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub fn trusting(pem: &[u8], timeout: Duration, bytes: usize) -> Result<Self, FetchError> {
        let authorities = Certificate::from_pem_bundle(pem).map_err(FetchError::Certificates)?;
        if authorities.is_empty() {
            return Err(FetchError::NoCertificate);
        }
        Self::bounded(Self::client().tls_certs_only(authorities), timeout, bytes)
    }

    fn bounded(client: ClientBuilder, timeout: Duration, bytes: usize) -> Result<Self, FetchError> {
        let client = client.timeout(timeout).redirect(redirect::Policy::none()).build()?;
        Ok(Self::through(client, bytes))
    }

    /// The beginning of a client that has this project's TLS and name, for [`through`](Self::through).
    pub fn client() -> ClientBuilder {
        // One that is there already, of whoever embeds this, is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder().user_agent(concat!("setpoint/", env!("CARGO_PKG_VERSION")))
    }

    /// Asks through `client`, which bounds how long, and takes answers of at most `bytes`.
    #[must_use]
    pub const fn through(client: Client, bytes: usize) -> Self {
        Self { client, bytes }
    }

    /// Posts `body`, which is JSON, to `url`, with further headers.
    ///
    /// # Errors
    ///
    /// [`RequestError`] unless the answer is a success.
    pub async fn post_json(&self, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<(), RequestError> {
        let request = self.client.post(url).header("Content-Type", "application/json").body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request).await.map(drop).map_err(RequestError)
    }

    /// What `request`, which was made of a client, is answered, where `is_answer` says so of its status.
    ///
    /// # Errors
    ///
    /// Why there is no such answer, in words and without the address, which may hold a password.
    pub async fn ask(
        &self,
        request: RequestBuilder,
        is_answer: impl Fn(StatusCode) -> bool,
    ) -> Result<Vec<u8>, String> {
        let response = request.send().await.map_err(|error| in_words(&error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if is_answer(status) { Ok(body) } else { Err(format!("{status}{}", Quoted(&body))) }
    }

    /// What a GET of `url` answers with a status of success, or why it doesn't, in words.
    ///
    /// # Errors
    ///
    /// The cause that a person can do something about, without the address.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        self.send(self.client.get(url)).await
    }

    /// What a POST of `form` to `url` answers, or why it doesn't, in words. A `token` says who asks.
    pub(super) async fn post(&self, url: &str, token: Option<&str>, form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        let request = self.client.post(url).form(form);
        self.send(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Vec<u8>, String> {
        self.ask(request, |status| status.is_success()).await
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| in_words(&error))? {
            if body.len() + part.len() > self.bytes {
                return Err(format!("the answer has more than {} bytes", self.bytes));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }
}

/// The cause that a person can do something about: the last, without the address, which may hold a password.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.is::<reqwest::Error>() {
        // There is no other: without the address, for its own text has it.
        return if error.is_builder() {
            "the address can't be used".to_owned()
        } else {
            "the request failed".to_owned()
        };
    }
    cause.to_string()
}

/// The beginning of an answer, for an error message: printable, and short.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 120;
        let text = String::from_utf8_lossy(&self.0[..self.0.len().min(4 * MOST)]);
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = text.chars().filter(|c| !c.is_control()).take(MOST).collect();
        if short.is_empty() { Ok(()) } else { write!(f, ": {short}") }
    }
}
