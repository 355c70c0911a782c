//! Tuples as rows, for queries of a few columns.

use super::{Column, Decode, Row, RowRef};
use crate::error::{Error, Result};
use crate::value::{Encode, Value};

macro_rules! tuple {
    ($($type:ident $index:tt),+) => {
        impl<$($type: Decode + Encode + Send + 'static),+> Row for ($($type,)+) {
            const COLUMNS: &'static [Column] = &[$(Column {
                name: stringify!($index),
                sql_type: <$type as Decode>::SQL_TYPE,
                nullable: $type::NULLABLE,
                max: None,
                precision: None,
                references: <$type as Decode>::REFERENCES,
            }),+];
            const COLUMN_LIST: &'static str = "";

            fn decode(row: RowRef<'_>) -> Result<Self> {
                Ok(($(row.get::<$type>(Self::COLUMNS, $index)?,)+))
            }

            fn encode(&self) -> Result<Vec<Value>> {
                Ok(vec![$(
                    self.$index.encode().map_err(|problem| Error::invalid_value(stringify!($index), problem))?
                ),+])
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
