use std::{collections::VecDeque, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    time::{Instant, sleep_until},
};

use super::{Mode, line::Line};

/// How PostgreSQL answers a COMMIT: CommandComplete, its length, its tag.
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// No more than this is read while it waits to be passed on, for the sake of
/// whoever sends faster than the other one reads.
const MOST_WAITING: usize = 4 << 20;

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// One direction of a connection.
pub(super) struct Pump<'a> {
    pub(super) direction: Direction,
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) line: &'a Line,
}

/// What was read and when it is due.
type Waiting = VecDeque<(Instant, Vec<u8>)>;

impl Pump<'_> {
    /// Passes on what is sent, until that side closes the connection.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        let (mut waiting, mut bytes) = (Waiting::new(), 0);
        loop {
            tokio::select! {
                biased;
                () = due(&waiting, self.line, self.direction) => {
                    for (_, data) in take_due(&mut waiting, self.holds()) {
                        bytes -= data.len();
                        self.pass(&data).await?;
                    }
                }
                length = self.from.read(&mut chunk), if bytes < MOST_WAITING => {
                    let length = length?;
                    if length == 0 {
                        return self.end(waiting).await;
                    }
                    let mode = self.line.mode();
                    if let Some(end) = self.end_of_commit(mode, &chunk[..length]) {
                        return self.pass(&chunk[..end]).await;
                    }
                    match self.fate(mode) {
                        Fate::Passed if self.holds() || !mode.delay().is_zero() || !waiting.is_empty() => {
                            bytes += length;
                            waiting.push_back((Instant::now() + mode.delay(), chunk[..length].to_vec()));
                        }
                        Fate::Passed => self.pass(&chunk[..length]).await?,
                        Fate::Lost => self.line.lose(),
                        Fate::Closes => return Ok(()),
                    }
                    self.line.hear(self.direction == Direction::ToServer);
                }
            }
        }
    }

    fn fate(&self, mode: Mode) -> Fate {
        match (mode, self.direction) {
            (Mode::HangUp, Direction::ToServer) => Fate::Closes,
            (Mode::Silent, _) | (Mode::LoseAnswers, Direction::ToClient) => Fate::Lost,
            _ if self.line.is_lost() => Fate::Lost,
            _ => Fate::Passed,
        }
    }

    /// Where the answer to a COMMIT ends, if that is all that may pass.
    fn end_of_commit(&self, mode: Mode, data: &[u8]) -> Option<usize> {
        let applies = mode == Mode::HangUpAfterCommit && self.direction == Direction::ToClient;
        let start = data.windows(COMMITTED.len()).position(|bytes| bytes == COMMITTED).filter(|_| applies)?;
        Some(start + COMMITTED.len())
    }

    /// Whether what goes this way is held back for the sake of counting turns.
    fn holds(&self) -> bool {
        holds(self.line, self.direction)
    }

    async fn pass(&mut self, data: &[u8]) -> io::Result<()> {
        let counters = &self.line.shared.counters;
        let counter = match self.direction {
            Direction::ToServer => &counters.sent,
            Direction::ToClient => &counters.answered,
        };
        self.to.write_all(data).await?;
        counter.fetch_add(data.len() as u64, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    /// What was sent before the end arrives before the end, unless it gets
    /// lost: as does the end itself, as long as nothing gets through.
    async fn end(mut self, mut waiting: Waiting) -> io::Result<()> {
        while let Some((due, data)) = waiting.pop_front() {
            sleep_until(due).await;
            self.pass(&data).await?;
        }
        let mut modes = self.line.shared.mode.subscribe();
        let _ = modes.wait_for(|&mode| mode != Mode::Silent).await;
        Ok(())
    }
}

/// What becomes of what was read.
enum Fate {
    Passed,
    Lost,
    /// And so does the connection.
    Closes,
}

fn holds(line: &Line, direction: Direction) -> bool {
    line.shared.counts_turns && direction == Direction::ToClient
}

async fn due(waiting: &Waiting, line: &Line, direction: Direction) {
    match waiting.front() {
        None => std::future::pending().await,
        Some(_) if holds(line, direction) => line.quiet().await,
        Some(&(due, _)) => sleep_until(due).await,
    }
}

/// All of it, where it was held back.
fn take_due(waiting: &mut Waiting, all: bool) -> Waiting {
    let now = Instant::now();
    let count = waiting.iter().take_while(|(due, _)| all || *due <= now).count();
    waiting.drain(..count).collect()
}
