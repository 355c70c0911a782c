//! The line of code that a statement is run for.

use std::fmt;
use std::panic::Location;

/// Where a statement is called from, and what to call instead when it is found in a loop.
///
/// Every query knows the line that made it. A layer above, whose own line says nothing, marks its methods
/// `#[track_caller]` and passes on the line of its caller:
///
/// ```
/// use std::future::Future;
/// use tallybook_engine::{Batch, Call, Result, Session, optional, params};
///
/// #[track_caller]
/// fn title(session: &mut impl Session, id: i64) -> impl Future<Output = Result<Option<(String,)>>> {
///     let call = Call::here().instead("titles(&ids)");
///     async move { session.fetch(optional("SELECT title FROM notes WHERE id = $1", params![id]).called(call)).await }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    at: &'static Location<'static>,
    instead: Option<&'static str>,
}

impl Call {
    /// The line that calls this; in a `#[track_caller]` function the line that calls that.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        Self { at: Location::caller(), instead: None }
    }

    /// Names what loads many at once.
    #[must_use]
    pub fn instead(self, loader: &'static str) -> Self {
        Self { instead: Some(loader), ..self }
    }

    /// The line.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// What to call instead of a loop.
    pub fn loader(&self) -> Option<&'static str> {
        self.instead
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.at, f)
    }
}
