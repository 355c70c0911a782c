//! Checksums that detect an edited revision.

use tallybook_sql::fingerprint::fnv_1a;

use crate::steps::tokens::tokens;

/// Returns a checksum of 16 hexadecimal digits that ignores line endings, comments and white space.
pub(crate) fn checksum(text: &str) -> String {
    format!("{:016x}", hash(text))
}

/// Returns separate checksums of the upgrade and the downgrade: 7 hexadecimal digits, a point and 8 more.
pub(crate) fn checksum_of_directions(up: &str, back: &str) -> String {
    let short = |text| {
        let hash = hash(text);
        (hash ^ (hash >> 32)) as u32
    };
    format!("{:07x}.{:08x}", short(up) >> 4, short(back))
}

/// Returns whether a checksum was made by [`checksum_of_directions`].
pub(crate) fn has_directions(recorded: &str) -> bool {
    recorded.contains('.')
}

fn hash(text: &str) -> u64 {
    // It guards against accidents, not attackers, and never changes between versions.
    fnv_1a(tokens(text).flat_map(|token| token.bytes().chain([0])))
}

#[cfg(test)]
mod tests {
    use super::{checksum, checksum_of_directions};

    #[test]
    fn the_ways_count_apart_and_fit_the_column_of_the_record() {
        let ways = checksum_of_directions("CREATE TABLE a", "DROP TABLE a");
        assert_eq!(ways.len(), 16);
        let (up, back) = ways.split_once('.').unwrap();
        let other_back = checksum_of_directions("CREATE TABLE a -- why", "DROP TABLE b");
        assert!(other_back.starts_with(up) && !other_back.ends_with(back));
        let other_up = checksum_of_directions("CREATE TABLE b", "DROP  TABLE a");
        assert!(!other_up.starts_with(up) && other_up.ends_with(back));
        // Checksums recorded by earlier versions stay valid.
        assert_eq!(checksum("a"), "089be207b544f1e4");
    }

    #[test]
    fn line_endings_comments_and_white_space_do_not_count() {
        let one = checksum("CREATE TABLE a (\n  b text -- the b\n);");
        for same in
            ["CREATE TABLE a (\r\n  b text -- another\r\n);\r\n", "/* why */ CREATE  TABLE a\t(b text);"]
        {
            assert_eq!(checksum(same), one, "{same}");
        }
    }

    #[test]
    fn words_and_what_stands_in_quotes_count() {
        let all = ["select 'a b'", "select 'a  b'", "select 'a' 'b'", "select 'a -- b'", "select \"a b\""];
        let mut sums: Vec<_> = all.into_iter().map(checksum).collect();
        sums.sort();
        sums.dedup();
        assert_eq!(sums.len(), all.len());
    }
}
