//! Calling what a configuration names: JSON in, text out, within bounds.

mod http;
mod shell;

use serde_json::Value;
use setpoint_process::CommandError;

use self::http::Address;
use crate::config::{Method, MethodCall, ShellCall};
use crate::error::SetupError;

/// What a program may use, besides its method's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramLimits {
    /// Bytes on standard output, and as many on standard error; bytes of an answer's body. Default 1 MiB.
    pub output: usize,
    /// Bytes of address space, for each process of a program's tree. Default 4 GiB: what runs on a virtual machine takes much
    /// of it before it begins.
    pub memory: Option<u64>,
}

impl Default for ProgramLimits {
    fn default() -> Self {
        Self { output: 1 << 20, memory: Some(4 << 30) }
    }
}

impl ProgramLimits {
    /// The same with so many bytes of output.
    #[must_use]
    pub const fn with_output(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }

    /// The same with so many bytes of address space.
    #[must_use]
    pub const fn with_memory(mut self, bytes: Option<u64>) -> Self {
        self.memory = bytes;
        self
    }
}

/// Why a method has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MethodError {
    /// Its program failed, or went too far.
    #[error(transparent)]
    Program(#[from] CommandError),
    /// Its address failed.
    #[error("{method} {address}: {problem}")]
    Address {
        /// The request's method.
        method: String,
        /// Whom it went to, without what may be secret.
        address: String,
        /// Why.
        problem: String,
    },
    /// It said something that is no text.
    #[error("its answer is not UTF-8 text")]
    NotText,
}

/// A method that can be called.
#[derive(Clone, Debug)]
pub(crate) struct Callable {
    how: How,
    /// Whether it is handed the bare thing.
    pub(crate) takes_bare: bool,
}

#[derive(Clone, Debug)]
enum How {
    Shell { call: ShellCall, limits: setpoint_process::Limits },
    Http(Box<Address>),
}

impl Callable {
    /// Makes `method` ready: whatever files it names are read.
    pub(crate) fn new(field: &'static str, method: &Method, limits: ProgramLimits) -> Result<Self, SetupError> {
        let how = match &method.call {
            MethodCall::Shell(call) => {
                How::Shell { call: call.clone(), limits: method.limits(limits.output, limits.memory) }
            }
            MethodCall::Http(call) => How::Http(Box::new(Address::new(field, call, method.timeout, limits.output)?)),
        };
        Ok(Self { how, takes_bare: method.takes_bare() })
    }

    /// What it answers when it is handed `input`.
    pub(crate) async fn call(&self, input: &Value) -> Result<String, MethodError> {
        let input = input.to_string();
        let answer = match &self.how {
            How::Shell { call, limits } => shell::run(call, *limits, input).await?,
            How::Http(address) => address.ask(input).await?,
        };
        String::from_utf8(answer).map_err(|_| MethodError::NotText)
    }
}
