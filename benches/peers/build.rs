//! Client and server of `scaling.proto`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=scaling.proto");
    tonic_prost_build::configure().compile_fds(protox::compile(["scaling.proto"], ["."])?)?;
    Ok(())
}
