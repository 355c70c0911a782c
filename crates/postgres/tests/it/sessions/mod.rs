//! What changes during a session: tables, types, settings, other people's statements, and servers that go away.

mod backends;
mod notes;
mod settings;
mod tables;
mod types;
