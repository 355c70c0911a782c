//! The end of the service, for answers that would go on for ever.

use tokio::sync::watch;

/// Tells handlers that the service ends. It is among the extensions of each request.
#[derive(Clone, Debug)]
pub(crate) struct Ending(watch::Receiver<bool>);

impl Ending {
    pub(super) fn new() -> (watch::Sender<bool>, Self) {
        let (begin, begun) = watch::channel(false);
        (begin, Self(begun))
    }

    /// Waits until the service ends.
    pub(crate) async fn begun(mut self) {
        // An error means that the service is no longer there.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}
