//! What the monitor advises instead of a loop.

/// The text of a call that serves many at once: `Trades::get_many_with_executions(&ids)`. It can't outlive
/// the method, which has to be there for it to compile.
macro_rules! loader {
    ($repository:ident::$method:ident, $arguments:literal) => {{
        let _ = $crate::$repository::<$crate::WriteSession>::$method;
        concat!(stringify!($repository), "::", stringify!($method), "(", $arguments, ")")
    }};
}

pub(crate) use loader;
