//! Columns as Rust source, to paste into a revision.

use crate::steps::check::Expression;
use crate::steps::column::{Column, Type};

impl Type {
    /// Returns the type as Rust source: `Type::Varchar(20)`.
    pub fn source(self) -> String {
        match self {
            Type::Enum(of) => format!("Type::Enum(EnumType::new({:?}, &{:?}))", of.name, of.labels),
            other => format!("Type::{other:?}"),
        }
    }
}

impl Column {
    /// Returns the column as Rust source.
    ///
    /// ```
    /// use tallybook::migrate::{Column, Type};
    ///
    /// let column = Column::new("owner", Type::Integer).null().key("fk_owner", "users");
    /// assert_eq!(column.source(), r#"Column::new("owner", Type::Integer).null().key("fk_owner", "users")"#);
    /// ```
    pub fn source(&self) -> String {
        let mut source = format!("Column::new({:?}, {})", self.name, self.ty.source());
        if self.is_null {
            source.push_str(".null()");
        }
        if self.is_unique {
            source.push_str(".unique()");
        }
        if let Some(key) = self.key {
            source += &match key.name {
                Some(name) => format!(".key({name:?}, {:?})", key.table),
                None => format!(".references({:?})", key.table),
            };
        }
        source += &expression("default", self.default);
        source += &expression("check", self.check);
        source
    }
}

/// Returns the call that sets an expression.
fn expression(method: &str, expression: Option<Expression>) -> String {
    match expression {
        None => String::new(),
        Some(Expression { postgres, sqlite }) if postgres == sqlite => format!(".{method}({postgres:?})"),
        Some(Expression { postgres, sqlite }) => format!(".{method}_per_dialect({postgres:?}, {sqlite:?})"),
    }
}
