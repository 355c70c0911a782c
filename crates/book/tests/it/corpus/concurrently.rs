//! Concurrent futures in one task.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Awaits futures, at most `limit` at once: like `join_all` with as many as there are, like `buffer_unordered`
/// with fewer.
pub(crate) async fn concurrently<F: Future>(
    limit: usize,
    futures: impl IntoIterator<Item = F>,
) -> Vec<F::Output> {
    let mut waiting = futures.into_iter();
    let mut running: Vec<Pin<Box<F>>> = Vec::new();
    let mut done = Vec::new();
    poll_fn(|context| {
        loop {
            let room = limit - running.len();
            running.extend(waiting.by_ref().take(room).map(Box::pin));
            if running.is_empty() {
                return Poll::Ready(());
            }
            let before = done.len();
            running.retain_mut(|future| match future.as_mut().poll(context) {
                Poll::Ready(output) => {
                    done.push(output);
                    false
                }
                Poll::Pending => true,
            });
            // A pending future wakes this task itself; a future that waits its turn has to be polled first.
            if done.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    done
}
