//! One request and the head of its answer, over one connection; HTTP/1.1 is read by actix-http's codec.
//!
//! awc's own exchange is not used: it keeps 40 KiB for every answer as long as it lasts, starts a clock
//! for each, copies bodies, and takes an answer without an end for one without a body (stack facts A2).

use super::answer::{Answer, AnswerBody};
use super::fault::TransportFault;
use super::links::{Link, Links};
use actix_http::h1::{ClientCodec, MessageType};
use actix_http::{ResponseHead, ServiceConfig, Version};
use actix_web::http::{StatusCode, header};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::Decoder;

/// A body of no more than this leaves in one piece with its head.
const ONE_PIECE: usize = 16 * 1024;
/// Room for the head of an answer. What is left of it must be 2 KiB, or the codec makes it 32. Not 4 KiB, of which
/// jemalloc keeps none ready: each would cost it a page.
const HEAD: usize = 5 * 1024;

/// Sends `head` with `body` over `link`, and reads the head of the answer.
pub(super) async fn exchange(
    mut link: Link,
    head: BytesMut,
    body: &[Bytes],
    config: &ServiceConfig,
    links: &Links,
) -> Result<Answer, TransportFault> {
    let sent = send(&mut link, head, body).await;
    let mut codec = ClientCodec::new(config.clone());
    let mut inbox = BytesMut::with_capacity(HEAD);
    // An upstream that refuses a body may close before it has read all of it: what it said counts.
    let head = receive(&mut link, &mut inbox, &mut codec).await?;
    let endless = has_no_end(&head);
    let is_kept = sent.is_ok() && head.keep_alive();
    let link = match codec.message_type() {
        // The bytes that still come would be read as the head of somebody else's answer.
        MessageType::None if endless || !inbox.is_empty() || !is_kept => None,
        MessageType::None => {
            links.keep(link);
            None
        }
        _ => Some(link),
    };
    let body = AnswerBody::new(link, codec.into_payload_codec(), inbox, is_kept.then(|| links.clone()));
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

async fn send(link: &mut Link, mut out: BytesMut, body: &[Bytes]) -> Result<(), TransportFault> {
    let length: usize = body.iter().map(Bytes::len).sum();
    let mut slices = VecDeque::new();
    if length <= ONE_PIECE {
        body.iter().for_each(|slice| out.extend_from_slice(slice));
    } else {
        slices.extend(body.iter().filter(|slice| !slice.is_empty()).cloned());
    }
    let sent = if slices.is_empty() {
        link.io.write_all(&out).await
    } else {
        slices.push_front(out.freeze());
        link.io.write_all_buf(&mut Slices(slices)).await
    };
    sent.map_err(|_| TransportFault::NoHead)?;
    link.io.flush().await.map_err(|_| TransportFault::NoHead)
}

async fn receive(
    link: &mut Link,
    inbox: &mut BytesMut,
    codec: &mut ClientCodec,
) -> Result<ResponseHead, TransportFault> {
    loop {
        inbox.reserve(HEAD / 2);
        match link.io.read_buf(inbox).await {
            Ok(1..) => {}
            // A connection that had died while it was kept says nothing; one that says something had not.
            Ok(0) | Err(_) if inbox.is_empty() => return Err(TransportFault::NoHead),
            Ok(0) | Err(_) => return Err(TransportFault::Cut),
        }
        while let Some(head) = codec.decode(inbox).map_err(|_| TransportFault::NotHttp)? {
            // More heads come, but behind one that changes the protocol or brings a body nothing could be
            // read any more; the codec must not even be asked.
            match codec.message_type() {
                _ if !head.status.is_informational() => return Ok(head),
                MessageType::None => {}
                _ => return Err(TransportFault::NotHttp),
            }
        }
    }
}

/// Whether only the end of the connection ends the answer's body (RFC 9112, 6.3, case 8).
fn has_no_end(head: &ResponseHead) -> bool {
    head.version == Version::HTTP_11
        && head.status != StatusCode::NO_CONTENT
        && head.status != StatusCode::NOT_MODIFIED
        && !head.headers.contains_key(header::CONTENT_LENGTH)
        && !head.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Bytes in slices, sent one after another without being copied into one.
struct Slices(VecDeque<Bytes>);

impl Buf for Slices {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |slice| slice)
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let filled = out.iter_mut().zip(&self.0).map(|(out, slice)| *out = IoSlice::new(slice));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.0.front_mut() {
            let part = count.min(first.len());
            first.advance(part);
            count -= part;
            if !first.is_empty() {
                return;
            }
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_leave_in_order_whatever_the_socket_takes() {
        let mut slices = Slices([&b"ab"[..], b"cde", b"f"].map(Bytes::from_static).into());
        assert_eq!(slices.remaining(), 6);
        slices.advance(3);
        let mut out = [IoSlice::new(&[]); 4];
        assert_eq!(slices.chunks_vectored(&mut out), 2);
        assert_eq!((&*out[0], &*out[1]), (&b"de"[..], &b"f"[..]));
        slices.advance(2);
        assert_eq!(slices.chunk(), b"f");
        slices.advance(1);
        assert_eq!((slices.remaining(), slices.chunk()), (0, &b""[..]));
    }
}
