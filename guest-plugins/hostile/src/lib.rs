//! A plugin that misbehaves as its configuration says: one way for each thing a host must survive.
//!
//! It implements the raw contract, for the SDK would refuse half of this.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime};

use setpoint_guest::bindings::exports::setpoint::scaling::algorithm::{self, Guest, GuestInstance};
use setpoint_guest::bindings::exports::setpoint::scaling::batch;
use setpoint_guest::bindings::setpoint::scaling::types::{
    Answer, ConfigError, Description, Failure, Metric, Observation, Proposal,
};

/// `how[:times][@current]`: what to do, for how many looks of each instance, and at how many replicas alone. All other
/// looks are answered with how many there were before, over all instances of the workload.
struct Hostile {
    how: String,
    times: u32,
    at: Option<u32>,
    /// Survives in the state.
    looks: Cell<u32>,
    /// Dies with the instance.
    done: Cell<u32>,
    hoard: RefCell<Vec<Vec<u8>>>,
}

struct Component;

impl Guest for Component {
    type Instance = Hostile;

    fn describe() -> Description {
        Description {
            name: "hostile".to_owned(),
            version: "0.1.0".to_owned(),
            summary: "misbehaves in the way its configuration names; for tests of hosts".to_owned(),
            config_schema: r#"{ "type": "string" }"#.to_owned(),
            metrics: Vec::new(),
            deterministic: false,
        }
    }
}

impl GuestInstance for Hostile {
    fn create(config: String, _: Vec<Metric>) -> Result<algorithm::Instance, ConfigError> {
        let config = config.trim_matches('"');
        let wrong = || ConfigError { path: String::new(), message: "how[:times][@current]".to_owned() };
        let (config, at) = match config.split_once('@') {
            Some((config, at)) => (config, Some(at.parse().map_err(|_| wrong())?)),
            None => (config, None),
        };
        let (how, times) = config.split_once(':').unwrap_or((config, "4294967295"));
        match how {
            "endless-create" => spin(),
            "trap-in-create" => panic!("as asked"),
            "refuse-config" => {
                return Err(ConfigError { path: "how".to_owned(), message: "not \u{1b}[31mtoday".to_owned() });
            }
            _ => {}
        }
        let times = times.parse().map_err(|_| wrong())?;
        Ok(algorithm::Instance::new(Self {
            how: how.to_owned(),
            times,
            at,
            looks: Cell::new(0),
            done: Cell::new(0),
            hoard: RefCell::default(),
        }))
    }

    fn evaluate(&self, look: Observation) -> Result<Answer, Failure> {
        let number = self.looks.replace(self.looks.get() + 1);
        let spared = self.at.is_some_and(|at| at != look.current);
        if spared || self.done.replace(self.done.get() + 1) >= self.times {
            return Ok(Answer { state: Some(self.snapshot()), ..plain(Proposal::Need(f64::from(number))) });
        }
        self.misbehave(&look)
    }

    fn snapshot(&self) -> Vec<u8> {
        match self.how.as_str() {
            "trap-in-snapshot" => panic!("as asked"),
            "huge-state" => vec![0; 8 << 20],
            _ => self.looks.get().to_le_bytes().to_vec(),
        }
    }

    fn restore(&self, state: Vec<u8>) -> Result<(), String> {
        match self.how.as_str() {
            "endless-restore" => spin(),
            "forgetful" => return Err("what state?".to_owned()),
            _ => {}
        }
        let state = state.try_into().map_err(|_| "a state has four bytes".to_owned())?;
        self.looks.set(u32::from_le_bytes(state));
        Ok(())
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if self.how == "trap-in-drop" {
            panic!("as asked");
        }
    }
}

