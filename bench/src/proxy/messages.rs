//! The messages of PostgreSQL's protocol, told apart in one direction of a connection.

use super::passed::Direction;

/// The bytes of a message's length.
const LENGTH: usize = 4;

/// Finds where messages begin, however the bytes are cut into chunks.
pub(super) struct Messages {
    /// The first message of a client has no type.
    is_typed: bool,
    /// The head of the message that begins: its type if it has one, and its length.
    head: Vec<u8>,
    /// Bytes of the current message that did not pass yet.
    left: usize,
}

impl Messages {
    pub(super) fn of(direction: Direction) -> Self {
        Self { is_typed: direction == Direction::ToClient, head: Vec::new(), left: 0 }
    }

    /// The types of the messages whose head ends in the next bytes.
    pub(super) fn begun_in(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        while !bytes.is_empty() {
            let passed = self.left.min(bytes.len());
            self.left -= passed;
            bytes = &bytes[passed..];
            let Some((&first, rest)) = bytes.split_first() else { break };
            self.head.push(first);
            bytes = rest;
            let head = LENGTH + usize::from(self.is_typed);
            if self.head.len() == head {
                // The length counts itself.
                let length =
                    self.head[head - LENGTH..].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                self.left = length.saturating_sub(LENGTH);
                if self.is_typed {
                    kinds.push(self.head[0]);
                }
                self.is_typed = true;
                self.head.clear();
            }
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTUP: &[u8] = &[0, 0, 0, 8, 0, 3, 0, 0];
    const SYNC: &[u8] = &[b'S', 0, 0, 0, 4];
    const DESCRIBE: &[u8] = &[b'D', 0, 0, 0, 6, b'S', 0];

    #[test]
    fn the_start_of_a_client_is_no_message_of_a_type() {
        let mut messages = Messages::of(Direction::ToServer);
        assert_eq!(messages.begun_in(&[STARTUP, DESCRIBE, SYNC].concat()), b"DS");
    }

    #[test]
    fn messages_cut_anywhere_are_counted_once() {
        let all = [STARTUP, DESCRIBE, SYNC, DESCRIBE].concat();
        for cut in 0..all.len() {
            let mut messages = Messages::of(Direction::ToServer);
            let (first, second) = all.split_at(cut);
            let kinds = [messages.begun_in(first), messages.begun_in(second)].concat();
            assert_eq!(kinds, b"DSD", "cut at {cut}");
        }
    }

    #[test]
    fn a_server_has_a_type_from_its_first_message() {
        assert_eq!(Messages::of(Direction::ToClient).begun_in(SYNC), b"S");
    }
}
