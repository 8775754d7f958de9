//! Undecoded bytes of a packet, and how many more of them were on the wire.

use super::decoded::{Layer, SkipReason};

/// Remaining bytes of a packet. Each layer takes its header off the front and, if its header states a length,
/// padding off the end.
///
/// ```text
/// on the wire: [ header | ............ data ............ |......... cut .........| padding ]
///                       ^ front                          ^ end of the captured bytes
/// ```
///
/// `cut` always follows from the innermost length known. Ethernet padding that was not captured is therefore no loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireBytes<'a> {
    /// Captured bytes.
    pub(super) data: &'a [u8],
    /// Count of bytes behind `data` that were on the wire but not captured.
    pub(super) cut: u32,
}

impl<'a> WireBytes<'a> {
    /// Creates the bytes of a captured packet.
    #[inline]
    pub(super) fn new(data: &'a [u8], wire_len: u32) -> Self {
        Self {
            data,
            // Saturating: some writers record a wire length below the captured one (often 0).
            cut: wire_len.saturating_sub(length(data)),
        }
    }

    /// Returns the length on the wire.
    #[inline]
    pub(super) fn wire_len(self) -> u32 {
        length(self.data).saturating_add(self.cut)
    }

    /// Splits a header of fixed length off the front; fails for `layer` if it is incomplete.
    #[inline]
    pub(super) fn split_header<const N: usize>(
        self,
        layer: Layer,
    ) -> Result<(&'a [u8; N], Self), SkipReason> {
        match self.data.split_first_chunk() {
            Some((header, data)) => Ok((header, Self { data, ..self })),
            None => Err(self.incomplete(layer)),
        }
    }

    /// Drops `count` bytes from the front; fails for `layer` if there are fewer.
    #[inline]
    pub(super) fn skip(self, count: usize, layer: Layer) -> Result<Self, SkipReason> {
        match self.data.get(count..) {
            Some(data) => Ok(Self { data, ..self }),
            None => Err(self.incomplete(layer)),
        }
    }

    /// Sets the length on the wire to that of an IP header.
    #[inline]
    pub(super) fn with_wire_len(self, wire_len: u32) -> Self {
        match self.data.get(..wire_len as usize) {
            Some(data) => Self { data, cut: 0 },
            // The IP length wins over a smaller one of the frame: some tools that shorten packets record the shortened
            // length as that on the wire.
            None => Self {
                data: self.data,
                cut: wire_len.saturating_sub(length(self.data)),
            },
        }
    }

    /// Reduces the length on the wire to that of an outer header, which can only take padding away.
    #[inline]
    pub(super) fn at_most(self, wire_len: u32) -> Self {
        if wire_len < self.wire_len() {
            self.with_wire_len(wire_len)
        } else {
            self
        }
    }

    /// Classifies an incomplete header: cut by the snap length, or malformed.
    #[cold]
    pub(super) fn incomplete(self, layer: Layer) -> SkipReason {
        if self.cut > 0 {
            SkipReason::HeaderCut
        } else {
            SkipReason::Malformed(layer)
        }
    }
}

/// Returns the length of a slice of one packet; captured packets are far below 4 GiB.
#[inline]
fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_that_was_not_captured_is_no_loss() {
        let frame = WireBytes::new(&[1, 2, 3, 4], 46);
        assert_eq!(frame.with_wire_len(3).cut, 0);
        assert_eq!(frame.with_wire_len(3).data, [1, 2, 3]);
        assert_eq!(frame.with_wire_len(10).cut, 6);
    }

    #[test]
    fn only_an_ip_length_may_exceed_the_frame() {
        let frame = WireBytes::new(&[1, 2, 3, 4], 4);
        assert_eq!(frame.with_wire_len(10).cut, 6);
        assert_eq!(frame.at_most(10).cut, 0);
        assert_eq!(frame.at_most(2).data, [1, 2]);
    }

    #[test]
    fn wire_length_below_the_captured_one_is_ignored() {
        assert_eq!(WireBytes::new(&[0; 8], 4).wire_len(), 8);
    }
}
