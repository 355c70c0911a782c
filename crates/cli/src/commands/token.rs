//! `tallybook token`.

use anyhow::Result;
use serde_json::json;
use tallybook::{Database, OpenMode};
use tallybook_server::{Scope, create_token, list_tokens, revoke_token};

use crate::args::{CreateToken, ScopeName, Token};
use crate::database::Endpoint;
use crate::deadline::Deadline;
use crate::output;

/// Time limit of the command, in seconds.
const LIMIT: u64 = 60;

pub(super) async fn run(target: Endpoint, command: &Token, as_json: bool) -> Result<()> {
    let deadline = Deadline::new(LIMIT, as_json);
    let db = target.open_book(OpenMode::Existing, &deadline).await?;
    tallybook_server::upgrade(&db).await?;
    match command {
        Token::Create(create) => created(&db, create, as_json).await,
        Token::List => list(&db, as_json).await,
        Token::Revoke { name } => {
            let token = revoke_token(&db, name).await?;
            if as_json {
                output::json(&json!({ "name": token.name, "revoked_at": token.revoked_at }))
            } else {
                output::line(format!("revoked {}; services refuse it within five seconds", token.name))
            }
            .map_err(Into::into)
        }
    }?;
    db.close().await;
    Ok(())
}

async fn created(db: &Database, create: &CreateToken, as_json: bool) -> Result<()> {
    let scope = match create.scope {
        ScopeName::Read => Scope::Read,
        ScopeName::Write => Scope::Write,
        ScopeName::Admin => Scope::Admin,
    };
    let (token, text) = create_token(db, &create.name, scope, create.rate).await?;
    if as_json {
        let scope = token.scope.as_str();
        return Ok(output::json(&json!({ "name": token.name, "scope": scope, "token": text.reveal() }))?);
    }
    // Alone on standard output, for scripts and for the clipboard.
    output::stderr_line(format!(
        "made {} with the scope {}; this is shown once:",
        token.name,
        token.scope.as_str()
    ));
    Ok(output::line(text.reveal())?)
}

async fn list(db: &Database, as_json: bool) -> Result<()> {
    let tokens = list_tokens(db).await?;
    if as_json {
        let tokens = tokens.iter().map(|token| {
            json!({
                "name": token.name,
                "scope": token.scope.as_str(),
                "requests_per_second": token.requests_per_second,
                "created_at": token.created_at,
                "revoked_at": token.revoked_at,
            })
        });
        return Ok(output::json(&tokens.collect::<Vec<_>>())?);
    }
    if tokens.is_empty() {
        return Ok(output::line("there are no tokens\nnext: tallybook token create NAME --scope read")?);
    }
    let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%d %H:%M").to_string();
    let rows = tokens.iter().map(|token| {
        let rate = token.requests_per_second.map_or("all".to_owned(), |rate| rate.to_string());
        let revoked = token.revoked_at.map_or("".to_owned(), time);
        vec![token.name.clone(), token.scope.to_string(), rate, time(token.created_at), revoked]
    });
    let header = ["name", "scope", "requests/s", "made (UTC)", "revoked (UTC)"];
    Ok(output::table(&header, rows.collect(), &[2])?)
}
