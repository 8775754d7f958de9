//! Well-known ports of FTP, and the conclusions a port number alone allows.

/// Control connection, IANA service `ftp` (RFC 959 section 8).
pub const FTP_CONTROL_PORT: u16 = 21;

/// Server's default data port, IANA service `ftp-data`: the control port minus 1 (RFC 959 section 3.2).
pub const FTP_DATA_PORT: u16 = 20;

/// Control connection inside TLS from its first byte on, IANA service `ftps` (implicit TLS; RFC 4217 appendix A).
pub const FTPS_CONTROL_PORT: u16 = 990;

/// Server's default data port beside [`FTPS_CONTROL_PORT`], IANA service `ftps-data`.
pub const FTPS_DATA_PORT: u16 = 989;

/// Returns whether `port` is a server's default data port, with or without TLS.
#[must_use]
pub const fn is_data_port(port: u16) -> bool {
    matches!(port, FTP_DATA_PORT | FTPS_DATA_PORT)
}

/// Returns whether a host may allocate `port` for a data connection: 1024 or above.
#[must_use]
pub const fn is_ephemeral(port: u16) -> bool {
    // Not 49152, where the dynamic range of RFC 6335 begins: administrators configure passive ranges anywhere above
    // the privileged ports, and older systems allocate from 1024 upwards.
    port >= FIRST_UNPRIVILEGED
}

/// Returns whether a common service other than FTP listens on `port`, of those at 1024 or above.
///
/// Most of them use TLS, so that an encrypted connection to such a port is no evidence of an FTP data connection.
#[must_use]
pub fn is_known_service(port: u16) -> bool {
    KNOWN_SERVICES.binary_search(&port).is_ok()
}

const FIRST_UNPRIVILEGED: u16 = 1024;

/// Ports of databases, mail, chat, proxies, consoles and alternative web servers, ascending.
const KNOWN_SERVICES: [u16; 36] = [
    1194, 1433, 1521, 1723, 1883, 2049, 2083, 2087, 2096, 2376, 2379, 2484, 3128, 3269, 3306, 3389,
    4433, 4443, 5061, 5223, 5432, 5671, 5672, 5900, 5986, 6379, 6443, 6514, 6697, 8080, 8443, 8883,
    9090, 9200, 9443, 27017,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_services_are_sorted_for_the_binary_search() {
        assert!(KNOWN_SERVICES.is_sorted());
        assert!(KNOWN_SERVICES.iter().all(|&port| is_ephemeral(port)));
    }

    #[test]
    fn usual_passive_ports_are_no_known_service() {
        assert!(is_known_service(8443) && is_known_service(3389));
        assert!(!is_known_service(50_000) && !is_known_service(2121));
    }

    #[test]
    fn data_ports_are_privileged_and_distinct_from_control_ports() {
        assert!(is_data_port(FTP_DATA_PORT) && is_data_port(FTPS_DATA_PORT));
        assert!(!is_data_port(FTP_CONTROL_PORT) && !is_data_port(FTPS_CONTROL_PORT));
        assert!(!is_ephemeral(FTPS_DATA_PORT) && !is_ephemeral(1023) && is_ephemeral(1024));
    }
}
