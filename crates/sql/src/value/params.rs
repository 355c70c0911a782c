//! The parameters of a statement.

use super::{Encode, Value};
use crate::error::{Error, Result};

/// The values for `$1`, `$2`, … of one statement, made by [`params!`](crate::params). An invalid value is kept as an
/// error, which running the statement returns before anything is sent.
#[derive(Debug, Default)]
pub struct Params {
    values: Vec<Value>,
    error: Option<Error>,
}

impl Params {
    /// Returns an empty list of parameters.
    pub fn none() -> Self {
        Self::default()
    }

    /// Appends a parameter.
    #[must_use]
    pub fn and<T: Encode + ?Sized>(mut self, value: &T) -> Self {
        let place = self.values.len() + 1;
        match value.encode() {
            Ok(value) => self.values.push(value),
            Err(problem) => {
                self.error.get_or_insert_with(|| Error::invalid_value(format!("${place}"), problem));
            }
        }
        self
    }

    /// Returns the values, or the error of the first invalid one.
    #[doc(hidden)]
    pub fn into_result(self) -> Result<Vec<Value>> {
        let problem = |(index, value): (usize, &Value)| value.problem().map(|problem| (index + 1, problem));
        if let Some((number, problem)) = self.values.iter().enumerate().find_map(problem) {
            return Err(Error::invalid_value(format!("${number}"), problem));
        }
        match self.error {
            None => Ok(self.values),
            Some(error) => Err(error),
        }
    }
}

impl From<Vec<Value>> for Params {
    fn from(values: Vec<Value>) -> Self {
        Self { values, error: None }
    }
}

impl From<Result<Vec<Value>>> for Params {
    fn from(values: Result<Vec<Value>>) -> Self {
        match values {
            Ok(values) => values.into(),
            Err(error) => Self { values: Vec::new(), error: Some(error) },
        }
    }
}

/// Collects the parameters of a statement: `params![id, symbol]` binds `$1` and `$2`.
///
/// ```
/// use tallybook::{all, params};
///
/// let query = all::<(i64,)>("SELECT id FROM notes WHERE author = $1 AND stars > $2", params!["ada", 3]);
/// # let _ = query;
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        $crate::Params::none()$(.and(&$value))*
    };
}
