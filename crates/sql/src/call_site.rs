//! The source line that runs a statement.

use std::fmt;
use std::panic::Location;

/// The source line that runs a statement, and the method to call instead if a loop runs it.
///
/// A query records the line that builds it. In a layer above, such as a repository, that line says nothing about the
/// caller. There, mark the method `#[track_caller]`, take [`CallSite::here`] before the first `await`, and pass it on
/// with [`Batch::called`](crate::Batch::called):
///
/// ```
/// use std::future::Future;
/// use tallybook::{Batch, CallSite, Result, Session, optional, params};
///
/// #[track_caller]
/// fn title(session: &mut impl Session, id: i64) -> impl Future<Output = Result<Option<(String,)>>> {
///     let call_site = CallSite::here().suggest("titles(&ids)");
///     async move { session.fetch(optional("SELECT title FROM notes WHERE id = $1", params![id]).called(call_site)).await }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallSite {
    at: &'static Location<'static>,
    instead: Option<&'static str>,
}

impl CallSite {
    /// Returns the line that calls this function. Inside a `#[track_caller]` function, that is the line of its caller.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        Self { at: Location::caller(), instead: None }
    }

    /// Names the method that loads many rows at once. An N+1 finding suggests it.
    #[must_use]
    pub fn suggest(self, loader: &'static str) -> Self {
        Self { instead: Some(loader), ..self }
    }

    /// Returns the source line.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// Returns the method to call instead of a loop, if [`CallSite::suggest`] named one.
    pub fn loader(&self) -> Option<&'static str> {
        self.instead
    }
}

impl fmt::Debug for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.at, f)
    }
}
