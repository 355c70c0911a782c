use std::{
    io,
    os::fd::AsFd,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::Error;

const OWNED: &str = "only handing over, which is the end, takes the pipe";
const SCRIPT: &str = include_str!("supervisor.sh");

/// A process that stops a server and removes its directory as soon as nobody
/// owns it any more: whoever holds the other end of a pipe is an owner.
#[derive(Debug)]
pub(crate) struct Supervisor {
    process: Child,
}

impl Supervisor {
    /// Watches over a server's directory, whether or not a server runs in it
    /// by now.
    pub(crate) fn start(directory: &Path) -> Result<Self, Error> {
        let process = script(SCRIPT, directory)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(Error::at(Path::new("setsid")))?;
        Ok(Self { process })
    }

    /// Does at once what a supervisor does in the end, for a directory whose
    /// own supervisor is gone.
    pub(crate) fn clean(directory: &Path) -> Result<(), Error> {
        script(SCRIPT, directory).status().map_err(Error::at(Path::new("setsid")))?;
        Ok(())
    }

    /// Makes one more process an owner, by what is to be its standard input.
    pub(crate) fn share(&self) -> io::Result<Stdio> {
        let pipe = self.process.stdin.as_ref().expect(OWNED);
        Ok(pipe.as_fd().try_clone_to_owned()?.into())
    }

    /// Gives the ownership away: to whichever process gets the pipe.
    pub(crate) fn hand_over(mut self) -> ChildStdin {
        self.process.stdin.take().expect(OWNED)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.process.stdin.is_some() {
            // Closes the pipe first, which is what the process is waiting for.
            let _ = self.process.wait();
        }
    }
}

/// A shell script that gets `argument`, in a session of its own: neither an
/// interrupt from the terminal nor the end of a test run's process group
/// reaches it, and it keeps none of the test's files open.
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
