//! Reports at short intervals, as `tallybook watch --record` writes them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tallybook::Database;
use tokio::task::JoinHandle;
use tokio::time::sleep;

const EVERY: Duration = Duration::from_millis(200);

/// A recording that goes on.
pub(super) struct Recording {
    begun: Instant,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<io::Result<()>>,
}

impl Recording {
    pub(super) fn start(db: Database, path: &Path) -> Result<Self> {
        let mut file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let task = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let mut line = serde_json::to_vec(&db.report())?;
                line.push(b'\n');
                file.write_all(&line)?;
                sleep(EVERY).await;
            }
            Ok(())
        });
        Ok(Self { begun: Instant::now(), is_over, task })
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(super) async fn finish(self) -> io::Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.unwrap_or_else(|lost| Err(io::Error::other(lost)))
    }
}
