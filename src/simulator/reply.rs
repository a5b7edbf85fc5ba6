//! A reply as a script: what is written, in which pieces, when, and how it ends.
//!
//! Pure data. Answers and faults only build and bend scripts; `play.rs` alone writes them to a
//! socket. So a fault is a function from a script to a script, and is tested without a network.

use bytes::Bytes;
use std::time::Duration;

/// What goes onto the wire for one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    /// How long the client waits for the first byte of the head.
    pub before_head: Duration,
    /// The head, if there is one.
    pub head: Head,
    /// How the body says where it ends.
    pub framing: Framing,
    /// The body, in order.
    pub steps: Vec<Step>,
    /// What happens after the last step.
    pub ending: Ending,
}

/// The head of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Head {
    /// Status, media type and further headers; the usual ones are added when it is written.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The media type.
        content_type: &'static str,
        /// Headers beside the usual ones.
        headers: Vec<(&'static str, String)>,
    },
    /// These bytes and no head of ours.
    Raw(Bytes),
    /// Nothing.
    Never,
}

/// How a body says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// `Transfer-Encoding: chunked`: what OpenRouter does on every generation.
    Chunked,
    /// `Content-Length`, this many bytes more than are sent.
    Length {
        /// Zero for an honest length.
        beyond: u64,
    },
    /// Neither: the body ends with the connection.
    Unframed,
}

/// One step of a body.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// These bytes, as one HTTP chunk when chunked.
    Send(Bytes),
    /// The beginning of an HTTP chunk that announces `size` bytes.
    Torn {
        /// What is sent of it.
        bytes: Bytes,
        /// What its size line says.
        size: usize,
    },
    /// All so far leaves for the network now.
    Flush,
    /// All so far leaves for the network, then nothing for this long.
    Wait(Duration),
}

/// What happens after the last step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// The body is terminated as its framing demands; the connection stays open.
    Proper,
    /// The connection is closed by FIN, whatever the framing promised.
    Fin,
    /// The connection is reset.
    Reset,
    /// Nothing more, ever: the connection stays open until the client leaves.
    Silence,
    /// These bytes again and again until the client leaves.
    Drip {
        /// What is sent each time.
        bytes: Bytes,
        /// The pause before each time.
        every: Duration,
    },
}

impl Reply {
    /// An answer whose steps and ending are those of a healthy upstream.
    pub(super) fn new(status: u16, content_type: &'static str, steps: Vec<Step>) -> Reply {
        Reply {
            before_head: Duration::ZERO,
            head: Head::Answer { status, content_type, headers: Vec::new() },
            framing: Framing::Chunked,
            steps,
            ending: Ending::Proper,
        }
    }

    /// A whole JSON body with an honest `Content-Length`.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Reply {
        Reply::whole(status, "application/json", body.to_string())
    }

    /// A whole body of any type with an honest `Content-Length`.
    pub(super) fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        let mut reply = Reply::new(status, content_type, vec![Step::Send(body.into())]);
        reply.framing = Framing::Length { beyond: 0 };
        reply
    }

    /// No head at all, and this ending.
    pub(super) fn headless(ending: Ending) -> Reply {
        let mut reply = Reply::new(0, "", Vec::new());
        reply.head = Head::Never;
        reply.ending = ending;
        reply
    }

    /// The same reply with one header more.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        if let Head::Answer { headers, .. } = &mut self.head {
            headers.push((name, value.into()));
        }
        self
    }

    /// The status of the head; 0 without one.
    pub(super) fn status(&self) -> u16 {
        match self.head {
            Head::Answer { status, .. } => status,
            _ => 0,
        }
    }

    /// How many bytes the body has, without any framing.
    pub(super) fn body_len(&self) -> u64 {
        let lengths = self.steps.iter().map(|step| match step {
            Step::Send(bytes) | Step::Torn { bytes, .. } => bytes.len() as u64,
            _ => 0,
        });
        lengths.sum()
    }

    /// All bytes of the body, without any framing.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut whole = Vec::new();
        for step in &self.steps {
            if let Step::Send(bytes) | Step::Torn { bytes, .. } = step {
                whole.extend_from_slice(bytes);
            }
        }
        whole
    }

    /// Keeps the first `keep` bytes of the body with the pieces and pauses they came in. A piece
    /// that is cut is torn: its chunk announces what it no longer carries, unless `clean`.
    pub(super) fn truncate(&mut self, keep: usize, clean: bool) {
        let mut left = keep;
        let mut kept = Vec::with_capacity(self.steps.len());
        for step in self.steps.drain(..) {
            match step {
                Step::Send(bytes) if bytes.len() > left => {
                    let part = bytes.slice(..left);
                    kept.push(if clean {
                        Step::Send(part)
                    } else {
                        Step::Torn { bytes: part, size: bytes.len() }
                    });
                    break;
                }
                Step::Send(bytes) => {
                    left -= bytes.len();
                    kept.push(Step::Send(bytes));
                }
                other => kept.push(other),
            }
        }
        self.steps = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_exactly_that_many_bytes() {
        let steps = vec![Step::Send(Bytes::from("abc")), Step::Flush, Step::Send(Bytes::from("defg"))];
        for keep in 0..=9 {
            let mut reply = Reply::new(200, "text/plain", steps.clone());
            reply.truncate(keep, keep % 2 == 0);
            assert_eq!(reply.body(), b"abcdefg"[..keep.min(7)].to_vec(), "cut at {keep}");
        }
        let mut torn = Reply::new(200, "text/plain", steps);
        torn.truncate(4, false);
        assert_eq!(torn.steps.last(), Some(&Step::Torn { bytes: Bytes::from("d"), size: 4 }));
    }
}
