//! Requests to servers that nobody vouches for: bounded in time and in bytes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, redirect};

/// Asks servers. Cheap to clone: clones share connections.
#[derive(Clone, Debug)]
pub struct Fetch {
    client: Client,
    bytes: usize,
}

/// No client can be made: the machine's root certificates can't be had.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made here")]
pub struct FetchError(#[from] reqwest::Error);

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
        let client = Self::client().timeout(timeout).redirect(redirect::Policy::none()).build()?;
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

    /// What a GET of `url` answers, or why it doesn't, in words.
    pub(super) async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        self.send(self.client.get(url)).await
    }

    /// What a POST of `form` to `url` answers, or why it doesn't, in words.
    pub(super) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        self.send(self.client.post(url).form(form)).await
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
