//! Prints the OpenAPI document of the service: `cargo run -p tallybook-server --example openapi > docs/openapi.json`

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(tallybook_server::openapi().as_bytes())
}
