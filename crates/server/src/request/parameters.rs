//! Parameters of the path and the query.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tallybook::tables::{IdOf, Table};

use super::problem::{Kind, Mistake, Problem};
use crate::app::App;

/// The parameters of a query. Each is taken by its name once; [`finish`](Self::finish) refuses those that nobody took.
#[derive(Debug)]
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    mistakes: Vec<Mistake>,
}

impl FromRequestParts<App> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Parameters {
    pub(crate) fn parse(query: &str) -> Result<Self, Problem> {
        let mut given = Vec::new();
        let mut mistakes = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(Problem::parameter("query", "is not UTF-8"));
            };
            if given.iter().any(|(other, _)| *other == name) {
                mistakes.push(Mistake::in_parameter(name, "is given twice"));
            } else {
                given.push((name, value));
            }
        }
        Ok(Self { given, mistakes })
    }

    /// Takes the text of a parameter.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let index = self.given.iter().position(|(given, _)| given == name)?;
        Some(self.given.swap_remove(index).1)
    }

    /// Takes a parameter and parses it. `what` names its values in the problem.
    pub(crate) fn parsed_by<V>(
        &mut self,
        name: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<V>,
    ) -> Option<V> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.refuse(name, format!("must be {what}"));
        }
        value
    }

    /// Notes a mistake.
    pub(crate) fn refuse(&mut self, name: &'static str, problem: impl Into<String>) {
        self.mistakes.push(Mistake::in_parameter(name, problem));
    }

    /// Refuses parameters that nobody took, and returns all mistakes.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let unknown = self.given.drain(..);
        self.mistakes
            .extend(unknown.map(|(name, _)| Mistake::in_parameter(name, "is not a parameter of this path")));
        match self.mistakes.is_empty() {
            true => Ok(()),
            false => Err(Problem::with_mistakes(Kind::BAD_PARAMETER, self.mistakes)),
        }
    }
}

/// Decodes percent signs and plus signs. `None` if the result is no UTF-8 or has U+0000.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    (!decoded.contains('\0')).then(|| decoded.into_owned())
}

/// The identifier `{id}` of a path.
pub(crate) struct PathId<T: Table>(pub(crate) IdOf<T>);

impl<T: Table<Key = i64>> FromRequestParts<App> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, Problem> {
        let id = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let id = id.ok().and_then(|id| parse_id(&id.0));
        id.map(|id| Self(id.into())).ok_or_else(|| Problem::parameter("id", "must be an integer of 64 bits"))
    }
}

/// Parses an identifier as it is written in a path or a query: one spelling for each.
pub(crate) fn parse_id(text: &str) -> Option<i64> {
    let id: i64 = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}
