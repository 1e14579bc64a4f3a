//! A process with everything that it started.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::Child;

/// What all processes of a tree have in their environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// The variable's name.
    pub(crate) const VARIABLE: &'static str = "SETPOINT_TREE";

    /// One that no other tree on this machine has.
    pub(crate) fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self(format!("setpoint-{}-{since:x}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// That of one of several trees that together have this one: they begin with it.
    pub(crate) fn branch(&self, name: u64) -> Self {
        Self(format!("{}{name}.", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A process group, and whatever its processes started. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Tree {
    leader: Pid,
    mark: Mark,
    ended: bool,
}

impl Tree {
    /// That of `child`, which leads a group of its own.
    pub(crate) fn of(child: &Child, mark: Mark) -> io::Result<Self> {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let leader = leader.ok_or_else(|| io::Error::other("the process ended before it began"))?;
        Ok(Self { leader, mark, ended: false })
    }

    /// The process and group id of the first process.
    pub(crate) fn id(&self) -> i32 {
        self.leader.as_raw_nonzero().get()
    }

    /// Asks the group to end.
    pub(crate) fn terminate(&self) {
        // The group can be gone already, which is what was wanted.
        let _ = kill_process_group(self.leader, Signal::TERM);
    }

    /// Whether a process of the group is left.
    pub(crate) fn group_lives(&self) -> bool {
        test_kill_process_group(self.leader).is_ok()
    }

    /// Ends all of it, at once and for good. A tree that is dropped instead ends as well, and its thread waits for the
    /// search through the machine's processes.
    pub(crate) async fn end(&mut self) {
        if self.ended {
            return;
        }
        self.kill_group();
        #[cfg(target_os = "linux")]
        {
            let (leader, mark) = (self.id(), self.mark.clone());
            if let Err(error) = tokio::task::spawn_blocking(move || escaped::kill(leader, mark.as_str())).await {
                // The runtime ends: the search is the drop's.
                tracing::debug!(%error, "what left a process' group was not looked for yet");
                return;
            }
        }
        self.ended = true;
    }

    fn kill_group(&self) {
        // In the kernel a fork and a signal to its group exclude each other: none of the group slips through.
        let _ = kill_process_group(self.leader, Signal::KILL);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.kill_group();
        #[cfg(target_os = "linux")]
        escaped::kill(self.id(), self.mark.as_str());
    }
}

#[cfg(target_os = "linux")]
mod escaped {
    //! What left the group, found by the mark in its environment or by its parents.

    use std::collections::BTreeSet;
    use std::fs;

    use rustix::process::{Pid, Signal, kill_process};

    /// A fork can outrun a search, but not many.
    const SEARCHES: usize = 50;

    pub(super) fn kill(leader: i32, mark: &str) {
        // One that was killed can take its time to go.
        let mut killed = BTreeSet::new();
        for _ in 0..SEARCHES {
            let new: Vec<i32> = find(leader, mark).difference(&killed).copied().collect();
            if new.is_empty() {
                return;
            }
            for pid in new.iter().copied().filter_map(Pid::from_raw) {
                // Gone in the meantime is fine.
                let _ = kill_process(pid, Signal::KILL);
            }
            killed.extend(new);
        }
        tracing::warn!(leader, "processes start faster than they can be ended");
    }

    /// Processes that have `mark`, or descend from `leader` or from one that has it. Those that have ended and only wait
    /// to be collected are none.
    fn find(leader: i32, mark: &str) -> BTreeSet<i32> {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let all: Vec<(i32, i32)> =
            numbers().filter(|pid| *pid != own).filter_map(|pid| Some((pid, parent(pid)?))).collect();
        let mut found: BTreeSet<i32> = all.iter().map(|(pid, _)| *pid).filter(|pid| has(*pid, mark)).collect();
        loop {
            let known = found.len();
            let descends = |parent: i32| parent == leader || found.contains(&parent);
            let more: Vec<i32> = all.iter().filter(|(_, parent)| descends(*parent)).map(|(pid, _)| *pid).collect();
            found.extend(more);
            if found.len() == known {
                return found;
            }
        }
    }

    fn numbers() -> impl Iterator<Item = i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// The parent of a process that lives.
    fn parent(pid: i32) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses can hold anything, more of them too.
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?;
        if matches!(state, "Z" | "X") { None } else { fields.next()?.parse().ok() }
    }

    /// Somebody else's process can't be read, and is none of ours.
    fn has(pid: i32, mark: &str) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
        environment.split(|byte| *byte == 0).any(|entry| {
            let value = entry.strip_prefix(super::Mark::VARIABLE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            value.is_some_and(|value| value.starts_with(mark.as_bytes()))
        })
    }
}
