//! What a server says before there is a session.

use crate::fake_server::{FakeServer, Step};
use crate::rewriter::{authentication, message, with_length};
use crate::support::{full, refused};

/// Bytes that fit into buffers between two programs without being read, plus what a client may read.
const MAX_TAKEN: u64 = 24 << 20;

fn say(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Say(bytes.into())
}

/// Returns the error of a connection attempt.
async fn refusal(script: Vec<Step>) -> String {
    refusal_with(script, "sslmode=disable").await
}

async fn refusal_with(script: Vec<Step>, parameters: &str) -> String {
    let server = FakeServer::start(script.clone()).await;
    let error = refused(&server.url(parameters)).await;
    assert!(error.is_connect(), "{error:?} of {script:?}");
    let text = full(&error);
    assert!(!text.contains("secret"), "{text}");
    assert!(server.sent() < MAX_TAKEN, "it took {} bytes: {text}", server.sent());
    assert!(server.connections() <= 2, "it asked {} times", server.connections());
    text
}

macro_rules! refusals {
    ($($name:ident: $script:expr => $expected:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let text = refusal($script).await;
            let expected: &[&str] = &$expected;
            let found = expected.iter().any(|part| text.to_lowercase().contains(part));
            assert!(found || expected.is_empty(), "{text}");
        }
    )*};
}

