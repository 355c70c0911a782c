use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Binaries, CertificateAuthority, Error, address::USER, os_user::OsUser, port::free_port,
    processes::Processes, reaper::Reaper, temp_directory,
};

const SETTINGS: &str = include_str!("server.conf");
const SHARED_SETTINGS: &str = include_str!("shared.conf");
const TLS_SETTINGS: &str = include_str!("tls.conf");
const TLS_ACCESS: &str = include_str!("tls_hba.conf");
const ATTEMPTS: u32 = 10;

/// A server's directory, with the programs that work on it and the reaper that removes it in the end.
#[derive(Debug)]
pub(crate) struct Server {
    binaries: Binaries,
    os_user: OsUser,
    directory: PathBuf,
    reaper: Reaper,
}

impl Server {
    /// Creates an empty directory.
    pub(crate) fn new(binaries: Binaries) -> Result<Self, Error> {
        Self::for_use("pg", binaries)
    }

    /// As [`new`](Self::new); `what` becomes part of the directory's name.
    pub(crate) fn for_use(what: &str, binaries: Binaries) -> Result<Self, Error> {
        let os_user = OsUser::of_servers()?;
        let directory = temp_directory::new_directory(what)?;
        os_user.chown(directory.path()).map_err(Error::at(directory.path()))?;
        let reaper = Reaper::start(directory.path())?;
        Ok(Self { binaries, os_user, directory: directory.keep(), reaper })
    }

    /// Returns the data directory inside a server's directory.
    pub(crate) fn data_in(directory: &Path) -> PathBuf {
        directory.join("data")
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Detaches the server from this process: its reaper owns it from now on.
    pub(crate) fn into_reaper(self) -> Reaper {
        self.reaper
    }

    /// Returns whether a server runs in the directory.
    pub(crate) fn runs_in(directory: &Path) -> bool {
        Processes::on(&Self::data_in(directory)).is_some()
    }

    /// Returns the processes of the server that runs in this directory.
    pub(crate) fn processes(&self) -> Result<Processes, Error> {
        Processes::on(&self.data()).ok_or_else(|| Error::new("the server does not run"))
    }

    /// Runs `initdb`.
    pub(crate) fn initialise(&self, password: &str) -> Result<(), Error> {
        let password_file = self.directory.join("password");
        fs::write(&password_file, password)
            .and_then(|()| self.os_user.chown(&password_file))
            .map_err(Error::at(&password_file))?;
        let mut initdb = self.command("initdb");
        initdb.arg("--pgdata").arg(self.data());
        initdb.arg("--pwfile").arg(&password_file);
        initdb.args(["--username", USER, "--auth", "scram-sha-256"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]);
        self.run(&mut initdb)?;
        fs::remove_file(&password_file).map_err(Error::at(&password_file))
    }

    /// Appends the settings of all servers of the testkit.
    pub(crate) fn configure_for_tests(&self) -> Result<(), Error> {
        self.configure(SETTINGS)
    }

    /// Appends settings that save what only servers with faults or standbys need.
    pub(crate) fn make_shared(&self) -> Result<(), Error> {
        self.configure(SHARED_SETTINGS)
    }

    /// Enables TLS, effective at the next start.
    pub(crate) fn offer_tls(&self, authority: &CertificateAuthority) -> Result<(), Error> {
        for (name, content) in authority.server_files() {
            self.give_file(name, content)?;
        }
        self.give_file("pg_hba.conf", TLS_ACCESS)?;
        self.configure(TLS_SETTINGS)
    }

    /// Writes a file into the data directory that only the server may read, as it requires of a key.
    pub(crate) fn give_file(&self, name: &str, content: &str) -> Result<(), Error> {
        let path = self.data().join(name);
        fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)))
            .and_then(|()| self.os_user.chown(&path))
            .map_err(Error::at(&path))
    }

    fn configure(&self, settings: &str) -> Result<(), Error> {
        append(&self.data().join("postgresql.conf"), settings)
    }

    /// Changes a setting in `postgresql.auto.conf`, which overrides the others. A running server adopts it at its
    /// next reload.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<(), Error> {
        let line = format!("{name} = '{}'\n", value.replace('\'', "''"));
        append(&self.data().join("postgresql.auto.conf"), &line)
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
        // Each attempt starts with an empty log, which shows why it failed.
        let _ = fs::remove_file(self.log());
        let options = format!("-p {port}");
        self.control(&["start", "--wait", "--log", &self.log().to_string_lossy(), "--options", &options])
    }

    /// Waits until no process of a killed server is left.
    pub(crate) fn wait_for_end(&self) -> Result<(), Error> {
        Processes::wait_for_end(&self.data())
    }

    /// Starts a stopped server on its previous port.
    pub(crate) fn start_again(&self, port: u16) -> Result<(), Error> {
        self.wait_for_end()?;
        self.start_on(port).map_err(|error| self.with_log(&error))
    }

    /// Runs `pg_ctl` on the data directory.
    pub(crate) fn control(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut control = self.command("pg_ctl");
        control.args(arguments).args(["--silent", "--pgdata"]).arg(self.data());
        self.run(&mut control)
    }

    /// Kills the server and starts it again with the same options.
    pub(crate) fn restart_immediately(&self) -> Result<(), Error> {
        let log = self.log();
        self.control(&["restart", "--mode", "immediate", "--wait", "--log", &log.to_string_lossy()])
            .map_err(|error| self.with_log(&error))
    }

    /// Makes the server a standby from its next start on.
    pub(crate) fn make_standby(&self) -> Result<(), Error> {
        self.give_file("standby.signal", "")
    }

    /// Returns whether another process took the port after it had been found free.
    fn found_port_taken(&self) -> bool {
        fs::read_to_string(self.log()).is_ok_and(|log| log.contains("Address already in use"))
    }

    fn with_log(&self, error: &Error) -> Error {
        Error::new(format!("{error}\nThe server's log:\n{}", self.log_text()))
    }

    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub(crate) fn data(&self) -> PathBuf {
        Self::data_in(&self.directory)
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Returns the directory that holds a standby's log, its `pg_wal`.
    pub(crate) fn log_directory(&self) -> PathBuf {
        self.directory.join("wal")
    }

    pub(crate) fn os_user(&self) -> OsUser {
        self.os_user
    }

    /// Returns a command for one of PostgreSQL's programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.command_at(&self.binaries.program(program))
    }

    /// Returns a command for any program, run as the server's user.
    pub(crate) fn command_at(&self, program: &Path) -> Command {
        let mut command = self.os_user.command(program);
        // The user may lack access to the test's own directory.
        command.current_dir(&self.directory);
        // Messages are searched for English words.
        command.env("LC_ALL", "C");
        command
    }

    /// Runs a program to its end, even if this process dies: meanwhile the program owns the directory too. An
    /// interrupted initdb would leave shared memory, an interrupted start a server.
    pub(crate) fn run(&self, command: &mut Command) -> Result<(), Error> {
        let name = command.get_program().display().to_string();
        let output = self
            .reaper
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

fn append(path: &Path, text: &str) -> Result<(), Error> {
    File::options()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Error::at(path))
}
