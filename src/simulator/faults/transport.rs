//! Broken connections and framing: hangs, resets, cuts, wrong lengths, silence. They never change
//! what the body says, only how much of it arrives and when.
//!
//! Never announces `Connection: close`: a break must come as a surprise.

use super::Effect::{Bend, Instead};
use super::{Dialect, Effect, Fault, Row};
use crate::simulator::reply::{Ending, Framing, Head, Reply, Step};
use bytes::Bytes;
use std::time::Duration;

pub(super) const ROWS: &[Row] = &[
    row(Fault::Hang, 0, Instead(|_| Reply::headless(Ending::Silence))),
    row(Fault::Late, 3000, Bend(|c, good| Reply { before_head: Duration::from_millis(c.amount), ..good })),
    row(
        Fault::HeadOnly,
        0,
        Bend(|_, good| Reply { steps: vec![Step::Flush], ending: Ending::Silence, ..good }),
    ),
    row(Fault::Reset, 0, Instead(|_| Reply::headless(Ending::Reset))),
    row(Fault::Close, 0, Instead(|_| Reply::headless(Ending::Fin))),
    row(
        Fault::HalfHead,
        40,
        Instead(|c| {
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
            let keep = clamp(c.amount).min(head.len());
            raw(Bytes::copy_from_slice(head.get(..keep).unwrap_or_default()))
        }),
    ),
    row(Fault::ResetMid, 200, Bend(|c, good| cut(good, c.amount, false, Ending::Reset))),
    row(Fault::Cut, 200, Bend(|c, good| cut(good, c.amount, false, Ending::Fin))),
    row(Fault::CutClean, 200, Bend(|c, good| cut(good, c.amount, true, Ending::Fin))),
    row(Fault::NoDone, 0, Bend(|_, good| without_done(good))),
    row(
        Fault::Short,
        100,
        Bend(|c, good| Reply {
            framing: Framing::Length { beyond: c.amount.max(1) },
            ending: Ending::Fin,
            ..good
        }),
    ),
    row(
        Fault::Unframed,
        0,
        Bend(|_, good| Reply { framing: Framing::Unframed, ending: Ending::Fin, ..good }),
    ),
    row(Fault::Slow, 200, Bend(|c, good| slow(good, Duration::from_millis(c.amount)))),
    row(Fault::Idle, 300, Bend(|c, good| cut(good, c.amount, true, Ending::Silence))),
    row(
        Fault::IdleComments,
        300,
        Bend(|c, good| {
            let bytes = match (c.stream, c.dialect) {
                (false, _) | (_, Dialect::Embeddings) => Bytes::from_static(b"\n         \n"),
                _ => Bytes::from_static(b": OPENROUTER PROCESSING\n\n"),
            };
            cut(good, c.amount, true, Ending::Drip { bytes, every: Duration::from_millis(250) })
        }),
    ),
    row(Fault::Flood, 1000, Bend(|c, good| flood(good, clamp(c.amount)))),
    row(
        Fault::Huge,
        64,
        Bend(|c, good| {
            let block = Bytes::from(vec![b' '; 64 * 1024]);
            let mut steps = vec![Step::Send(block); clamp(c.amount).saturating_mul(16)];
            steps.extend(good.steps);
            Reply { steps, ..good }
        }),
    ),
    row(
        Fault::Garbage,
        0,
        Instead(|_| raw(Bytes::from_static(b"\x16\x03\x03\x00\x02\x02\x28 not HTTP \xff\xfe\r\n\r\n"))),
    ),
];

const fn row(fault: Fault, amount: u64, effect: Effect) -> Row {
    Row { fault, costs: true, amount, effect }
}

fn clamp(amount: u64) -> usize {
    usize::try_from(amount).unwrap_or(usize::MAX)
}

fn raw(bytes: Bytes) -> Reply {
    Reply { head: Head::Raw(bytes), ..Reply::headless(Ending::Fin) }
}

fn cut(mut good: Reply, keep: u64, clean: bool, ending: Ending) -> Reply {
    good.truncate(clamp(keep), clean);
    // A cut must reach the client before the connection is reset.
    good.steps.push(Step::Flush);
    if ending == Ending::Reset {
        good.steps.push(Step::Wait(Duration::from_millis(5)));
    }
    Reply { ending, ..good }
}

/// A good answer of chat without its end, then events of 250 bytes at this rate, in kilobytes a second.
fn flood(good: Reply, rate: usize) -> Reply {
    const EVERY: Duration = Duration::from_millis(20);
    let piece = "x".repeat(160);
    let event = format!(
        "data: {{\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{piece}\"}}}}]}}\n\n"
    );
    let bytes = event.repeat((rate.clamp(1, 1 << 20) * 20).div_ceil(event.len()));
    let mut good = without_done(good);
    good.steps.push(Step::Flush);
    Reply { ending: Ending::Drip { bytes: bytes.into(), every: EVERY }, ..good }
}

fn without_done(mut good: Reply) -> Reply {
    const DONE: &[u8] = b"data: [DONE]\n\n";
    let body = good.body();
    if body.ends_with(DONE) {
        good.truncate(body.len() - DONE.len(), true);
    }
    good
}

fn slow(mut good: Reply, pause: Duration) -> Reply {
    let mut steps = Vec::with_capacity(good.steps.len() * 2);
    for step in good.steps.drain(..) {
        if matches!(step, Step::Send(_)) {
            steps.push(Step::Wait(pause));
        }
        steps.push(step);
    }
    Reply { steps, ..good }
}
