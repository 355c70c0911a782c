//! Processor time of this process, of its children and of others on this machine.

use std::fs::read_to_string;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::resource::{Usage, UsageWho, getrusage};

/// Of all threads of this process, ended ones included.
pub(crate) fn of_process() -> Result<Duration> {
    total(&getrusage(UsageWho::RUSAGE_SELF)?)
}

/// Of the thread that asks.
pub(crate) fn of_thread() -> Result<Duration> {
    total(&getrusage(UsageWho::RUSAGE_THREAD)?)
}

/// Of all children that ended and were waited for.
pub(crate) fn of_children() -> Result<Duration> {
    total(&getrusage(UsageWho::RUSAGE_CHILDREN)?)
}

/// Of the main thread of another process. `None` if it ended, or if the kernel keeps no such figure.
pub(crate) fn of_other(pid: i32) -> Option<Duration> {
    from_schedstat(&read_to_string(format!("/proc/{pid}/schedstat")).ok()?)
}

/// The first field of a `schedstat`: nanoseconds on a processor.
pub(crate) fn from_schedstat(text: &str) -> Option<Duration> {
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn total(usage: &Usage) -> Result<Duration> {
    let (user, system) = (usage.user_time(), usage.system_time());
    let microseconds = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
    match u64::try_from(microseconds) {
        Ok(microseconds) => Ok(Duration::from_micros(microseconds)),
        Err(_) => bail!("the kernel reports a negative processor time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_of_schedstat_is_the_time_on_a_processor() {
        assert_eq!(from_schedstat("27362655 33596686 1058\n"), Some(Duration::from_nanos(27_362_655)));
        assert_eq!(from_schedstat(""), None);
    }

    #[test]
    fn work_of_this_process_takes_processor_time() {
        let before = of_process().unwrap();
        while of_process().unwrap() == before {
            std::hint::spin_loop();
        }
    }
}
