//! One text for both engines: they differ in two words only.

/// A statement from parts of SQL in which `ID` is the type of an identifier and `TIME` that of a moment.
macro_rules! ddl {
    ($($part:tt)+) => {
        ::tallybook_engine::Statement::per_engine(
            concat!($($crate::revisions::ddl::ddl_part!(postgres $part)),+),
            concat!($($crate::revisions::ddl::ddl_part!(sqlite $part)),+),
        )
    };
}

macro_rules! ddl_part {
    (postgres ID) => {
        "SERIAL NOT NULL PRIMARY KEY"
    };
    (sqlite ID) => {
        "INTEGER NOT NULL PRIMARY KEY"
    };
    (postgres TIME) => {
        "TIMESTAMP"
    };
    (sqlite TIME) => {
        "DATETIME"
    };
    ($engine:ident $text:literal) => {
        $text
    };
}

pub(crate) use {ddl, ddl_part};
