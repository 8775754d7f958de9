//! Any segments of two connections: bytes leave in order, each once, and holes are reported.

#![no_main]

use ftpscope::decode::{Segment, TcpFlags};
use ftpscope::model::{Direction, Endpoint, FrameRef, Limits, Timestamp};
use ftpscope::reassembly::{
    CaptureClock, Chunk, CloseReason, FlowId, FlowSummary, FlowTable, Gap, Interest, StreamHandler,
};

/// Offset at which the next byte or hole of each direction must begin.
struct InOrder {
    next: [[u64; 2]; 64],
}

impl InOrder {
    fn at(&mut self, flow: FlowId, direction: Direction, offset: u64, length: u64) {
        let next = &mut self.next[flow.0 as usize % 64][direction.index()];
        assert_eq!(*next, offset);
        assert!(length > 0);
        *next += length;
    }
}

impl StreamHandler for InOrder {
    fn admit(&mut self, _: &Segment<'_>) -> bool {
        true
    }

    fn opened(&mut self, flow: FlowId, _: &FlowSummary) -> Interest {
        self.next[flow.0 as usize % 64] = [0; 2];
        Interest::Bytes
    }

    fn established(&mut self, _: FlowId, _: &FlowSummary) {}

    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        _: &FlowSummary,
    ) -> Interest {
        self.at(flow, direction, chunk.offset, chunk.bytes.len() as u64);
        Interest::Bytes
    }

    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, _: &FlowSummary) {
        self.at(flow, direction, gap.offset, gap.length);
    }

    fn finished(&mut self, _: FlowId, _: Direction, _: FrameRef, _: &FlowSummary) {}

    fn closed(&mut self, _: FlowId, _: CloseReason, _: FrameRef, summary: &FlowSummary) {
        for half in &summary.half {
            assert!(half.irregular().conflicting_bytes <= half.retransmitted_bytes);
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        held_bytes: 4096,
        flows: 8,
        ..Limits::default()
    };
    let mut clock = CaptureClock::default();
    let mut table = FlowTable::new(&limits);
    let mut handler = InOrder {
        next: [[0; 2]; 64],
    };
    let mut frame = FrameRef::default();
    let mut time = 0_i64;
    for step in bytes.chunks(9) {
        let &[who, flags, s1, s2, a1, a2, length, wait, far] = step else {
            break;
        };
        time += i64::from(wait) * 10_000_000 * i64::from(who >> 6 & 1).max(1);
        frame.number += 1;
        frame.time = Timestamp::from_nanos(time);
        let ends = [
            Endpoint::v4([10, 0, 0, 1], 1000 + u16::from(who >> 1 & 3)),
            Endpoint::v4([10, 0, 0, 2], 21),
        ];
        let [source, destination] = if who & 1 == 0 { ends } else { [ends[1], ends[0]] };
        // Near the wrap of sequence numbers, and sometimes far away.
        let base = 0xffff_ff00_u32.wrapping_add(u32::from(far & 3) << 22);
        let payload = vec![who; usize::from(length)];
        let segment = Segment {
            frame,
            source,
            destination,
            identification: u16::from(far >> 5),
            sequence: base.wrapping_add(u32::from(u16::from_be_bytes([s1 & 7, s2]))),
            acknowledgment: base.wrapping_add(u32::from(u16::from_be_bytes([a1 & 7, a2]))),
            flags: TcpFlags(flags),
            window: 4096,
            window_scale: (far & 4 != 0).then_some(far >> 4),
            ip_len: 40 + u32::from(length),
            frame_len: 54 + u32::from(length),
            header: &[],
            payload: &payload,
            cut: u32::from(far & 8),
        };
        let moment = clock.advance(frame.time);
        table.segment(&segment, moment, &mut handler);
        if far & 0x40 != 0 {
            table.tick(moment.now, frame, &mut handler);
        }
    }
    table.finish(clock.now(), frame, &mut handler);
    let _ = table.warnings();
});
