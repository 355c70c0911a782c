//! Counts of what passed a proxy.

use std::collections::BTreeMap;
use std::ops::Sub;

use serde::Serialize;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// The traffic of all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Passed {
    pub(crate) to_server: Flow,
    pub(crate) to_client: Flow,
}

/// The traffic in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Flow {
    pub(crate) bytes: u64,
    /// Messages by their type, the byte of the protocol.
    messages: BTreeMap<char, u64>,
}

impl Passed {
    /// The bytes of both directions.
    pub(crate) fn bytes(&self) -> u64 {
        self.to_server.bytes + self.to_client.bytes
    }

    pub(super) fn add(&mut self, direction: Direction, bytes: usize, kinds: &[u8]) {
        let flow = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        flow.bytes += bytes as u64;
        for kind in kinds {
            *flow.messages.entry(char::from(*kind)).or_default() += 1;
        }
    }
}

impl Flow {
    /// All messages.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.values().sum()
    }

    /// Messages of a type.
    pub(crate) fn of(&self, kind: char) -> u64 {
        self.messages.get(&kind).copied().unwrap_or_default()
    }
}

impl Sub for Passed {
    type Output = Self;

    /// Returns the traffic since an earlier moment.
    fn sub(self, before: Self) -> Self {
        Self { to_server: self.to_server - before.to_server, to_client: self.to_client - before.to_client }
    }
}

impl Sub for Flow {
    type Output = Self;

    fn sub(mut self, before: Self) -> Self {
        for (kind, count) in &mut self.messages {
            *count -= before.of(*kind);
        }
        self.messages.retain(|_, count| *count > 0);
        Self { bytes: self.bytes - before.bytes, messages: self.messages }
    }
}
