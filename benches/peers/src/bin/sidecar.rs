//! Decides by gRPC on the Unix socket whose path is the only argument. Says `ready` once it listens.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use setpoint::ScalingAlgorithm;
use setpoint_peers::grpc::scaling_server::{Scaling, ScalingServer};
use setpoint_peers::grpc::{Answer, Look};
use setpoint_peers_wire as wire;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

struct Sidecar {
    algorithm: Mutex<Box<dyn ScalingAlgorithm>>,
}

#[tonic::async_trait]
impl Scaling for Sidecar {
    async fn evaluate(&self, request: Request<Look>) -> Result<Response<Answer>, Status> {
        let mut algorithm = self.algorithm.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = wire::Look::from(request.into_inner()).ask(&mut **algorithm);
        Ok(Response::new(Answer { replicas: answer.replicas }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("the path of a socket is missing")?;
    let socket = UnixListener::bind(path)?;
    println!("ready");
    let service = ScalingServer::new(Sidecar { algorithm: Mutex::new(wire::algorithm()) });
    Server::builder().add_service(service).serve_with_incoming(UnixListenerStream::new(socket)).await?;
    Ok(())
}
