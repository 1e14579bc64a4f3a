//! Who ends processes when this one is killed in a way that it can't notice.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::tree::Mark;

/// Reads groups that begin (`+ 123`) and that have ended (`- 123`). When its input ends, those that are left end too, and
/// on Linux whatever has the mark. Signals to the terminal's processes aren't meant for it.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r change group; do
    case $change in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for search in 1 2 3 4 5; do
    # Its exit code says also that some could not be read.
    found=$(grep -lsF "SETPOINT_TREE=$1" /proc/[0-9]*/environ)
    [ -n "$found" ] || break
    for file in $found; do process=${file#/proc/}; kill -s KILL "${process%/environ}"; done
done
"#;

/// A process of its own that waits for this one to die, by whatever: its only sign is that a pipe closes.
#[derive(Debug)]
pub(crate) struct Guard {
    mark: Mark,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shell: Shell,
    groups: BTreeSet<i32>,
}

#[derive(Debug)]
struct Shell {
    child: Child,
    /// Always there until this is dropped.
    input: Option<ChildStdin>,
}

impl Guard {
    /// Of all trees whose mark begins with `mark`.
    pub(crate) fn start(mark: Mark) -> io::Result<Self> {
        let shell = Shell::start(&mark)?;
        Ok(Self { mark, state: Mutex::new(State { shell, groups: BTreeSet::new() }) })
    }

    /// Takes a group under guard. Should the guard be gone, another takes its place.
    pub(crate) fn add(&self, group: i32) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.insert(group);
        if state.shell.tell('+', group).is_ok() {
            return Ok(());
        }
        tracing::warn!("the guard of the processes is gone, and is replaced");
        state.shell = Shell::start(&self.mark)?;
        let State { shell, groups } = &mut *state;
        groups.iter().try_for_each(|group| shell.tell('+', *group))
    }

    /// Lets a group go, which has ended.
    pub(crate) fn remove(&self, group: i32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.remove(&group);
        if let Err(error) = state.shell.tell('-', group) {
            // The next one that begins finds out, and replaces it.
            tracing::debug!(%error, "the guard of the processes is gone");
        }
    }
}

impl Shell {
    fn start(mark: &Mark) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "sh", mark.as_str()]).env_remove(Mark::VARIABLE).current_dir("/");
        // A group of its own: whoever ends this process' group ends this process, and the guard has work to do.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        Ok(Self { child, input })
    }

    fn tell(&mut self, change: char, group: i32) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        // A few bytes, which a pipe takes whole and at once.
        input.write_all(format!("{change} {group}\n").as_bytes())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.take());
        if let Err(error) = self.child.wait() {
            tracing::debug!(%error, "the guard of the processes can't be collected");
        }
    }
}