impl batch::Guest for Component {
    fn evaluate(instances: Vec<algorithm::InstanceBorrow<'_>>, looks: batch::Looks) -> batch::Answers {
        let mut answers =
            batch::Answers { proposals: Vec::new(), needs: Vec::new(), states: Vec::new(), state_ends: Vec::new() };
        for (index, instance) in instances.iter().enumerate() {
            let hostile = instance.get::<Hostile>();
            let look = Observation {
                now_ms: looks.now_ms,
                current: looks.current[index],
                ready: looks.ready[index],
                min: looks.min[index],
                max: looks.max[index],
                explain: false,
                values: Vec::new(),
                states: Vec::new(),
            };
            match hostile.how.as_str() {
                "trap-in-batch" => panic!("as asked"),
                "short-batch" if index > 0 => break,
                "odd-batch" => answers.state_ends.push(4 - 3 * (index as u32 % 2)),
                _ => {}
            }
            let before = hostile.looks.get();
            let (proposal, need) = match hostile.evaluate(look) {
                Ok(Answer { proposal, state, .. }) => {
                    answers.states.extend(state.into_iter().flatten());
                    match proposal {
                        Proposal::Need(need) => (0, need),
                        Proposal::Hold => (1, 0.0),
                        Proposal::NoOpinion => (2, 0.0),
                        Proposal::Suspend => (3, 0.0),
                    }
                }
                Err(_) => {
                    hostile.looks.set(before);
                    hostile.done.set(hostile.done.get() - 1);
                    (4, 0.0)
                }
            };
            answers.proposals.push(if hostile.how == "odd-proposal" { 9 } else { proposal });
            answers.needs.push(need);
            if hostile.how != "odd-batch" {
                answers.state_ends.push(answers.states.len() as u32);
            }
        }
        answers
    }
}

fn plain(proposal: Proposal) -> Answer {
    Answer { proposal, reason: String::new(), state: None }
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

#[allow(unconditional_recursion)]
fn dig(depth: u64) -> u64 {
    std::hint::black_box(dig(std::hint::black_box(depth + 1)) + depth)
}

impl Hostile {
    fn misbehave(&self, look: &Observation) -> Result<Answer, Failure> {
        let need = |need| Ok(plain(Proposal::Need(need)));
        let reason = |reason| Ok(Answer { reason, ..plain(Proposal::Hold) });
        match self.how.as_str() {
            "endless-loop" => spin(),
            "memory-bomb" => {
                let mut bomb: Vec<Vec<u8>> = Vec::new();
                loop {
                    bomb.push(std::hint::black_box(Vec::with_capacity(1 << 20)));
                }
            }
            "trap" => panic!("as asked\n\u{1b}[31mfor"),
            "stack-overflow" => need(dig(0) as f64),
            "nan" => need(f64::NAN),
            // Traps at its second look, and can't take its state back.
            "forgetful" if self.looks.get() > 1 => panic!("at the second look"),
            "forgetful" => Ok(Answer { state: Some(self.snapshot()), ..plain(Proposal::Need(7.0)) }),
            "infinity" => need(f64::INFINITY),
            "negative" => need(-1.0),
            "out-of-range" => need(1e10),
            "refuse" => Err(Failure::Refused("not today".to_owned())),
            // Keep a mebibyte, or a sixty-fourth of one, for each look, until they are dropped.
            how @ ("hoard" | "leak") => {
                let kept = if how == "hoard" { 1 << 20 } else { 16 << 10 };
                self.hoard.borrow_mut().push(std::hint::black_box(vec![1; kept]));
                Ok(Answer { state: Some(self.snapshot()), ..plain(Proposal::Need(f64::from(look.current))) })
            }
            "long-reason" => reason(format!("\u{1b}[2Jé{}", "x".repeat(512 << 10))),
            "huge-new-state" => Ok(Answer { state: Some(vec![0; 8 << 20]), ..plain(Proposal::Hold) }),
            "huge-reason" => reason("x".repeat(8 << 20)),
            "chatter" => {
                for line in 0..200 {
                    println!("line {line}");
                    eprintln!("line {line}");
                }
                reason("done".to_owned())
            }
            // Holds while time stands still and random numbers are what they were.
            "ambient" => {
                let still = Instant::now().elapsed().is_zero() && SystemTime::now() == SystemTime::UNIX_EPOCH;
                need(if still { (RandomState::new().hash_one(1) % 1000) as f64 } else { f64::NAN })
            }
            "file" => need(std::fs::read("/etc/hostname").expect("a file").len() as f64),
            "directory" => need(std::fs::read_dir("/").map_or(0.0, |entries| entries.count() as f64)),
            "environment" => need((std::env::vars().count() + std::env::args().count()) as f64),
            "exit" => std::process::exit(0),
            "sleep" => {
                std::thread::sleep(std::time::Duration::from_secs(3600));
                need(1.0)
            }
            _ => need(f64::from(look.current)),
        }
    }
}

setpoint_guest::bindings::export!(Component with_types_in setpoint_guest::bindings);
