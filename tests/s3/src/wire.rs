//! Between the socket and the service: counts requests, and lets them meet their faults.

use crate::{Entry, Fault, Operation, server::Hooks};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, Response, StatusCode, body::Body, body::Frame, body::Incoming, body::SizeHint, header};
use s3s::service::S3Service;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Sleep;

/// What every connection shares.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) service: S3Service,
    pub(crate) hooks: Arc<Hooks>,
}

/// An answer's body: its bytes, and how they come.
pub(crate) struct Answer {
    bytes: Bytes,
    shape: Shape,
    pause: Option<Pin<Box<Sleep>>>,
}

enum Shape {
    Whole,
    Truncated(usize),
    Stalled(usize),
    Trickling(usize, Duration),
}

impl Wire {
    /// Answers a request, or fails so that the connection is closed.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Result<Response<Answer>, io::Error> {
        let (operation, key) = Operation::of(request.method(), request.uri());
        let _at_once = self.hooks.enter();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| cut())?.to_bytes();
        let bytes_in = body.len() as u64;
        self.hooks.requests().arrived(operation, bytes_in);
        let request = Request::from_parts(head, s3s::Body::from(body));
        let fault = self.hooks.faults().draw(operation, &key);
        let answer = self.perform(request, fault).await;
        let (status, bytes_out) = match &answer {
            Ok(answer) => (answer.status().as_u16(), answer.body().bytes.len() as u64),
            Err(_) => (0, 0),
        };
        self.hooks.requests().answered(operation, bytes_out);
        self.hooks.log().push(Entry { operation, key, status, bytes_in, bytes_out });
        answer
    }

    async fn perform(&self, request: Request<s3s::Body>, fault: Option<Fault>) -> Result<Response<Answer>, io::Error> {
        match fault {
            None => self.serve(request).await,
            Some(Fault::Refuse(status, code)) => Ok(refusal(status, code)),
            Some(Fault::RefuseAfter(status, code)) => {
                self.serve(request).await?;
                Ok(refusal(status, code))
            }
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.serve(request).await
            }
            Some(Fault::CutBefore) => Err(cut()),
            Some(Fault::CutAfter) => {
                self.serve(request).await?;
                Err(cut())
            }
            Some(Fault::Late(time)) => {
                let wire = self.clone();
                let late = self.hooks.late();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let _ = wire.serve(request).await; // whoever asked has long gone
                    drop(late);
                });
                Err(cut())
            }
            Some(Fault::Truncate(bytes)) => self.shaped(request, Shape::Truncated(bytes)).await,
            Some(Fault::Stall(bytes)) => self.shaped(request, Shape::Stalled(bytes)).await,
            Some(Fault::Trickle(bytes, pause)) => self.shaped(request, Shape::Trickling(bytes.max(1), pause)).await,
            Some(Fault::Flip) => {
                let mut answer = self.serve(request).await?;
                let mut bytes = answer.body().bytes.to_vec();
                if let Some(byte) = bytes.first_mut() {
                    *byte ^= 1;
                }
                answer.body_mut().bytes = bytes.into();
                Ok(answer)
            }
        }
    }

    async fn serve(&self, request: Request<s3s::Body>) -> Result<Response<Answer>, io::Error> {
        let answer = self.service.call(request).await.map_err(|_| cut())?;
        let (head, body) = answer.into_parts();
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, Answer { bytes, shape: Shape::Whole, pause: None }))
    }

    async fn shaped(&self, request: Request<s3s::Body>, shape: Shape) -> Result<Response<Answer>, io::Error> {
        let mut answer = self.serve(request).await?;
        answer.body_mut().shape = shape;
        Ok(answer)
    }
}

fn cut() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// An answer that S3 gives to what it does not do.
fn refusal(status: u16, code: &str) -> Response<Answer> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>a fault was asked for</Message><RequestId>fault</RequestId></Error>"
    );
    let mut answer = Response::new(Answer { bytes: text.into(), shape: Shape::Whole, pause: None });
    *answer.status_mut() = StatusCode::from_u16(status).expect("a fault has a status of HTTP");
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/xml"));
    answer.headers_mut().insert("x-amz-request-id", header::HeaderValue::from_static("fault"));
    answer
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = |bytes: Bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        match self.shape {
            Shape::Whole => frame(std::mem::take(&mut self.bytes)),
            Shape::Truncated(0) => Poll::Ready(Some(Err(cut()))),
            Shape::Stalled(0) => Poll::Pending, // nobody wakes it: the client has to give up
            Shape::Truncated(ref mut left) | Shape::Stalled(ref mut left) => {
                let wanted = std::mem::take(left);
                let len = wanted.min(self.bytes.len());
                frame(self.bytes.split_to(len))
            }
            Shape::Trickling(piece, pause) => {
                let sleep = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                std::task::ready!(sleep.as_mut().poll(context));
                self.pause = None;
                let len = piece.min(self.bytes.len());
                frame(self.bytes.split_to(len))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
