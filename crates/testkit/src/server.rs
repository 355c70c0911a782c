use std::{
    fs::{self, File, Permissions},
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Authority, Binaries, Error, account::Account, address::USER, place, supervisor::Supervisor};

const SETTINGS: &str = include_str!("server.conf");
const TLS_SETTINGS: &str = include_str!("tls.conf");
const TLS_ACCESS: &str = include_str!("tls_hba.conf");
const ATTEMPTS: u32 = 10;

/// A server's directory, and what works on it: the server's programs, and the
/// supervisor that removes it in the end.
#[derive(Debug)]
pub(crate) struct Server {
    binaries: Binaries,
    account: Account,
    directory: PathBuf,
    supervisor: Supervisor,
}

impl Server {
    /// Creates the directory, with nothing in it.
    pub(crate) fn new(binaries: Binaries) -> Result<Self, Error> {
        let account = Account::for_servers()?;
        let directory = place::new_directory()?;
        account.give(directory.path()).map_err(Error::at(directory.path()))?;
        let supervisor = Supervisor::start(directory.path())?;
        Ok(Self { binaries, account, directory: directory.keep(), supervisor })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lets the server live on without this process.
    pub(crate) fn into_supervisor(self) -> Supervisor {
        self.supervisor
    }

    /// Whether a server runs in the directory. Asking the server itself would
    /// take a busy one for dead.
    pub(crate) fn runs_in(directory: &Path) -> bool {
        let data = directory.join("data");
        let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
            return false;
        };
        // The id may have become another process's, after a reboot for instance.
        let process = text.lines().next().unwrap_or_default();
        fs::read_to_string(format!("/proc/{process}/cmdline"))
            .is_ok_and(|command| command.contains(&*data.to_string_lossy()))
    }

    /// Fills the data directory.
    pub(crate) fn initialise(&self, password: &str) -> Result<(), Error> {
        let password_file = self.directory.join("password");
        fs::write(&password_file, password)
            .and_then(|()| self.account.give(&password_file))
            .map_err(Error::at(&password_file))?;
        let mut initdb = self.command("initdb");
        initdb.arg("--pgdata").arg(self.data());
        initdb.arg("--pwfile").arg(&password_file);
        initdb.args(["--username", USER, "--auth", "scram-sha-256"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]);
        self.run(&mut initdb)?;
        fs::remove_file(&password_file).map_err(Error::at(&password_file))?;
        self.configure(SETTINGS)
    }

    /// Makes the server offer TLS from its start on.
    pub(crate) fn offer_tls(&self, authority: &Authority) -> Result<(), Error> {
        for (name, content) in authority.server_files() {
            self.give_file(name, content)?;
        }
        self.give_file("pg_hba.conf", TLS_ACCESS)?;
        self.configure(TLS_SETTINGS)
    }

    /// Puts a file into the data directory that only the server may read, as
    /// it demands of a key.
    fn give_file(&self, name: &str, content: &str) -> Result<(), Error> {
        let path = self.data().join(name);
        fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)))
            .and_then(|()| self.account.give(&path))
            .map_err(Error::at(&path))
    }

    fn configure(&self, settings: &str) -> Result<(), Error> {
        let path = self.data().join("postgresql.conf");
        File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(settings.as_bytes()))
            .map_err(Error::at(&path))
    }

    /// Starts the server, waits until it answers, and returns its port.
    pub(crate) fn start(&self) -> Result<u16, Error> {
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match self.start_on(port) {
                Ok(()) => return Ok(port),
                Err(_) if attempt < ATTEMPTS && self.found_port_taken() => attempt += 1,
                Err(error) => return Err(self.with_log(&error)),
            }
        }
    }

    fn start_on(&self, port: u16) -> Result<(), Error> {
        // Written anew by each attempt, since the log tells why one failed.
        let _ = fs::remove_file(self.log());
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--silent", "--pgdata"]);
        start.arg(self.data());
        start.arg("--log").arg(self.log());
        start.arg("--options").arg(format!("-p {port}"));
        self.run(&mut start)
    }

    /// Kills the server and starts it again with the options that it had.
    pub(crate) fn restart_immediately(&self) -> Result<(), Error> {
        let mut restart = self.command("pg_ctl");
        restart.args(["restart", "--mode", "immediate", "--wait", "--silent", "--pgdata"]);
        restart.arg(self.data());
        restart.arg("--log").arg(self.log());
        self.run(&mut restart).map_err(|error| self.with_log(&error))
    }

    /// Makes the server recover for ever from its next start on.
    pub(crate) fn make_standby(&self) -> Result<(), Error> {
        self.give_file("standby.signal", "")
    }

    /// Whether somebody took the port after it had been found free.
    fn found_port_taken(&self) -> bool {
        fs::read_to_string(self.log()).is_ok_and(|log| log.contains("Address already in use"))
    }

    fn with_log(&self, error: &Error) -> Error {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        Error::new(format!("{error}\nThe server's log:\n{log}"))
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.account.command(&self.binaries.program(program));
        // The account may have no right to enter the test's own directory.
        command.current_dir(&self.directory);
        // Messages are searched for English words.
        command.env("LC_ALL", "C");
        command
    }

    /// Runs one of the programs to its end, even if this process does not live
    /// to see it: meanwhile the program is an owner too. An initdb that is
    /// interrupted would leave shared memory behind, and a start a server.
    fn run(&self, command: &mut Command) -> Result<(), Error> {
        let name = command.get_program().display().to_string();
        let output = self
            .supervisor
            .share()
            .and_then(|owner| command.process_group(0).stdin(owner).output())
            .map_err(Error::at(Path::new(&name)))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::new(format!(
            "{name} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        )))
    }
}

fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| Error::new(format!("no free port on 127.0.0.1: {error}")))
}
