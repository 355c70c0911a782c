//! Lists as one parameter: arrays on PostgreSQL, `rarray($1)` on SQLite.

use uuid::Uuid;

use super::{Encode, SqlType, Value};

macro_rules! lists {
    ($($item:ty => $kind:ident, |$items:ident| $check:expr;)*) => {$(
        impl Encode for [$item] {
            const SQL_TYPE: SqlType = SqlType::$kind;

            fn encode(&self) -> Result<Value, String> {
                let $items = self;
                Ok(Value::$kind($check))
            }
        }

        impl Encode for Vec<$item> {
            const SQL_TYPE: SqlType = SqlType::$kind;

            fn encode(&self) -> Result<Value, String> {
                self.as_slice().encode()
            }
        }
    )*};
}

lists! {
    i64 => Ints, |items| items.to_owned();
    i32 => Ints, |items| items.iter().map(|&item| i64::from(item)).collect();
    f64 => Floats, |items| {
        items.iter().try_for_each(|item| item.encode().map(drop))?;
        items.to_owned()
    };
    bool => Bools, |items| items.to_owned();
    String => Texts, |items| {
        items.iter().try_for_each(|item| super::encode::check_text(item, "text"))?;
        items.to_owned()
    };
    &str => Texts, |items| {
        items.iter().try_for_each(|item| super::encode::check_text(item, "text"))?;
        items.iter().map(|&item| item.to_owned()).collect()
    };
    Uuid => Uuids, |items| items.to_owned();
}
