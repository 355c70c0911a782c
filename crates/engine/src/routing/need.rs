//! What a read asks of the server that answers it.

use std::time::Duration;

use crate::driver::Position;

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Need {
    /// As fresh as the settings ask of every read; while there is no primary, as fresh as it gets.
    Usual,
    /// No older than this, whatever happens.
    Within(Duration),
    /// It has this commit.
    After(Position),
    /// What only the primary can promise.
    Primary,
}
