//! A program, which ends with all that it started.

use setpoint_process::{CommandError, Limits, Program};

use crate::config::ShellCall;

pub(super) async fn run(call: &ShellCall, limits: Limits, input: String) -> Result<Vec<u8>, CommandError> {
    let output = Program::new(&call.entrypoint).args(&call.command).stdin(input).limits(limits).run().await?;
    if call.log_stderr && !output.stderr.is_empty() {
        tracing::info!(program = call.entrypoint, "{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(output.stdout)
}
