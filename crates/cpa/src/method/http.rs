//! An address, asked within bounds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, Url};
use setpoint_runtime::in_one_line;
use setpoint_runtime::source::Fetch;

use super::MethodError;
use crate::config::{HttpCall, ParameterMode};
use crate::error::SetupError;

/// The name under which a query has the JSON.
const PARAMETER: &str = "value";

/// Whom a method asks, and how.
#[derive(Clone, Debug)]
pub(super) struct Address {
    fetch: Fetch,
    client: Client,
    method: reqwest::Method,
    url: Url,
    headers: HeaderMap,
    success_codes: Vec<u16>,
    mode: ParameterMode,
}

impl Address {
    pub(super) fn new(
        field: &'static str,
        call: &HttpCall,
        timeout: Duration,
        bytes: usize,
    ) -> Result<Self, SetupError> {
        let bad = |part: &str, problem: &dyn std::fmt::Display| SetupError::Method {
            field: format!("{field}.http.{part}"),
            problem: problem.to_string(),
        };
        let url: Url = call.url.parse().map_err(|error| bad("url", &error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("url", &format_args!("must begin with http:// or https://, got {}:", url.scheme())));
        }
        let method = call.method.to_uppercase().parse().map_err(|error| bad("method", &error))?;
        let mut headers = HeaderMap::new();
        if call.parameter_mode == ParameterMode::Body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in &call.headers {
            let part = || format!("headers.{name}");
            let known = HeaderName::try_from(name.as_str()).map_err(|error| bad(&part(), &error))?;
            headers.insert(known, HeaderValue::try_from(value).map_err(|error| bad(&part(), &error))?);
        }
        let read = |part: &str, path: &Path| {
            std::fs::read(path).map_err(|error| bad(part, &format_args!("{}: {error}", path.display())))
        };
        let mut client = Fetch::client().timeout(timeout);
        if let Some(path) = &call.ca_cert {
            let certificates = Certificate::from_pem_bundle(&read("caCert", path)?);
            let certificates = certificates.map_err(|error| bad("caCert", &in_one_line(&error)))?;
            if certificates.is_empty() {
                return Err(bad("caCert", &format_args!("{}: it holds no certificate", path.display())));
            }
            client = client.tls_certs_only(certificates);
        }
        if let Some((certificate, key)) = identity(call) {
            let mut pem = read("clientCert", certificate)?;
            pem.push(b'\n');
            pem.extend(read("clientKey", key)?);
            client =
                client.identity(Identity::from_pem(&pem).map_err(|error| bad("clientCert", &in_one_line(&error)))?);
        }
        let client = client.build().map_err(|error| bad("url", &in_one_line(&error)))?;
        Ok(Self {
            fetch: Fetch::through(client.clone(), bytes),
            client,
            method,
            url,
            headers,
            success_codes: call.success_codes.clone(),
            mode: call.parameter_mode,
        })
    }

    pub(super) async fn ask(&self, input: String) -> Result<Vec<u8>, MethodError> {
        let mut url = self.url.clone();
        if self.mode == ParameterMode::Query {
            url.query_pairs_mut().append_pair(PARAMETER, &input);
        }
        let request = self.client.request(self.method.clone(), url).headers(self.headers.clone());
        let request = if self.mode == ParameterMode::Body { request.body(input) } else { request };
        let answered = self.fetch.ask(request, |status| {
            if self.success_codes.is_empty() {
                status.is_success()
            } else {
                self.success_codes.contains(&status.as_u16())
            }
        });
        answered.await.map_err(|problem| MethodError::Address {
            method: self.method.to_string(),
            address: self.url.host_str().unwrap_or_default().to_owned() + self.url.path(),
            problem,
        })
    }
}

/// The files of what this client shows; the configuration has both or none.
fn identity(call: &HttpCall) -> Option<(&PathBuf, &PathBuf)> {
    call.client_cert.as_ref().zip(call.client_key.as_ref())
}
