//! Limits on the data that a server may send, so that a broken or hostile one exhausts neither memory nor CPU.

/// Longest message before the session is open, and longest parameter status at any time, in bytes.
pub(super) const MAX_SMALL: usize = 64 << 10;
/// Bytes of all messages before the session is open.
pub(super) const MAX_STARTUP: usize = 1 << 20;
/// Longest row or part of a COPY, in bytes. PostgreSQL's own limit is 1 GiB.
pub(super) const MAX_ROW: usize = 256 << 20;
/// Longest message of any other kind, in bytes: an error, a notice, the columns of a result.
pub(super) const MAX_OTHER: usize = 16 << 20;
/// Parameters that a server may report.
pub(super) const MAX_SETTINGS: usize = 256;
/// Hashes of the password that authentication may request; each costs the client CPU time. PostgreSQL's default is
/// 4096.
const MAX_SCRAM_ITERATIONS: u64 = 1_000_000;

/// Returns the longest body of a message with this tag.
pub(super) fn max_length(tag: u8, is_open: bool) -> usize {
    match tag {
        _ if !is_open => MAX_SMALL,
        b'S' => MAX_SMALL,
        b'D' | b'd' => MAX_ROW,
        _ => MAX_OTHER,
    }
}

/// Refuses a SCRAM challenge (`r=…,s=…,i=4096`) that requests too many hashes.
pub(super) fn check_scram_challenge(challenge: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(challenge);
    let iterations = text.split(',').find_map(|part| part.strip_prefix("i="));
    match iterations.map_or(0, |number| number.parse().unwrap_or(u64::MAX)) {
        0..=MAX_SCRAM_ITERATIONS => Ok(()),
        _ => Err(format!(
            "the server asks for more than {MAX_SCRAM_ITERATIONS} hashes of the password; see its \
             scram_iterations"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::check_scram_challenge;

    #[test]
    fn a_challenge_may_not_keep_the_client_hashing() {
        let challenge = |iterations: &str| format!("r=abc,s=QSXCR+Q6sek8bf92,i={iterations}").into_bytes();
        assert_eq!(check_scram_challenge(&challenge("4096")), Ok(()));
        for iterations in ["1000001", "4294967295", "99999999999999999999999"] {
            assert!(check_scram_challenge(&challenge(iterations)).unwrap_err().contains("scram_iterations"));
        }
    }
}
