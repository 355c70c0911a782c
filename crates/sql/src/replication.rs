//! Identity, state and log positions of the servers of a PostgreSQL cluster.

/// The server of a connection, determined when the connection is made. Numbers are 0 where the server does not report
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// True for a standby.
    pub standby: bool,
    /// System identifier of the cluster.
    pub system: u64,
    /// Start time of the server, as in [`Observation`].
    pub started: i64,
    /// Process id of the backend that serves the connection.
    pub pid: i64,
}

/// The role and log position of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// True if the server replays another server's log and accepts no writes.
    pub standby: bool,
    /// LSN up to which a standby has replayed the log, or at which a primary writes next.
    pub lsn: u64,
    /// Timeline of the log.
    pub timeline: u32,
    /// True if an administrator paused replay.
    pub paused: bool,
    /// System identifier, which a primary and its replicas share.
    pub system: u64,
    /// Start time, in microseconds since 1970. Two addresses with the same start time are one server.
    pub started: i64,
}

/// A position in a log. Only positions of one system and timeline are comparable: after a promotion, two servers write
/// different records at the same LSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// System identifier, which a primary and its replicas share.
    pub system: u64,
    /// Timeline of the log.
    pub timeline: u32,
    /// `pg_lsn` as a number.
    pub lsn: u64,
}

const PAGE: u64 = 8192;
const SEGMENT: u64 = 16 << 20;
/// Header sizes, in bytes: of a log page, and of the first page of a segment.
const HEADER: u64 = 24;
const LONG_HEADER: u64 = 40;

/// Parses an LSN such as `0/16B3748`.
pub fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

/// Returns the end of the written log, given the position where the next record will begin.
///
/// On an empty page that position is after the page's header. A replica that has everything stops before the page and
/// never reaches it.
pub fn end_of_log(insert: u64) -> u64 {
    match (insert % PAGE, insert % SEGMENT) {
        (LONG_HEADER, LONG_HEADER) => insert - LONG_HEADER,
        (HEADER, offset) if offset != HEADER => insert - HEADER,
        _ => insert,
    }
}

/// Returns the timeline in the name of a log file.
pub fn timeline_of(file: &str) -> Option<u32> {
    u32::from_str_radix(file.get(..8)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_two_hexadecimal_numbers() {
        assert_eq!(parse_lsn("1/16B3748"), Some(0x1_016B_3748));
        assert_eq!(parse_lsn("16B3748"), None);
        assert_eq!(parse_lsn("0/x"), None);
    }

    #[test]
    fn an_empty_page_ends_before_its_header() {
        assert_eq!(end_of_log(0x16B_3748), 0x16B_3748);
        assert_eq!(end_of_log(0x16B_4000 + 24), 0x16B_4000);
        assert_eq!(end_of_log(0x300_0000 + 40), 0x300_0000);
        assert_eq!(end_of_log(0x300_0000 + 24), 0x300_0000 + 24);
        assert_eq!(end_of_log(0x16B_4000 + 40), 0x16B_4000 + 40);
    }

    #[test]
    fn a_file_of_the_log_names_its_timeline() {
        assert_eq!(timeline_of("0000000A0000000000000003"), Some(10));
        assert_eq!(timeline_of("0000"), None);
    }
}
