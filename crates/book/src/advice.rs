//! The calls that the monitor suggests to replace a loop.

/// Returns the text of a bulk call, such as `Trades::get_many_with_executions(&ids)`. It compiles only while the
/// method exists.
macro_rules! advice {
    ($repository:ident::$method:ident, $arguments:literal) => {{
        let _ = $crate::$repository::<::tallybook_core::WriteSession>::$method;
        concat!(stringify!($repository), "::", stringify!($method), "(", $arguments, ")")
    }};
}

pub(crate) use advice;
