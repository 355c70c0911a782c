use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

const PATIENCE: Duration = Duration::from_secs(20);

/// The processes of a running server, for signals to all of them: each of a
/// server's processes is in a process group of its own.
#[derive(Debug)]
pub(crate) struct Processes {
    postmaster: Pid,
}

/// What the system tells of a process.
struct Process {
    state: char,
    parent: i32,
}

impl Processes {
    /// Those of the server that runs on a data directory, if one does. Asking
    /// the server itself would take a busy one for dead.
    pub(crate) fn on(data: &Path) -> Option<Self> {
        let postmaster = last_postmaster(data)?;
        // The id may have become another process's, after a reboot for instance.
        let command = fs::read_to_string(format!("/proc/{}/cmdline", postmaster.as_raw_nonzero())).ok()?;
        command.contains(&*data.to_string_lossy()).then_some(Self { postmaster })
    }

    /// Stops all of them in the middle of whatever they do. The postmaster
    /// goes first: from then on there are no new ones.
    pub(crate) fn stop(&self) -> Result<Vec<Pid>, Error> {
        signal(self.postmaster, Signal::STOP)?;
        wait_until("stopped", || is(self.postmaster, &['T', 'Z']))?;
        let mut all = children(self.postmaster);
        all.push(self.postmaster);
        for &process in &all {
            signal(process, Signal::STOP)?;
        }
        wait_until("stopped", || all.iter().all(|&process| is(process, &['T', 'Z'])))?;
        Ok(all)
    }

    /// Lets all of them go on.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        for process in children(self.postmaster) {
            signal(process, Signal::CONT)?;
        }
        signal(self.postmaster, Signal::CONT)
    }

    /// Ends all of them with signal 9, as a power failure would: none does
    /// anything more once another one is dead.
    pub(crate) fn kill(&self) -> Result<(), Error> {
        let all = self.stop()?;
        for &process in &all {
            signal(process, Signal::KILL)?;
        }
        // What is left of them is for the system to remove.
        wait_until("killed", || all.iter().all(|&process| is(process, &['Z'])))
    }

    /// Waits until the system has removed what is left of a killed server:
    /// until then another one would take it for alive.
    pub(crate) fn wait_for_end(data: &Path) -> Result<(), Error> {
        let Some(id) = last_postmaster(data) else { return Ok(()) };
        wait_until("removed", || Process::of(id).is_none_or(|process| process.state != 'Z'))
    }
}

fn last_postmaster(data: &Path) -> Option<Pid> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    Pid::from_raw(file.lines().next()?.parse().ok()?)
}

impl Process {
    fn of(id: Pid) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).ok()?;
        // Behind the name of the program, which may contain anything.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        Some(Self { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
    }
}

/// Whether a process is in one of the states, or gone.
fn is(id: Pid, states: &[char]) -> bool {
    Process::of(id).is_none_or(|process| states.contains(&process.state))
}

fn children(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let parent = parent.as_raw_nonzero().get();
    all.filter(|&id| Process::of(id).is_some_and(|process| process.parent == parent)).collect()
}

/// A process that has ended in the meantime is as good as one that got the
/// signal.
fn signal(process: Pid, signal: Signal) -> Result<(), Error> {
    match kill_process(process, signal) {
        Err(error) if error != rustix::io::Errno::SRCH => {
            Err(Error::new(format!("cannot signal a server: {}", io::Error::from(error))))
        }
        _ => Ok(()),
    }
}

fn wait_until(what: &str, met: impl Fn() -> bool) -> Result<(), Error> {
    let start = Instant::now();
    while !met() {
        if start.elapsed() > PATIENCE {
            return Err(Error::new(format!("a server's processes were not {what} within {PATIENCE:?}")));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
