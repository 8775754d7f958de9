//! Alerts: why one side ends a handshake (RFC 5246 section 7.2.2, RFC 8446 section 6.2).
//!
//! Only alerts that are not encrypted yet can be read. Those are the ones that matter: they end a handshake which never got
//! as far as keys.

/// An alert in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// 1 for a warning, 2 for a fatal alert.
    pub level: u8,
    /// Number of the description.
    pub description: u8,
}

impl Alert {
    /// Returns whether the alert ends a handshake. A `close_notify` alone says only that no more follows.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        // RFC 8446 section 6.2: errors are fatal whatever their level says, and `user_canceled` announces the end.
        self.level == FATAL && self.description != 0
            || matches!(
                self.description,
                40..=51 | 60 | 70 | 71 | 80 | 86 | 90 | 109 | 115 | 116 | 120
            )
    }

    /// Returns the alert of a registered name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        (0..=u8::MAX)
            .map(|description| Self {
                level: FATAL,
                description,
            })
            .find(|alert| alert.name() == name)
    }

    /// Returns the registered name of the description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.description {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => "unknown alert",
        }
    }

    /// Returns the usual cause of the alert, as a clause about the side that sent it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.description {
            10 => "it got a message that does not belong there",
            20..=22 | 30 | 51 => "it could not decrypt or verify what it got",
            40 => "it found no version, cipher suite or parameters that both sides accept",
            41 | 116 => "it wants a certificate from the other side and got none",
            42 => "the certificate of the other side is damaged or its signature is wrong",
            43 => "it does not support the kind of certificate of the other side",
            44 => "the certificate of the other side is revoked",
            45 => "the certificate of the other side has expired or is not valid yet",
            46 | 111 | 113 | 114 => "it does not accept the certificate of the other side",
            47 | 50 | 109 | 110 => "it could not make sense of a message of the handshake",
            48 => "it does not trust the authority that issued the certificate of the other side",
            49 => "the certificate is valid, but access is denied to its owner",
            60 | 71 => "the other side offers only cipher suites that are too weak for it",
            70 => "it does not support the TLS version of the other side",
            80 => "something failed within it that has nothing to do with the other side",
            86 => "the other side came back with an older TLS version than both support",
            90 => "its user or program cancelled the handshake",
            112 => "it does not know the server name that was asked for",
            115 => "it does not know the shared key that was offered",
            120 => "no application protocol suits both sides",
            _ => "it gives no reason that is known",
        }
    }

    /// Returns whether the alert is about a certificate.
    #[must_use]
    pub const fn is_about_certificate(self) -> bool {
        matches!(self.description, 41..=46 | 48 | 49 | 111 | 113 | 114 | 116)
    }

    /// Returns whether the alert is about versions, cipher suites or parameters.
    #[must_use]
    pub const fn is_about_parameters(self) -> bool {
        matches!(
            self.description,
            40 | 47 | 60 | 70 | 71 | 86 | 109 | 110 | 120
        )
    }
}

const FATAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_notify_is_no_failure_and_certificate_errors_are_whatever_their_level() {
        let alert = |level, description| Alert { level, description };
        assert!(!alert(1, 0).is_fatal() && !alert(2, 0).is_fatal());
        assert!(!alert(1, 112).is_fatal() && alert(1, 48).is_fatal() && alert(2, 40).is_fatal());
        assert_eq!(alert(2, 48).name(), "unknown_ca");
        assert!(alert(2, 48).is_about_certificate() && alert(2, 70).is_about_parameters());
    }
}
