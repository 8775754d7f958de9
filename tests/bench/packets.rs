//! Reader, decoder, reassembly.

use std::ops::ControlFlow;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use ftpscope::capture::{Input, PacketSource};
use ftpscope::decode::{Decoded, Decoder, Segment};
use ftpscope::model::{Direction, FrameRef, Limits, Span};
use ftpscope::reassembly::{
    CaptureClock, Chunk, CloseReason, FlowId, FlowSummary, FlowTable, Gap, Interest, StreamHandler,
};

use crate::sessions::{capture, packets, source};

#[divan::bench]
fn reader(bencher: Bencher<'_, '_>) {
    let file = capture("loss.pcap", 50);
    bencher
        .counter(BytesCount::of_slice(&file))
        .with_inputs(|| source(&file))
        .bench_local_values(|mut source| {
            source.for_each(&mut |input| {
                if let Input::Packet(packet) = input {
                    black_box(packet.data);
                }
                ControlFlow::Continue(())
            });
        });
}

#[divan::bench]
fn decoder(bencher: Bencher<'_, '_>) {
    let packets = packets(&capture("loss.pcap", 50));
    bencher
        .counter(ItemsCount::new(packets.len()))
        .bench_local(|| {
            let mut decoder = Decoder::new(&Limits::default());
            for packet in &packets {
                black_box(decoder.decode(&packet.packet()));
            }
        });
}

/// With the decoder, for segments borrow from it. The same sequence numbers again are new connections and retransmissions.
#[divan::bench]
fn decoder_and_reassembly(bencher: Bencher<'_, '_>) {
    let packets = packets(&capture("loss.pcap", 50));
    bencher
        .counter(ItemsCount::new(packets.len()))
        .bench_local(|| {
            let limits = Limits::default();
            let mut decoder = Decoder::new(&limits);
            let mut clock = CaptureClock::default();
            let mut flows = FlowTable::new(&limits);
            let mut bytes = Everything::default();
            for packet in &packets {
                if let Decoded::Segment(segment) = decoder.decode(&packet.packet()) {
                    let moment = clock.advance(segment.frame.time);
                    flows.segment(&segment, moment, &mut bytes);
                }
            }
            flows.finish(clock.now(), FrameRef::default(), &mut bytes);
            bytes.count
        });
}

/// Wants all bytes of all connections.
#[derive(Default)]
struct Everything {
    count: usize,
}

impl StreamHandler for Everything {
    fn admit(&mut self, _: &Segment<'_>) -> bool {
        true
    }

    fn opened(&mut self, _: FlowId, _: &FlowSummary) -> Interest {
        Interest::Bytes
    }

    fn established(&mut self, _: FlowId, _: &FlowSummary) {}

    fn data(&mut self, _: FlowId, _: Direction, chunk: Chunk<'_>, _: &FlowSummary) -> Interest {
        self.count += black_box(chunk.bytes).len();
        Interest::Bytes
    }

    fn gap(&mut self, _: FlowId, _: Direction, _: Gap, _: &FlowSummary) {}

    fn finished(&mut self, _: FlowId, _: Direction, _: FrameRef, _: &FlowSummary) {}

    fn expires(&self, _: FlowId, _: Span) -> bool {
        false
    }

    fn closed(&mut self, _: FlowId, _: CloseReason, _: FrameRef, _: &FlowSummary) {}
}
