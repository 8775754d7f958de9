//! Confidence: how sure it is that a data connection belongs to a negotiation.
//!
//! The report shows it with the link, and it decides between several announcements. More agreement never lowers it. *In order*
//! means that the opening was captured, after the announcement; otherwise the confidence is 0.03 less, since another connection
//! may have had the same ends before.
//!
//! | what agrees | `method` | confidence |
//! | --- | --- | --- |
//! | the announced end point, and the other host of the control connection | `announced-address` | 1.00 |
//! | the announced port at the control connection's host, and its other host: the address was translated | `control-peer` | 0.95 |
//! | the default data port to the client's own port, at both hosts of the control connection | `default-port` | 0.90 |
//! | the announced end point, and the server that another session of the same client sent there | `third-party` | 0.90 |
//! | the announced end point; a third host at the other end | `third-party` | 0.80 |
//! | the announced port, and one host of the control connection | `port-and-time` | 0.50 |
//! | both hosts, opened after a PASV or EPSV whose reply was not captured; no other session may have opened it | `port-and-time` | 0.50 |
//! | ... or after one whose reply is unreadable, or names an end point that nobody tried | `port-and-time` | 0.50 |
//! | the same, and other sessions may have opened it | `port-and-time` | 0.35 |
//! | the commands cannot be read; the connection resumes the TLS session of the control connection | `encrypted-session` | 0.95 |
//! | ... TLS from or to port 20 or 989, between its hosts | `encrypted-session` | 0.90 |
//! | ... TLS between its hosts, right after bytes on the control connection; of this session alone, or of one of several | `encrypted-session` | 0.80, 0.60 |
//! | ... the same without TLS or without a byte | `encrypted-session` | 0.50, 0.40 |

use crate::model::record::{Link, LinkMethod};

/// Agreement between a connection and an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The announced end point, and the other host of the control connection.
    EndAndPeer,
    /// The announced port at the host of the control connection, and its other host.
    HostAndPeer,
    /// The default data port, the client's own port, both hosts.
    DefaultPorts,
    /// The announced end point, and the server that another session sent there.
    EndOfTwoSessions,
    /// The announced end point alone.
    End,
    /// The announced port, and one of the two hosts.
    PortAndOneHost,
    /// Both hosts and the time; `sole` if no other session may have opened it.
    HostsAndTime {
        /// No other session expects a connection between these hosts.
        sole: bool,
    },
}

impl Agreement {
    /// Returns method and confidence for the report.
    pub(crate) const fn link(self, in_order: bool) -> Link {
        let (method, hundredths) = self.worth();
        let hundredths = if in_order { hundredths } else { hundredths - 3 };
        Link {
            method,
            confidence: hundredths as f64 / 100.0,
        }
    }

    /// Returns the confidence in hundredths, to compare announcements.
    pub(crate) const fn weight(self) -> u8 {
        self.worth().1
    }

    const fn worth(self) -> (LinkMethod, u8) {
        match self {
            Self::EndAndPeer => (LinkMethod::AnnouncedAddress, 100),
            Self::HostAndPeer => (LinkMethod::ControlPeer, 95),
            Self::DefaultPorts => (LinkMethod::DefaultPort, 90),
            Self::EndOfTwoSessions => (LinkMethod::ThirdParty, 90),
            Self::End => (LinkMethod::ThirdParty, 80),
            Self::PortAndOneHost | Self::HostsAndTime { sole: true } => {
                (LinkMethod::PortAndTime, 50)
            }
            Self::HostsAndTime { sole: false } => (LinkMethod::PortAndTime, 35),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_out_of_order_is_worth_less_than_one_in_order() {
        for (agreement, sure, less) in [
            (Agreement::EndAndPeer, 1.0, 0.97),
            (Agreement::HostAndPeer, 0.95, 0.92),
            (Agreement::HostsAndTime { sole: false }, 0.35, 0.32),
        ] {
            assert!((agreement.link(true).confidence - sure).abs() < 1e-9);
            assert!((agreement.link(false).confidence - less).abs() < 1e-9);
        }
    }

    #[test]
    fn agreement_with_two_sessions_is_worth_more_than_with_one() {
        assert!(Agreement::EndOfTwoSessions.weight() > Agreement::End.weight());
        let time = |sole| Agreement::HostsAndTime { sole }.weight();
        assert!(time(true) > time(false));
        assert!(time(true) <= Agreement::PortAndOneHost.weight());
    }
}
