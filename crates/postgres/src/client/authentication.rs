//! Authentication: the password in clear, as an MD5 hash, or by SCRAM-SHA-256, with or without channel binding.

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::task::spawn_blocking;

use super::error::ClientError;
use super::limits::check_scram_challenge;
use crate::config::ChannelBinding;

/// A login in progress. It answers the requests of the server, and knows whether the server may end it.
pub(super) struct Authentication<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a [u8]>,
    pub(super) channel_binding: ChannelBinding,
    /// Identifies the encrypted connection to the server, if it is one.
    pub(super) end_point: Option<Vec<u8>>,
    scram: Scram,
    is_bound: bool,
}

/// The state of an exchange by SCRAM.
enum Scram {
    NotBegun,
    Begun(Box<ScramSha256>),
    /// The proof was sent; the server has to prove that it knows the password too.
    Proved(Box<ScramSha256>),
    Verified,
}

impl<'a> Authentication<'a> {
    pub(super) fn new(
        user: &'a str,
        password: Option<&'a [u8]>,
        channel_binding: ChannelBinding,
        end_point: Option<Vec<u8>>,
    ) -> Self {
        Self { user, password, channel_binding, end_point, scram: Scram::NotBegun, is_bound: false }
    }

    /// Answers a request: the body of an Authentication message. Returns true once the login is complete.
    pub(super) async fn answer(&mut self, body: &[u8], out: &mut BytesMut) -> Result<bool, ClientError> {
        let (kind, data) = body.split_first_chunk::<4>().ok_or_else(|| refused("an empty request"))?;
        match (u32::from_be_bytes(*kind), &self.scram) {
            (0, _) => return self.complete(),
            (3, Scram::NotBegun) => {
                self.forbid_without_binding()?;
                frontend::password_message(self.password()?, out).map_err(|_| zero_in_password())?;
            }
            (5, Scram::NotBegun) => {
                self.forbid_without_binding()?;
                let salt = data.first_chunk::<4>().ok_or_else(|| refused("MD5 without its salt"))?;
                let hash = md5_hash(self.user.as_bytes(), self.password()?, *salt);
                frontend::password_message(hash.as_bytes(), out).map_err(|_| zero_in_password())?;
            }
            (10, Scram::NotBegun) => self.begin_scram(data, out)?,
            (11, Scram::Begun(_)) => self.prove(data, out).await?,
            (12, Scram::Proved(_)) => self.verify(data)?,
            (7..=9, _) => return Err(refused("GSSAPI or SSPI, which Tallybook does not have")),
            (2 | 6, _) => return Err(refused("a method that PostgreSQL has given up")),
            (other @ (3 | 5 | 10..=12), _) => {
                return Err(refused(&format!("a step out of its order ({other})")));
            }
            (other, _) => return Err(refused(&format!("an unknown method ({other})"))),
        }
        Ok(false)
    }

    /// Ends the login, which the server reports as complete.
    fn complete(&self) -> Result<bool, ClientError> {
        if matches!(self.scram, Scram::Begun(_) | Scram::Proved(_)) {
            return Err(ClientError::Authentication(
                "the server ended the login without proving that it knows the password".to_owned(),
            ));
        }
        self.forbid_without_binding()?;
        Ok(true)
    }

    /// Refuses a login without channel binding, if the settings require it.
    fn forbid_without_binding(&self) -> Result<(), ClientError> {
        match self.channel_binding {
            ChannelBinding::Require if !self.is_bound => Err(ClientError::Authentication(
                "channel_binding=require, and the server logs in without it; it needs sslmode=require or above, \
                 and a password stored as scram-sha-256"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn password(&self) -> Result<&'a [u8], ClientError> {
        self.password.ok_or_else(|| {
            ClientError::Authentication("the server asks for a password, and the URL has none".to_owned())
        })
    }

    /// Chooses a mechanism of those that the server offers: texts that end with a zero.
    fn begin_scram(&mut self, offered: &[u8], out: &mut BytesMut) -> Result<(), ClientError> {
        let offers = |name: &str| offered.split(|&byte| byte == 0).any(|offer| offer == name.as_bytes());
        let password = self.password()?;
        let end_point = match self.channel_binding {
            ChannelBinding::Disable => None,
            ChannelBinding::Prefer | ChannelBinding::Require => self.end_point.take(),
        };
        let offers_binding = offers(SCRAM_SHA_256_PLUS);
        let (mechanism, binding) = match end_point {
            Some(end_point) if offers_binding => {
                self.is_bound = true;
                (SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(end_point))
            }
            _ if !offers(SCRAM_SHA_256) => return Err(refused("SASL without SCRAM-SHA-256")),
            // The server finds out if somebody removed its offer.
            Some(_) => (SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
        };
        self.forbid_without_binding()?;
        let scram = ScramSha256::new(password, binding);
        frontend::sasl_initial_response(mechanism, scram.message(), out)
            .map_err(|error| ClientError::Authentication(error.to_string()))?;
        self.scram = Scram::Begun(Box::new(scram));
        Ok(())
    }

    /// Proves to the server that the client knows the password.
    async fn prove(&mut self, challenge: &[u8], out: &mut BytesMut) -> Result<(), ClientError> {
        check_scram_challenge(challenge).map_err(ClientError::Protocol)?;
        if let Scram::Begun(mut scram) = std::mem::replace(&mut self.scram, Scram::NotBegun) {
            let challenge = challenge.to_vec();
            // Thousands of hashes would hold up the other tasks of this thread.
            let proved = spawn_blocking(move || scram.update(&challenge).map(|()| scram)).await;
            let scram = proved
                .map_err(|error| ClientError::Authentication(error.to_string()))?
                .map_err(|error| ClientError::Authentication(format!("SCRAM: {error}")))?;
            frontend::sasl_response(scram.message(), out)
                .map_err(|error| ClientError::Authentication(error.to_string()))?;
            self.scram = Scram::Proved(scram);
        }
        Ok(())
    }

    /// Checks that the server knows the password.
    fn verify(&mut self, signature: &[u8]) -> Result<(), ClientError> {
        if let Scram::Proved(scram) = &mut self.scram {
            scram.finish(signature).map_err(|error| {
                ClientError::Authentication(format!(
                    "the server does not prove that it knows the password: {error}"
                ))
            })?;
            self.scram = Scram::Verified;
        }
        Ok(())
    }
}

fn refused(what: &str) -> ClientError {
    ClientError::Authentication(format!("the server asks for {what}"))
}

fn zero_in_password() -> ClientError {
    ClientError::Authentication("the password has a zero byte".to_owned())
}
