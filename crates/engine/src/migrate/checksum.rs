//! Numbers that tell whether a revision was edited.

use super::script::tokens;

/// A number for a text, the same whatever its line endings, comments and white space.
pub(super) fn checksum(text: &str) -> String {
    // FNV-1a: it guards against accidents, and is the same in every version of every program.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for token in tokens(text) {
        for byte in token.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::checksum;

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
