//! The disk of a file, and the log beside it.

use std::fs;
use std::path::Path;

use super::deleted::{real, with};
use crate::doctor::finding::Finding;
use crate::doctor::units::{bytes, shell};
use crate::driver::log_readers;

const NAME: &str = "disk";
const MIB: u64 = 1 << 20;

/// Programs that use Tallybook keep it well below this, unless a read that does not end prevents it.
const LONG_LOG: u64 = 64 * MIB;
const LITTLE_ROOM: u64 = 100 * MIB;

/// File systems that are another machine's, as the kernel numbers them.
const REMOTE: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB2"),
    (0xff53_4d42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
];

pub(super) fn look(path: &Path) -> Vec<Finding> {
    let mut findings: Vec<_> = remote(path).into_iter().collect();
    findings.extend(log(path));
    findings.extend(room(path));
    findings
}

#[cfg(target_os = "linux")]
fn remote(path: &Path) -> Option<Finding> {
    let kind = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff;
    let (_, name) = REMOTE.iter().find(|(number, _)| *number == kind)?;
    let what = format!("the file is on a network file system ({name})");
    let why = "its log needs memory that all processes share, and locks that such file systems do not keep: \
        the file breaks";
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

/// Looked at before the file is opened: the last connection that closes moves the log into the file.
fn log(path: &Path) -> Option<Finding> {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let name = with(&real(path), "-wal");
    let log = size(&name);
    if log < LONG_LOG {
        return None;
    }
    let what =
        format!("the log beside the file has {}, the file {}", bytes(log as i64), bytes(size(path) as i64));
    let readers = log_readers(path);
    let who = match &*readers {
        [] => "nobody is seen to read now".to_owned(),
        readers => {
            let names: Vec<_> = readers.iter().map(ToString::to_string).collect();
            format!("reading now: {}", names.join(", "))
        }
    };
    let why = format!(
        "a read that is never finished, or an open transaction, keeps it from being moved into the file; reads get slower. {who}"
    );
    let quoted = shell(&path.display().to_string());
    Some(
        Finding::warning(NAME, what, why)
            .advise("a program that uses Tallybook tells the line of code that reads longest: `tallybook report`, or its log")
            .run(format!("fuser -v {quoted}    # who has it open"))
            .run(format!("sqlite3 {quoted} 'PRAGMA wal_checkpoint(TRUNCATE)'")),
    )
}

fn room(path: &Path) -> Option<Finding> {
    let disk = rustix::fs::statvfs(path).ok()?;
    little_room(disk.f_bavail.saturating_mul(disk.f_frsize), path)
}

fn little_room(free: u64, path: &Path) -> Option<Finding> {
    if free >= LITTLE_ROOM {
        return None;
    }
    let what = format!("its disk has {} free", bytes(free as i64));
    let why = "when it is full, writes fail, and so do reads that sort";
    Some(Finding::critical(NAME, what, why).run(format!("df -h {}", shell(&path.display().to_string()))))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{little_room, look};

    #[test]
    fn a_log_that_is_never_moved_into_the_file_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let log = File::create(directory.path().join("a.db-wal")).unwrap();
        File::create(&path).unwrap();
        log.set_len(67_108_863).unwrap();
        assert!(look(&path).iter().all(|finding| !finding.what.contains("log")));
        log.set_len(67_108_864).unwrap();
        assert!(
            look(&path).iter().any(|finding| finding.what.starts_with("the log beside the file has 64 MB"))
        );
    }

    #[test]
    fn a_disk_with_less_than_100_megabytes_is_told_of() {
        assert!(little_room(104_857_600, "a.db".as_ref()).is_none());
        assert!(little_room(104_857_599, "a.db".as_ref()).is_some());
    }
}
