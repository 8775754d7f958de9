//! Addresses and frame numbers as the report writes them.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Endpoint, FrameRef};

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP or UDP port.
    pub port: u16,
}

impl From<Endpoint> for Address {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            ip: endpoint.ip(),
            port: endpoint.port,
        }
    }
}

impl From<Address> for Endpoint {
    fn from(address: Address) -> Self {
        Self::new(address.ip, address.port)
    }
}

/// The place of a frame within its own capture; only with more than one capture is there anything to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into `captures`.
    pub capture: Option<u32>,
    /// Frame number within that capture, from 1.
    pub capture_frame: Option<u64>,
}

impl Place {
    /// The place of `frame`; empty where there is but one capture.
    #[must_use]
    pub fn of(frame: FrameRef, several_captures: bool) -> Self {
        if several_captures {
            Self {
                capture: Some(frame.capture()),
                capture_frame: Some(frame.capture_number()),
            }
        } else {
            Self {
                capture: None,
                capture_frame: None,
            }
        }
    }
}
