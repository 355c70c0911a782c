//! Opening a session: the socket, encryption, the login, and the server's first messages.

use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::time::timeout;

use super::authentication::Authentication;
use super::client::{CancelKey, Client};
use super::error::ClientError;
use super::message::tag;
use super::stream::Stream;
use super::tls::{Tls, server_end_point};
use super::wire::{Flow, Wire};
use crate::config::{Host, PostgresTarget, Server, SslMode};

/// A failed attempt to open a session.
pub(crate) struct Failure {
    pub(crate) error: ClientError,
    /// True if the login failed on an encrypted connection.
    pub(crate) was_encrypted: bool,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { error, was_encrypted: false }
    }
}

/// Opens a session on a server of a target. `connect_timeout` limits connecting, and then the login.
pub(crate) async fn open(
    target: &PostgresTarget,
    server: &Server,
    tls: &Tls,
    mode: SslMode,
    options: Option<&str>,
) -> Result<Client, Failure> {
    let limit = target.tcp.connect_timeout;
    let stream = encrypted(target, server, tls, mode).await?;
    let was_encrypted = stream.is_encrypted();
    within(limit, log_in(target, server, stream, options))
        .await
        .map_err(|error| Failure { error, was_encrypted })
}

/// Connects, and encrypts the stream as the mode asks for.
pub(super) async fn encrypted(
    target: &PostgresTarget,
    server: &Server,
    tls: &Tls,
    mode: SslMode,
) -> Result<Stream, ClientError> {
    let stream = Stream::connect(server, &target.tcp).await?;
    match server.host {
        Host::Unix(_) => Ok(stream),
        Host::Tcp(_) => within(target.tcp.connect_timeout, tls.encrypt(stream, mode, server)).await,
    }
}

async fn within<T>(
    limit: Option<Duration>,
    step: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    match limit {
        None => step.await,
        Some(limit) => timeout(limit, step).await.unwrap_or(Err(ClientError::Silent)),
    }
}

async fn log_in(
    target: &PostgresTarget,
    server: &Server,
    stream: Stream,
    options: Option<&str>,
) -> Result<Client, ClientError> {
    let user = target.user_or_own();
    let mut wire = Wire::new(stream, server.to_string());
    let end_point = wire.server_certificate().and_then(server_end_point);
    let password = target.password.as_ref().map(|password| password.bytes());
    let mut authentication = Authentication::new(&user, password, target.channel_binding, end_point);
    let parameters = [
        ("client_encoding", Some("UTF8")),
        ("user", Some(&*user)),
        ("database", target.database.as_deref()),
        ("options", options),
        ("application_name", target.application_name.as_deref()),
    ];
    let parameters = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    frontend::startup_message(parameters, wire.output())
        .map_err(|_| ClientError::Authentication("a name or an option has a zero byte".to_owned()))?;
    wire.owe();

    let (mut key, mut is_logged_in) = (CancelKey::default(), false);
    loop {
        let mut message = None;
        next_message(&mut wire, &mut message).await?;
        let Some((tag, body)) = message else { break };
        match tag {
            tag::AUTHENTICATION if !is_logged_in => {
                let mut answer = BytesMut::new();
                is_logged_in = authentication.answer(&body, &mut answer).await?;
                wire.output().extend_from_slice(&answer);
            }
            tag::BACKEND_KEY if is_logged_in => {
                if let Some((process, secret)) = body.split_first_chunk::<4>() {
                    key = CancelKey { process: i32::from_be_bytes(*process), secret: secret.to_vec() };
                }
            }
            // A server that does not know a parameter of the protocol says so and goes on.
            tag::PROTOCOL_VERSION => {}
            tag::READY if is_logged_in => break,
            other => {
                let problem =
                    format!("the server answers the login with a message of type {}", other.escape_ascii());
                return Err(ClientError::Protocol(problem));
            }
        }
    }
    wire.set_logged_in();
    Ok(Client::new(wire, key))
}

/// Receives the next message, or none at the end of the login.
async fn next_message(wire: &mut Wire, message: &mut Option<(u8, Vec<u8>)>) -> Result<(), ClientError> {
    std::future::poll_fn(|context| {
        wire.poll_answers(context, &mut |next| {
            *message = Some((next.tag, next.body.to_vec()));
            Ok(Flow::Break)
        })
    })
    .await
}
