//! A place in PostgreSQL's write-ahead log.

/// How far a log has come. Only positions of one system and timeline can be compared: after a promotion two servers
/// write different things at the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The identifier that a cluster and its replicas share.
    pub(crate) system: u64,
    pub(crate) timeline: u32,
    /// `pg_lsn` as a number.
    pub(crate) lsn: u64,
}

const PAGE: u64 = 8192;
const SEGMENT: u64 = 16 << 20;
/// The headers of a page of the log, and of the first page of a segment.
const HEADER: u64 = 24;
const LONG_HEADER: u64 = 40;

/// Reads a position such as `0/16B3748`.
pub(super) fn parse_lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

/// The end of what was written, for the place where the next record will begin. On a page that holds nothing yet that
/// place is behind the page's header, where a replica that has everything never arrives: it stands before the page.
pub(super) fn end_of_log(insert: u64) -> u64 {
    match (insert % PAGE, insert % SEGMENT) {
        (LONG_HEADER, LONG_HEADER) => insert - LONG_HEADER,
        (HEADER, offset) if offset != HEADER => insert - HEADER,
        _ => insert,
    }
}

/// The timeline in the name of a file of the log.
pub(super) fn timeline_of(file: &str) -> Option<u32> {
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
