//! Check `disk`: local file system, short log, free space.

use std::fs;
use std::path::Path;

use tallybook_sqlite::log_readers;

use super::deleted::{kernel_path, with_suffix};
use crate::finding::Finding;
use crate::units::{bytes, shell};

const NAME: &str = "disk";
const MIB: u64 = 1 << 20;

/// Programs with Tallybook keep the log well below this, unless a read never ends. In bytes.
const MAX_LOG: u64 = 64 * MIB;
const MIN_FREE: u64 = 100 * MIB;

/// Network file systems by their kernel magic number.
const REMOTE: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB2"),
    (0xff53_4d42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
];

pub(super) fn check(path: &Path) -> Vec<Finding> {
    let mut findings: Vec<_> = remote(path).into_iter().collect();
    findings.extend(log(path));
    findings.extend(free_space(path));
    findings
}

#[cfg(target_os = "linux")]
fn remote(path: &Path) -> Option<Finding> {
    let kind = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff;
    let (_, name) = REMOTE.iter().find(|(number, _)| *number == kind)?;
    let what = format!("the file is on a network file system ({name})");
    let why = "its log needs shared memory and locks that network file systems do not provide: the file gets \
        corrupted";
    Some(
        Finding::critical(NAME, what, why)
            .run(format!("df {}", shell(&path.display().to_string())))
            .advise("move it to a disk of this machine, or use PostgreSQL"),
    )
}

#[cfg(not(target_os = "linux"))]
fn remote(_path: &Path) -> Option<Finding> {
    None
}

/// Must run before the file is opened: the last connection to close moves the log into the file.
fn log(path: &Path) -> Option<Finding> {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let name = with_suffix(&kernel_path(path), "-wal");
    let log = size(&name);
    if log < MAX_LOG {
        return None;
    }
    let what =
        format!("the log next to the file has {}, the file {}", bytes(log as i64), bytes(size(path) as i64));
    let readers = log_readers(path);
    let who = match &*readers {
        [] => "no reader is visible now".to_owned(),
        readers => {
            let names: Vec<_> = readers.iter().map(ToString::to_string).collect();
            format!("reading now: {}", names.join(", "))
        }
    };
    let why =
        format!("an unfinished read or an open transaction prevents checkpoints; reads get slower. {who}");
    let quoted = shell(&path.display().to_string());
    Some(
        Finding::warning(NAME, what, why)
            .advise("a program with Tallybook reports the line of code that reads longest: `tallybook report`, or its log")
            .run(format!("fuser -v {quoted}    # who has it open"))
            .run(format!("sqlite3 {quoted} 'PRAGMA wal_checkpoint(TRUNCATE)'")),
    )
}

fn free_space(path: &Path) -> Option<Finding> {
    let disk = rustix::fs::statvfs(path).ok()?;
    low_space(disk.f_bavail.saturating_mul(disk.f_frsize), path)
}

fn low_space(free: u64, path: &Path) -> Option<Finding> {
    if free >= MIN_FREE {
        return None;
    }
    let what = format!("its disk has {} free", bytes(free as i64));
    let why = "when it is full, writes fail, and so do reads that sort";
    Some(Finding::critical(NAME, what, why).run(format!("df -h {}", shell(&path.display().to_string()))))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{check, low_space};

    #[test]
    fn a_log_of_64_megabytes_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let log = File::create(directory.path().join("a.db-wal")).unwrap();
        File::create(&path).unwrap();
        log.set_len(67_108_863).unwrap();
        assert!(check(&path).iter().all(|finding| !finding.what.contains("log")));
        log.set_len(67_108_864).unwrap();
        assert!(
            check(&path).iter().any(|finding| finding.what.starts_with("the log next to the file has 64 MB"))
        );
    }

    #[test]
    fn a_disk_with_less_than_100_megabytes_is_reported() {
        assert!(low_space(104_857_600, "a.db".as_ref()).is_none());
        assert!(low_space(104_857_599, "a.db".as_ref()).is_some());
    }
}
