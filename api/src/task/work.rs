//! What may be handed to `run`: closures with or without a context, plain or fallible, direct or async.

use core::convert::Infallible;
use core::future::{Future, Ready, ready};
use core::pin::Pin;
use core::task::{self, Poll};

use pin_project_lite::pin_project;

/// A closure that a task runs once, with or without the task's context as its argument.
///
/// `Args` is `()` or `(C,)` and is always inferred. A closure without an argument costs no context.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run as a task",
    note = "a task is a closure `|| ..` or `|cx: Context| ..`"
)]
pub trait AsyncWork<C, Args> {
    /// What the closure returns; see [`IntoAsyncResult`].
    type Output;

    /// Calls the closure; `context` makes the argument if it takes one.
    fn call(self, context: impl FnOnce() -> C) -> Self::Output;
}

/// A closure that a task may run several times, once for each attempt.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run more than once",
    note = "with `retry` the closure runs once an attempt: clone what it captures before it moves into the async block"
)]
pub trait RepeatableWork<C, Args> {
    /// What the closure returns; see [`IntoAsyncResult`].
    type Output;

    /// Calls the closure; `context` makes the argument if it takes one.
    fn call_again(&mut self, context: impl FnOnce() -> C) -> Self::Output;
}

/// A closure that several threads may run at once: a blocking one that is tried again, since an attempt that was given up
/// goes on until it returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be run by several threads",
    note = "with `retry` a blocking closure is a `Fn`: what changes in it is an atomic or behind a lock"
)]
pub trait SharedWork<C, Args> {
    /// What the closure returns.
    type Output;

    /// Calls the closure; `context` makes the argument if it takes one.
    fn call_shared(&self, context: impl FnOnce() -> C) -> Self::Output;
}

/// What a task's closure may return: `T`, `Result<T, E>`, or a future of either.
///
/// `Marker` says which of the four it was and is always inferred. The infallible forms fix `E` to [`Infallible`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no result of a task that yields `{T}`",
    note = "return the value, a `Result` of it, or a future of either"
)]
pub trait IntoAsyncResult<T, E, Marker> {
    /// The future form.
    type Future: Future<Output = Result<T, E>>;

    /// Converts into the future form.
    fn into_async_result(self) -> Self::Future;
}

impl<C, F, O> AsyncWork<C, ()> for F
where
    F: FnOnce() -> O,
{
    type Output = O;

    #[inline]
    fn call(self, _: impl FnOnce() -> C) -> O {
        self()
    }
}

impl<C, F, O> AsyncWork<C, (C,)> for F
where
    F: FnOnce(C) -> O,
{
    type Output = O;

    #[inline]
    fn call(self, context: impl FnOnce() -> C) -> O {
        self(context())
    }
}

impl<C, F, O> RepeatableWork<C, ()> for F
where
    F: FnMut() -> O,
{
    type Output = O;

    #[inline]
    fn call_again(&mut self, _: impl FnOnce() -> C) -> O {
        self()
    }
}

impl<C, F, O> RepeatableWork<C, (C,)> for F
where
    F: FnMut(C) -> O,
{
    type Output = O;

    #[inline]
    fn call_again(&mut self, context: impl FnOnce() -> C) -> O {
        self(context())
    }
}

impl<C, F, O> SharedWork<C, ()> for F
where
    F: Fn() -> O,
{
    type Output = O;

    fn call_shared(&self, _: impl FnOnce() -> C) -> O {
        self()
    }
}

impl<C, F, O> SharedWork<C, (C,)> for F
where
    F: Fn(C) -> O,
{
    type Output = O;

    fn call_shared(&self, context: impl FnOnce() -> C) -> O {
        self(context())
    }
}

/// Marks a plain value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Value;

/// Marks a `Result`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fallible;

/// Marks a future of a plain value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AsyncValue;

/// Marks a future of a `Result`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AsyncFallible;

impl<T> IntoAsyncResult<T, Infallible, Value> for T {
    type Future = Ready<Result<T, Infallible>>;

    #[inline]
    fn into_async_result(self) -> Self::Future {
        ready(Ok(self))
    }
}

impl<T, E> IntoAsyncResult<T, E, Fallible> for Result<T, E> {
    type Future = Ready<Self>;

    #[inline]
    fn into_async_result(self) -> Self::Future {
        ready(self)
    }
}

impl<T, F> IntoAsyncResult<T, Infallible, AsyncValue> for F
where
    F: Future<Output = T>,
{
    type Future = Always<F>;

    #[inline]
    fn into_async_result(self) -> Always<F> {
        Always { future: self }
    }
}

impl<T, E, F> IntoAsyncResult<T, E, AsyncFallible> for F
where
    F: Future<Output = Result<T, E>>,
{
    type Future = F;

    #[inline]
    fn into_async_result(self) -> F {
        self
    }
}

pin_project! {
    /// The output of an infallible future, as a `Result`.
    #[derive(Debug)]
    pub struct Always<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Always<F> {
    type Output = Result<F::Output, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(Ok)
    }
}