// What a server says to StartupMessage, before any session.
refusals! {
    a_server_that_closes_at_once: vec![] => ["is a server running there", "closed"];
    a_server_that_closes_after_the_request: vec![Step::Hear] => ["is a server running there", "closed"];
    a_server_that_closes_in_the_middle_of_a_message:
        vec![Step::Hear, say(with_length(b'R', 8, &[0, 0]))] => ["closed", "end of file", "eof", "remaining"];
    a_server_that_closes_after_letting_in:
        vec![Step::Hear, say(authentication(0, &[]))] => ["closed", "end of file", "early eof"];
    a_server_of_another_protocol:
        vec![Step::Hear, say(*b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), Step::Stay] => ["bytes where at most"];
    a_server_that_sends_zeros_without_end:
        vec![Step::Hear, Step::Flood(vec![0; 1024])] => [];
    a_server_that_sends_noise_without_end:
        vec![Step::Hear, Step::Flood((0..=255).rev().collect())] => [];
    a_message_that_claims_two_gigabytes:
        vec![Step::Hear, say(with_length(b'E', 0x7fff_ffff, &[])), Step::Stay] => ["2147483647 bytes"];
    a_message_of_negative_length:
        vec![Step::Hear, say(with_length(b'R', 0x8000_0000, &[])), Step::Stay] => ["bytes", "length"];
    a_message_of_length_minus_one:
        vec![Step::Hear, say(with_length(b'R', u32::MAX, &[])), Step::Stay] => ["bytes", "length"];
    a_message_shorter_than_its_own_length:
        vec![Step::Hear, say(with_length(b'R', 3, &[0; 4])), Step::Stay] => [];
    a_message_of_length_zero:
        vec![Step::Hear, say(with_length(b'R', 0, &[0; 4])), Step::Stay] => [];
    an_authentication_request_without_its_type:
        vec![Step::Hear, say(message(b'R', &[])), Step::Stay] => [];
    an_authentication_request_of_half_a_type:
        vec![Step::Hear, say(message(b'R', &[0, 0])), Step::Stay] => [];
    a_session_that_begins_without_authentication:
        vec![Step::Hear, say(message(b'Z', b"I")), Step::Stay] => [];
    a_row_before_authentication:
        vec![Step::Hear, say(message(b'D', &[0, 0])), Step::Stay] => [];
    a_copy_before_authentication:
        vec![Step::Hear, say(message(b'W', &[0, 0, 0])), Step::Stay] => [];
    kerberos: vec![Step::Hear, say(authentication(2, &[])), Step::Stay] => ["supported", "asks for"];
    gss: vec![Step::Hear, say(authentication(7, &[])), Step::Stay] => ["supported", "asks for"];
    sspi: vec![Step::Hear, say(authentication(9, &[])), Step::Stay] => ["supported", "asks for"];
    scm_credentials: vec![Step::Hear, say(authentication(6, &[])), Step::Stay] => ["supported", "asks for"];
    an_authentication_that_does_not_exist:
        vec![Step::Hear, say(authentication(4_000_000_000, &[])), Step::Stay] => ["unknown", "supported", "asks for"];
    md5_without_a_whole_salt:
        vec![Step::Hear, say(authentication(5, &[1, 2])), Step::Stay] => [];
    sasl_without_a_mechanism:
        vec![Step::Hear, say(authentication(10, &[0])), Step::Stay] => ["supported", "mechanism", "scram"];
    sasl_with_a_mechanism_that_is_unknown:
        vec![Step::Hear, say(authentication(10, b"SCRAM-SHA-512\0\0")), Step::Stay]
            => ["supported", "mechanism", "scram"];
    sasl_whose_list_has_no_end:
        vec![Step::Hear, say(authentication(10, b"SCRAM-SHA-256"))] => [];
    sasl_that_goes_on_before_it_began:
        vec![Step::Hear, say(authentication(11, b"r=abc,s=c2FsdA==,i=4096")), Step::Stay] => [];
    sasl_that_ends_before_it_began:
        vec![Step::Hear, say(authentication(12, b"v=abc=")), Step::Stay] => [];
    a_binding_to_a_channel_that_is_not_there:
        vec![Step::Hear, say(authentication(10, b"SCRAM-SHA-256-PLUS\0\0")), Step::Stay]
            => ["supported", "mechanism", "channel binding", "scram"];
    an_error_without_fields: vec![Step::Hear, say(message(b'E', &[])), Step::Stay] => [];
    an_error_whose_fields_do_not_end:
        vec![Step::Hear, say(message(b'E', b"SFATAL\0C28000")), Step::Stay] => [];
    an_error_in_bytes_that_are_no_text:
        vec![Step::Hear, say(message(b'E', b"SFATAL\0VFATAL\0C28000\0M\xff\xfe\0\0")), Step::Stay] => [];
    a_parameter_without_a_value:
        vec![Step::Hear, say([authentication(0, &[]), message(b'S', b"TimeZone")].concat())] => [];
    a_cancel_key_that_is_too_short:
        vec![Step::Hear, say([authentication(0, &[]), message(b'K', &[1, 2, 3])].concat())] => [];
    a_second_authentication:
        vec![Step::Hear, say([authentication(0, &[]), authentication(3, &[])].concat()), Step::Stay] => [];
}

#[tokio::test]
async fn endless_errors_and_settings_before_a_session_are_read_for_a_mebibyte_at_most() {
    for piece in [message(b'S', b"TimeZone\0UTC\0"), message(b'N', b"SNOTICE\0C00000\0Mhello\0\0")] {
        let text = refusal(vec![Step::Hear, say(authentication(0, &[])), Step::Flood(piece)]).await;
        assert!(text.contains("before a session begins"), "{text}");
    }
}

#[tokio::test]
async fn a_server_may_say_that_it_authenticated_nobody_and_the_client_that_it_wants_more() {
    // `channel_binding=require` is about who the server is: an authentication that proves nothing is not taken.
    let script = vec![Step::Hear, say(authentication(0, &[])), Step::Stay];
    let text = refusal_with(script, "sslmode=disable&channel_binding=require").await;
    assert!(text.replace('_', " ").contains("channel binding"), "{text}");
    let script = vec![Step::Hear, say(authentication(3, &[])), Step::Stay];
    let text = refusal_with(script, "sslmode=disable&channel_binding=require").await;
    assert!(text.replace('_', " ").contains("channel binding"), "{text}");
}
