//! What the same decision costs elsewhere. `cargo xtask peers` builds the Extism guest and runs the bench `peers`.

use setpoint_peers_wire as wire;

/// The service of `scaling.proto`.
pub mod grpc {
    tonic::include_proto!("setpoint.peers");
}

impl From<grpc::Look> for wire::Look {
    fn from(look: grpc::Look) -> Self {
        let readings = look.readings.into_iter().map(|reading| reading.value).collect();
        Self { now_ms: look.now_ms, current: look.current, readings }
    }
}

impl From<wire::Look> for grpc::Look {
    fn from(look: wire::Look) -> Self {
        let readings = look.readings.into_iter().map(|value| grpc::Reading { value }).collect();
        Self { now_ms: look.now_ms, current: look.current, readings }
    }
}
