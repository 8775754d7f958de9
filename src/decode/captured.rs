//! The bytes still to be decoded, and how many more were on the wire.

use super::outcome::{Layer, NotOurs};

/// What is left of a packet. Each layer takes its header off the front and, where it knows its own length, its padding
/// off the end.
///
/// `cut` counts the bytes that follow `data` on the wire and were not captured. It is always computed from the innermost
/// length known, so that Ethernet padding that was not captured is no loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct Captured<'a> {
    /// The captured bytes.
    pub(super) data: &'a [u8],
    /// Bytes behind them that were on the wire only.
    pub(super) cut: u32,
}

impl<'a> Captured<'a> {
    /// A packet as the capture has it. A wire length below the captured one is not believed.
    #[inline]
    pub(super) fn new(data: &'a [u8], wire_len: u32) -> Self {
        Self {
            data,
            cut: wire_len.saturating_sub(length(data)),
        }
    }

    /// Bytes on the wire.
    #[inline]
    pub(super) fn wire_len(self) -> u32 {
        length(self.data).saturating_add(self.cut)
    }

    /// Takes a header of fixed length off the front; `layer` is blamed where it is not there.
    #[inline]
    pub(super) fn header<const N: usize>(
        self,
        layer: Layer,
    ) -> Result<(&'a [u8; N], Self), NotOurs> {
        match self.data.split_first_chunk() {
            Some((header, data)) => Ok((header, Self { data, ..self })),
            None => Err(self.short(layer)),
        }
    }

    /// Drops `count` bytes from the front; `layer` is blamed where they are not there.
    #[inline]
    pub(super) fn after(self, count: usize, layer: Layer) -> Result<Self, NotOurs> {
        match self.data.get(count..) {
            Some(data) => Ok(Self { data, ..self }),
            None => Err(self.short(layer)),
        }
    }

    /// Ends the bytes where an IP header says that they end. What it promises beyond the captured bytes was cut, whatever
    /// the length of the frame around it.
    #[inline]
    pub(super) fn limited_to(self, wire_len: u32) -> Self {
        match self.data.get(..wire_len as usize) {
            Some(data) => Self { data, cut: 0 },
            None => Self {
                data: self.data,
                cut: wire_len.saturating_sub(length(self.data)),
            },
        }
    }

    /// Ends the bytes no later than a header around them says; such a length can only take bytes away.
    #[inline]
    pub(super) fn at_most(self, wire_len: u32) -> Self {
        if wire_len < self.wire_len() {
            self.limited_to(wire_len)
        } else {
            self
        }
    }

    /// Why a header is not complete: not captured, or never there.
    #[cold]
    pub(super) fn short(self, layer: Layer) -> NotOurs {
        if self.cut > 0 {
            NotOurs::HeaderCut
        } else {
            NotOurs::Malformed(layer)
        }
    }
}

/// Length of a slice of one packet. Captured packets are far below 4 GiB; a longer one would count as 4 GiB.
#[inline]
fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_that_was_not_captured_is_no_loss() {
        let frame = Captured::new(&[1, 2, 3, 4], 46);
        assert_eq!(frame.limited_to(3).cut, 0);
        assert_eq!(frame.limited_to(3).data, [1, 2, 3]);
        assert_eq!(frame.limited_to(10).cut, 6);
    }

    #[test]
    fn only_an_inner_length_may_promise_more_than_the_frame() {
        let frame = Captured::new(&[1, 2, 3, 4], 4);
        assert_eq!(frame.limited_to(10).cut, 6);
        assert_eq!(frame.at_most(10).cut, 0);
        assert_eq!(frame.at_most(2).data, [1, 2]);
    }

    #[test]
    fn a_wire_length_below_the_captured_one_is_not_believed() {
        assert_eq!(Captured::new(&[0; 8], 4).wire_len(), 8);
    }
}
