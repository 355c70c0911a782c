//! Admission: at most so many requests run at a time, and the others are turned away at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Kind, Problem};

/// Lets requests in while there is room. A queue would only make all of them late; clients are told to come again.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Semaphore>);

/// A request that was let in.
pub(crate) struct Admitted {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(max_requests: usize) -> Self {
        Self(Arc::new(Semaphore::new(max_requests)))
    }

    /// Lets a request in, until what is returned is dropped.
    pub(crate) fn enter(&self) -> Result<Admitted, Problem> {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => Ok(Admitted { _permit: permit }),
            Err(_) => {
                Err(Problem::new(Kind::OVERLOADED, "as many requests run as the service takes; try again"))
            }
        }
    }
}
