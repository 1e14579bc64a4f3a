//! Decides line by line: a look in JSON comes in, an answer in JSON goes out.

use std::error::Error;
use std::io::{BufRead as _, Write as _};

use setpoint_peers_wire::{Look, algorithm};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut algorithm, mut out) = (algorithm(), std::io::stdout().lock());
    let mut answer = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let look: Look = serde_json::from_str(&line?)?;
        answer.clear();
        serde_json::to_writer(&mut answer, &look.ask(&mut *algorithm))?;
        answer.push(b'\n');
        out.write_all(&answer)?;
        out.flush()?;
    }
    Ok(())
}
