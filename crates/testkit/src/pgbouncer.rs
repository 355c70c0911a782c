use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, os_user::OsUser, port::free_port, reaper::script, temp_directory};

const SCRIPT: &str = include_str!("pgbouncer.sh");
const TIMEOUT: Duration = Duration::from_secs(20);

/// A PgBouncer between a test and a server on this machine.
///
/// It is stopped and its directory removed when this is dropped, and when the owning process dies.
#[derive(Debug)]
pub struct PgBouncer {
    process: Child,
    directory: PathBuf,
    port: u16,
}

impl PgBouncer {
    /// Starts PgBouncer for all databases of the server that `url` names; it logs in with the URL's credentials.
    /// `settings` are lines of `pgbouncer.ini`, such as `pool_mode = transaction`; other settings keep PgBouncer's
    /// defaults.
    ///
    /// # Panics
    ///
    /// If it does not start. `scripts/install-needs` installs it.
    #[must_use]
    pub fn start(url: &str, settings: &str) -> Self {
        Self::try_start(url, settings).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_start(url: &str, settings: &str) -> Result<Self, Error> {
        if which("pgbouncer").is_none() {
            return Err(Error::new(
                "pgbouncer was not found in the PATH; run ./scripts/install-needs, which takes the program out of \
                 Debian's package without starting its service",
            ));
        }
        let os_user = OsUser::of_servers()?;
        let directory = temp_directory::new_directory("pgbouncer")?;
        os_user.chown(directory.path()).map_err(Error::at(directory.path()))?;
        let port = free_port()?;
        let file = directory.path().join("pgbouncer.ini");
        fs::write(&file, configuration(url, settings, port, directory.path())?)
            .and_then(|()| os_user.chown(&file))
            .map_err(Error::at(&file))?;
        let directory = directory.keep();
        let mut command = script(SCRIPT, &directory);
        if let OsUser::Other { user, group } = os_user {
            command.uid(user).gid(group);
        }
        let process = command.stdin(Stdio::piped()).spawn().map_err(Error::at(Path::new("setsid")))?;
        let pooler = Self { process, directory, port };
        pooler.wait_until_it_listens()?;
        Ok(pooler)
    }

    /// Returns whether it can keep the names of prepared statements in transaction mode, as it does from version 1.21.
    ///
    /// # Panics
    ///
    /// If it does not tell its version.
    #[must_use]
    pub fn keeps_names() -> bool {
        let output = Command::new("pgbouncer").arg("--version").output().expect("pgbouncer runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next().and_then(|line| line.strip_prefix("PgBouncer "));
        let mut parts = version.unwrap_or_default().split('.').map_while(|part| part.parse::<u32>().ok());
        let version = parts.next().zip(parts.next());
        version.unwrap_or_else(|| panic!("no version in {text:?}")) >= (1, 21)
    }

    fn wait_until_it_listens(&self) -> Result<(), Error> {
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if start.elapsed() > TIMEOUT {
                return Err(Error::new(format!(
                    "pgbouncer did not listen within {TIMEOUT:?}; its log:\n{}",
                    self.log()
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Replaces the settings while it runs, like an administrator who edits the file and reloads it.
    ///
    /// # Panics
    ///
    /// If the new settings do not take effect.
    pub fn change(&self, url: &str, settings: &str) {
        self.try_change(url, settings).unwrap_or_else(|error| panic!("{error}; its log:\n{}", self.log()));
    }

    fn try_change(&self, url: &str, settings: &str) -> Result<(), Error> {
        let (file, pid) = (self.directory.join("pgbouncer.ini"), self.directory.join("pid"));
        let text = configuration(url, settings, self.port, &self.directory)?;
        fs::write(&file, text).map_err(Error::at(&file))?;
        let id = fs::read_to_string(&pid).map_err(Error::at(&pid))?;
        let id = id.trim().parse().ok().and_then(Pid::from_raw).ok_or_else(|| Error::new("no process id"))?;
        let reloads = || self.log().matches("SIGHUP").count();
        let before = reloads();
        kill_process(id, Signal::HUP)
            .map_err(|error| Error::new(format!("cannot signal pgbouncer: {error}")))?;
        let start = Instant::now();
        while reloads() == before {
            if start.elapsed() > TIMEOUT {
                return Err(Error::new("pgbouncer did not reload"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a database through this PgBouncer.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        match parts(url) {
            Some(Parts { before, database, .. }) => format!("{before}@127.0.0.1:{}/{database}", self.port),
            None => url.to_owned(),
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // Closes the pipe first, because the process waits for that.
        let _ = self.process.wait();
    }
}

struct Parts<'a> {
    before: &'a str,
    user: &'a str,
    password: &'a str,
    port: &'a str,
    database: &'a str,
}

/// Parses a URL in the testkit's form: `postgresql://user:password@127.0.0.1:5432/database`.
fn parts(url: &str) -> Option<Parts<'_>> {
    let (before, after) = url.split_once('@')?;
    let (user, password) = before.strip_prefix("postgresql://")?.split_once(':')?;
    let (authority, database) = after.split_once('/')?;
    let (_, port) = authority.split_once(':')?;
    Some(Parts { before, user, password, port, database })
}

fn configuration(url: &str, settings: &str, port: u16, directory: &Path) -> Result<String, Error> {
    let parts = parts(url).ok_or_else(|| Error::new("the URL is not one of the testkit's"))?;
    let Parts { user, password, port: server, .. } = parts;
    Ok(format!(
        "[databases]\n\
         * = host=127.0.0.1 port={server} user={user} password={password}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         logfile = {directory}/log\n\
         pidfile = {directory}/pid\n\
         {settings}\n",
        directory = directory.display()
    ))
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}
