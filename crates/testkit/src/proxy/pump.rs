use std::{collections::VecDeque, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    time::{Instant, sleep_until},
};

use super::{mode::Mode, state::ConnectionState};

/// PostgreSQL's answer to a COMMIT: CommandComplete, its length, its tag.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// Maximum number of bytes buffered, for senders that are faster than the receiver.
const MAX_WAITING: usize = 4 << 20;

/// The direction of the data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// Relays one direction of a connection.
pub(super) struct Pump<'a> {
    pub(super) direction: Direction,
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) state: &'a ConnectionState,
}

/// Chunks that were read, each with the time at which to deliver it.
type Waiting = VecDeque<(Instant, Vec<u8>)>;

impl Pump<'_> {
    /// Relays data until that side closes the connection.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        let (mut waiting, mut bytes) = (Waiting::new(), 0);
        loop {
            tokio::select! {
                biased;
                () = due(&waiting, self.state, self.direction) => {
                    for (_, data) in take_due(&mut waiting, self.holds()) {
                        bytes -= data.len();
                        self.pass(&data).await?;
                    }
                }
                length = self.from.read(&mut chunk), if bytes < MAX_WAITING => {
                    let length = length?;
                    if length == 0 {
                        return self.end(waiting).await;
                    }
                    let mode = self.state.mode();
                    if let Some(end) = self.end_of_commit(mode, &chunk[..length]) {
                        return self.pass(&chunk[..end]).await;
                    }
                    match self.fate(mode) {
                        Fate::Passed if self.holds() || !mode.delay().is_zero() || !waiting.is_empty() => {
                            bytes += length;
                            waiting.push_back((Instant::now() + mode.delay(), chunk[..length].to_vec()));
                        }
                        Fate::Passed => self.pass(&chunk[..length]).await?,
                        Fate::Lost => self.state.mark_lost(),
                        Fate::Closes => return Ok(()),
                    }
                    self.state.record_activity(self.direction == Direction::ToServer);
                }
            }
        }
    }

    fn fate(&self, mode: Mode) -> Fate {
        match (mode, self.direction) {
            (Mode::HangUp, Direction::ToServer) => Fate::Closes,
            (Mode::Silent, _) | (Mode::LoseAnswers, Direction::ToClient) => Fate::Lost,
            _ if self.state.is_lost() => Fate::Lost,
            _ => Fate::Passed,
        }
    }

    /// Returns where the answer to a COMMIT ends, if only that may pass.
    fn end_of_commit(&self, mode: Mode, data: &[u8]) -> Option<usize> {
        let applies = mode == Mode::HangUpAfterCommit && self.direction == Direction::ToClient;
        let start = data.windows(COMMITTED.len()).position(|bytes| bytes == COMMITTED).filter(|_| applies)?;
        Some(start + COMMITTED.len())
    }

    /// Returns whether this direction is held back to count turns.
    fn holds(&self) -> bool {
        holds(self.state, self.direction)
    }

    async fn pass(&mut self, data: &[u8]) -> io::Result<()> {
        let counters = &self.state.shared.counters;
        let counter = match self.direction {
            Direction::ToServer => &counters.sent,
            Direction::ToClient => &counters.answered,
        };
        self.to.write_all(data).await?;
        counter.fetch_add(data.len() as u64, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    /// Delivers what was sent before the end, then the end itself, unless the mode discards both.
    async fn end(mut self, mut waiting: Waiting) -> io::Result<()> {
        while let Some((due, data)) = waiting.pop_front() {
            sleep_until(due).await;
            self.pass(&data).await?;
        }
        let mut modes = self.state.shared.mode.subscribe();
        let _ = modes.wait_for(|&mode| mode != Mode::Silent).await;
        Ok(())
    }
}

/// The treatment of a chunk.
enum Fate {
    Passed,
    Lost,
    /// Delivered; then the connection closes.
    Closes,
}

fn holds(state: &ConnectionState, direction: Direction) -> bool {
    state.shared.counts_turns && direction == Direction::ToClient
}

async fn due(waiting: &Waiting, state: &ConnectionState, direction: Direction) {
    match waiting.front() {
        None => std::future::pending().await,
        Some(_) if holds(state, direction) => state.wait_until_quiet().await,
        Some(&(due, _)) => sleep_until(due).await,
    }
}

/// Removes the chunks that are due, or all of them if they were held back.
fn take_due(waiting: &mut Waiting, all: bool) -> Waiting {
    let now = Instant::now();
    let count = waiting.iter().take_while(|(due, _)| all || *due <= now).count();
    waiting.drain(..count).collect()
}
