use std::{
    io,
    os::fd::AsFd,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::Error;

const OWNED: &str = "only handing over, which is the end, takes the pipe";
const SCRIPT: &str = include_str!("reaper.sh");

/// A process that stops a server and removes its directory once no process owns it any more. Every process that
/// holds the other end of a pipe is an owner.
#[derive(Debug)]
pub(crate) struct Reaper {
    process: Child,
}

impl Reaper {
    /// Starts a reaper for a server's directory, whether or not a server runs in it yet.
    pub(crate) fn start(directory: &Path) -> Result<Self, Error> {
        let process = script(SCRIPT, directory)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(Error::at(Path::new("setsid")))?;
        Ok(Self { process })
    }

    /// Removes the server of a directory at once, for one whose own reaper is gone.
    pub(crate) fn clean(directory: &Path) -> Result<(), Error> {
        script(SCRIPT, directory).status().map_err(Error::at(Path::new("setsid")))?;
        Ok(())
    }

    /// Makes another process an owner, through its standard input.
    pub(crate) fn share(&self) -> io::Result<Stdio> {
        let pipe = self.process.stdin.as_ref().expect(OWNED);
        Ok(pipe.as_fd().try_clone_to_owned()?.into())
    }

    /// Transfers ownership to the process that gets the pipe.
    pub(crate) fn into_stdin(mut self) -> ChildStdin {
        self.process.stdin.take().expect(OWNED)
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if self.process.stdin.is_some() {
            // Closes the pipe first, because the process waits for that.
            let _ = self.process.wait();
        }
    }
}

/// Returns a shell script that gets `argument`, in a session of its own: neither an interrupt from the terminal
/// nor the end of a test run's process group reaches it, and it keeps none of the test's files open.
pub(crate) fn script(text: &str, argument: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", text, "tallybook-testkit"]);
    command.arg(argument);
    command.current_dir("/");
    command.stdin(Stdio::null());
    command.stdout(Stdio::null());
    command.stderr(Stdio::null());
    command
}
