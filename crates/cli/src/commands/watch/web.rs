//! `tallybook watch --web`: the dashboard of another program.

use anyhow::{Context, Result, bail};
use serde_json::json;
use tallybook::Escaped;
use tallybook_server::{ListenSettings, Listener, dashboard_of_socket, serve};

use crate::args::Watch;
use crate::figures::choose_socket;
use crate::interrupt::Interrupt;
use crate::output;

pub(super) async fn run(args: Watch, as_json: bool) -> Result<()> {
    if !args.listen.ip().is_loopback() {
        bail!(
            "{} can be reached by others, and the page asks for no token\nnext: listen on a loopback address, or serve the \
             dashboard of the program itself: tallybook serve --tokens",
            args.listen
        );
    }
    let socket = choose_socket(args.socket)?;
    // A program that cannot be watched is an error now; one that ends later may return.
    let first = socket.report().await?;
    let interrupt = Interrupt::new()?;
    let settings = ListenSettings { address: args.listen, ..ListenSettings::default() };
    let listener = Listener::bind(settings).await;
    let listener = listener
        .with_context(|| format!("cannot listen on {}; --listen takes another address", args.listen))?;
    let address = format!("http://{}/", listener.address()?);
    match as_json {
        true => output::json_line(&json!({ "address": address }))?,
        false => {
            output::line(format!("watching  {}, process {}", Escaped(&first.database), first.process))?;
            output::line(format!("dashboard {address}   end with Ctrl-C"))?;
        }
    }
    serve(listener, dashboard_of_socket(socket), interrupt.any()).await;
    Ok(())
}
