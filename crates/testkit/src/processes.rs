use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The processes of a running server, to send signals to all of them: each is in a process group of its own.
#[derive(Debug)]
pub(crate) struct Processes {
    postmaster: Pid,
}

/// A process as `/proc` describes it.
struct Process {
    state: char,
    parent: i32,
}

impl Processes {
    /// Finds the processes of the server on a data directory, if it runs. Asking the server itself would mistake a
    /// busy one for dead.
    pub(crate) fn on(data: &Path) -> Option<Self> {
        let postmaster = last_postmaster(data)?;
        // The process id may have been reused, for example after a reboot.
        let command = fs::read_to_string(format!("/proc/{}/cmdline", postmaster.as_raw_nonzero())).ok()?;
        command.contains(&*data.to_string_lossy()).then_some(Self { postmaster })
    }

    /// Freezes all processes. The postmaster goes first, so that no new ones appear.
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

    /// Resumes all processes.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        for process in children(self.postmaster) {
            signal(process, Signal::CONT)?;
        }
        signal(self.postmaster, Signal::CONT)
    }

    /// Kills all processes with SIGKILL, as a power failure would: none does anything after another one is dead.
    pub(crate) fn kill(&self) -> Result<(), Error> {
        let all = self.stop()?;
        for &process in &all {
            signal(process, Signal::KILL)?;
        }
        // The system removes the zombies.
        wait_until("killed", || all.iter().all(|&process| is(process, &['Z'])))
    }

    /// Waits until the system has removed the processes of a killed server; until then a new server would take it
    /// for running.
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
        // Skips the program name, which may contain anything.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        Some(Self { state: fields.next()?.chars().next()?, parent: fields.next()?.parse().ok()? })
    }
}

/// Returns whether a process is in one of these states, or gone.
fn is(id: Pid, states: &[char]) -> bool {
    Process::of(id).is_none_or(|process| states.contains(&process.state))
}

fn children(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let parent = parent.as_raw_nonzero().get();
    all.filter(|&id| Process::of(id).is_some_and(|process| process.parent == parent)).collect()
}

/// Sends a signal. A process that has ended meanwhile counts as signalled.
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
        if start.elapsed() > TIMEOUT {
            return Err(Error::new(format!("a server's processes were not {what} within {TIMEOUT:?}")));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
